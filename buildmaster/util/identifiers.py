"""Documented address: identifiers of the data API, with the length as the first argument."""

from __future__ import annotations

from typing import Any

from buildmaster.base.strings import force_identifier, increment_identifier, is_identifier

__all__ = ["forceIdentifier", "incrementIdentifier", "isIdentifier"]


def isIdentifier(maxLength: int, obj: Any) -> bool:
    """Whether an object is an identifier of at most ``maxLength`` characters."""
    return is_identifier(obj, maxLength)


def forceIdentifier(maxLength: int, s: str) -> str:
    """The identifier nearest to a text."""
    return force_identifier(s, maxLength)


def incrementIdentifier(maxLength: int, ident: str) -> str:
    """The next identifier after this one."""
    return increment_identifier(ident, maxLength)
