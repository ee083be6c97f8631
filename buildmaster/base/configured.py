"""Showing what is configured: the documented ``getConfigDict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConfiguredMixin:
    """Something configured that can be shown; by default by its ``name`` alone."""

    name: Any = None

    def getConfigDict(self) -> dict[str, Any]:
        """What is to be shown of this object."""
        return {"name": self.name}


def config_value(value: Any) -> Any:
    """A value of the configuration made of plain JSON types; what has no such form is shown by its name or class."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(key): config_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [config_value(part) for part in value]
    if callable(getattr(value, "getConfigDict", None)) and not isinstance(value, type):
        return config_value(value.getConfigDict())
    pattern = getattr(value, "pattern", None)
    if isinstance(pattern, str):
        return pattern
    return getattr(value, "__qualname__", type(value).__qualname__)
