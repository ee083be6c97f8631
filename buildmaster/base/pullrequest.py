"""Properties out of what a hosting service says about an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any


class PullRequestMixin:
    """Flattens a payload and keeps what a list of patterns names.

    Subclasses set ``property_basename``, the first word of all names, ``external_property_whitelist`` and
    ``external_property_denylist``, file name patterns (``*``, ``?``) of full names such as ``github.user.login``.
    """

    property_basename: str = ""
    external_property_whitelist: Sequence[str] = []
    external_property_denylist: Sequence[str] = []

    def extractProperties(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a payload whose names are wanted: dictionaries are followed, lists are kept as they are."""
        return {name: value for name, value in _flattened(self.property_basename, payload) if self._wanted(name)}

    def _wanted(self, name: str) -> bool:
        if any(fnmatch(name, pattern) for pattern in self.external_property_denylist):
            return False
        return any(fnmatch(name, pattern) for pattern in self.external_property_whitelist)


def _flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The names and values of a nested dictionary, however deep it is."""
    left = [(name, value)]
    while left:
        name, value = left.pop()
        if isinstance(value, Mapping):
            left += [(f"{name}.{key}", item) for key, item in reversed(list(value.items()))]
        else:
            yield name, value
