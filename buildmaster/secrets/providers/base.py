"""The documented base class of secrets providers."""

from __future__ import annotations

import abc
from typing import Any

from buildmaster.service import BuildbotService


class SecretUnavailable(Exception):
    """A provider could not find out whether it has a secret, or must not give it out; the text says why."""


class SecretProviderBase(BuildbotService):
    """Keeps secrets; subclasses override :meth:`get`, and ``checkConfig`` and ``reconfigService`` as every service."""

    @abc.abstractmethod
    def get(self, *args: Any, **kwargs: Any) -> Any:
        """The value of the secret with the key given first, or None if it is not known here; may return a Deferred.

        What it raises does not keep the other providers from being asked.
        """
