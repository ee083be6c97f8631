"""The documented base class of secrets providers."""

from __future__ import annotations

import abc
from typing import Any

from buildmaster.service import BuildbotService


class SecretProviderBase(BuildbotService):
    """Keeps secrets; subclasses override :meth:`get`."""

    @abc.abstractmethod
    def get(self, *args: Any, **kwargs: Any) -> Any:
        """The value of the secret with the key given first, or None if it is not known here; may return a Deferred."""
