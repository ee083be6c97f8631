"""File and line of what is wrong in a configuration."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.where import Place, caller


class LocatedErrors(ConfigErrors):
    """Errors that say where they are: each message begins with the line of the user's that led to it.

    ``basedir`` shortens paths; ``sources`` are the files of the configuration, in which the lines of keys are looked
    up.
    """

    def __init__(self, basedir: str | None = None, sources: Iterable[str] = ()) -> None:
        super().__init__()
        self.basedir = basedir
        self.sources = list(sources)

    def addError(self, msg: str) -> None:
        """Add a message, with the line that is being executed now if there is one."""
        self.at(caller(), msg)

    def at(self, place: Place | None, msg: str) -> None:
        """Add a message about a place, once."""
        text = msg if place is None else f"{place.shown(self.basedir)}: {msg}"
        if text not in self.errors:
            self.errors.append(text)

    def of(self, thing: Any, msg: str) -> None:
        """Add a message about an object of the configuration."""
        self.at(place_of(thing), msg)

    def of_key(self, key: str, msg: str) -> None:
        """Add a message about a key of ``BuildmasterConfig``."""
        self.at(self.key_place(key), msg)

    def key_place(self, key: str) -> Place | None:
        """The line of the sources that sets this key."""
        for source in self.sources:
            line = key_lines(source).get(key)
            if line is not None:
                return Place(source, line)
        return None


def place_of(thing: Any) -> Place | None:
    """Where the configuration makes an object, if it noted that."""
    place = getattr(thing, "config_place", None)
    return place if isinstance(place, Place) else None


def key_lines(source: str) -> dict[str, int]:
    """Text that a file uses as a key of a dictionary → the line of the use that counts."""
    try:
        text = Path(source).read_bytes()
    except OSError:
        return {}
    return _key_lines(text)


@functools.lru_cache(maxsize=8)
def _key_lines(text: bytes) -> dict[str, int]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    known_as = _names_of_the_dictionary(tree)
    best: dict[str, tuple[int, int]] = {}
    for node in ast.walk(tree):
        for key, rank, line in _keys(node, known_as):
            best[key] = max(best.get(key, (0, -sys.maxsize)), (rank, line if rank > _IN_A_DICT else -line))
    return {key: abs(line) for key, (_, line) in best.items()}


_IN_A_DICT, _BY_ANOTHER_NAME, _BY_ITS_NAME = 1, 2, 3
"""How sure it is that a key is one of ``BuildmasterConfig``; the last assignment is the one in force."""


def _names_of_the_dictionary(tree: ast.AST) -> set[str]:
    """The names that a file gives to its ``BuildmasterConfig``: ``c = BuildmasterConfig = {}``."""
    names = {"BuildmasterConfig"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = {one.id for one in [*node.targets, node.value] if isinstance(one, ast.Name)}
            if targets & names:
                names |= targets
    return names


def _keys(node: ast.AST, known_as: set[str]) -> Iterable[tuple[str, int, int]]:
    """Key, rank and line of what one node of a program sets: ``c['x'] = …``, ``{'x': …}``, ``dict(x=…)``."""
    rank = _IN_A_DICT
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
        rank = _BY_ITS_NAME if node.value.id in known_as else _BY_ANOTHER_NAME
        found = [node.slice]
    elif isinstance(node, ast.Dict):
        found = [key for key in node.keys if key is not None]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return [(keyword.arg, rank, keyword.value.lineno) for keyword in node.keywords if keyword.arg is not None]
    else:
        return []
    texts = [key for key in found if isinstance(key, ast.Constant)]
    return [(key.value, rank, key.lineno) for key in texts if isinstance(key.value, str)]
