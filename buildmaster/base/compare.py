"""Comparison by value of configured things, as the documented ``compare_attrs`` promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ComparableMixin:
    """Equal when of the same class and equal in all ``compare_attrs`` (those of the base classes included)."""

    compare_attrs: ClassVar[Sequence[str]] = ()

    class _Missing:
        """Stands for an attribute that one of the two lacks."""

    @classmethod
    def _all_compare_attrs(cls) -> list[str]:
        names: dict[str, None] = {}
        for klass in cls.__mro__:
            for name in klass.__dict__.get("compare_attrs", ()):
                names[name] = None
        return list(names)

    def _compare_key(self) -> list[Any]:
        return [getattr(self, name, ComparableMixin._Missing) for name in self._all_compare_attrs()]

    def __hash__(self) -> int:
        parts: list[Any] = [self.__class__]
        for value in self._compare_key():
            try:
                hash(value)
            except TypeError:
                value = repr(value)
            parts.append(value)
        return hash(tuple(parts))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented if not isinstance(other, ComparableMixin) else False
        return self._compare_key() == other._compare_key()

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __lt__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._compare_key() < other._compare_key()

    def __le__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._compare_key() <= other._compare_key()

    def __gt__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._compare_key() > other._compare_key()

    def __ge__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._compare_key() >= other._compare_key()

    def isEquivalent(us, them: object) -> bool:
        """Whether both are of one class and equal in all ``compare_attrs``."""
        return type(us) is type(them) and us._compare_key() == them._compare_key()

    def getConfigDict(self) -> dict[str, Any]:
        """The compared attributes by name, for showing."""
        return {name: getattr(self, name) for name in self._all_compare_attrs() if hasattr(self, name)}
