"""Paths of the data API: patterns in a tree, looked up word by word.

The fixed word wins over a number, a number over a text; where the better branch leads nowhere the next one is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from buildmaster.data.exceptions import InvalidPathError

Path = Sequence["str | int"]


class _Node:
    __slots__ = ("value", "variables", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.variables: list[tuple[str, str, _Node]] = []  # kind, name, rest; numbers first
        self.value: Any = None


class Matcher:
    """A map from path patterns to values."""

    def __init__(self) -> None:
        self._root = _Node()
        self._patterns: list[tuple[str, Any]] = []

    def add(self, pattern: str, value: Any) -> None:
        """Add a pattern such as ``/builders/n:builderid/builds``; raises ValueError if it is there already."""
        node = self._root
        for word in split(pattern):
            node = self._step(node, str(word))
        if node.value is not None:
            raise ValueError(f"the pattern {pattern!r} is there already")
        node.value = value
        self._patterns.append((pattern, value))

    @staticmethod
    def _step(node: _Node, word: str) -> _Node:
        kind, colon, name = word.partition(":")
        if not colon:
            return node.words.setdefault(word, _Node())
        for other_kind, other_name, rest in node.variables:
            if (other_kind, other_name) == (kind, name):
                return rest
        rest = _Node()
        node.variables.append((kind, name, rest))
        node.variables.sort(key=lambda variable: variable[0] != "n")
        return rest

    def find(self, path: str | Path) -> tuple[Any, dict[str, Any]]:
        """The value whose pattern matches, and the variable parts; raises :class:`.InvalidPathError`."""
        variables: dict[str, Any] = {}
        words = split(path)
        value = _search(self._root, words, 0, variables)
        if value is None:
            raise InvalidPathError(f"Invalid path: {'/'.join(map(str, words))}")
        return value, variables

    def items(self) -> Iterator[tuple[str, Any]]:
        """All patterns with their values, in the order in which they were added."""
        return iter(self._patterns)


def split(path: str | Path) -> Path:
    """The words of a path given as text or as a tuple."""
    if isinstance(path, str):
        path = path.strip("/")
        return tuple(path.split("/")) if path else ()
    if len(path) == 1 and path[0] == "":
        return ()
    return path


def _search(node: _Node, path: Path, at: int, variables: dict[str, Any]) -> Any:
    if at == len(path):
        return node.value
    word = path[at]
    fixed = node.words.get(word) if isinstance(word, str) else None
    if fixed is not None:
        value = _search(fixed, path, at + 1, variables)
        if value is not None:
            return value
    for kind, name, rest in node.variables:
        if kind == "n":
            part: Any = _number(word)
            if part is None:
                continue
        else:
            part = str(word)
        value = _search(rest, path, at + 1, variables)
        if value is not None:
            variables[name] = part
            return value
    return None


def _number(word: str | int) -> int | None:
    if isinstance(word, int):
        return int(word)
    if not word.isascii() or not word.removeprefix("-").isdigit() or len(word) > 18:
        return None
    return int(word)
