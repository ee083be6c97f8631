"""A secret and where it came from."""

from __future__ import annotations

from typing import Any


class SecretDetails:
    """A value that a provider gave for a key; its text form does not show the value."""

    def __init__(self, source: str, key: str, value: Any) -> None:
        self._source = source
        self._key = key
        self._value = value

    @property
    def source(self) -> str:
        """The provider's name."""
        return self._source

    @property
    def key(self) -> str:
        """The key that was asked for."""
        return self._key

    @property
    def value(self) -> Any:
        """The secret itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretDetails):
            return NotImplemented
        return (self.source, self.key, self.value) == (other.source, other.key, other.value)

    def __hash__(self) -> int:
        return hash((self.source, self.key))

    def __repr__(self) -> str:
        return f"<SecretDetails {self.key!r} of {self.source}>"
