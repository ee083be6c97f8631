"""Comparing what a configuration describes, whatever attributes a user's subclass has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from buildmaster.base.compare import ComparableMixin


class Described(ComparableMixin):
    """Equal when of one class and equal in all attributes but those that a running service sets."""

    compare_attrs: ClassVar[Sequence[str]] = ("description",)
    live_attrs: ClassVar[frozenset[str]] = frozenset()
    """What a running service sets."""

    @property
    def description(self) -> dict[str, Any]:
        """The attributes that a configuration has given."""
        return {name: value for name, value in vars(self).items() if name not in self.live_attrs}
