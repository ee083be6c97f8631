"""Command arguments as the wires carry them: plain values, copied; what is none of them is an error here, not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

_SIMPLE = (str, bytes, int, float, bool, type(None))


def plain(name: str, value: Any, passes: Callable[[Any], bool]) -> Any:
    """The value with exact types only; ``passes(value)`` says which other objects go as they are.

    Subclasses of the simple types become those, mappings dictionaries, paths texts.  Raises TypeError, naming the
    argument, for anything else.
    """
    kind = type(value)
    if kind in _SIMPLE or passes(value):
        return value
    if isinstance(value, list | tuple):
        made = [plain(name, item, passes) for item in value]
        return tuple(made) if isinstance(value, tuple) else made
    if isinstance(value, Mapping):
        return {plain(name, key, passes): plain(name, item, passes) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return {plain(name, item, passes) for item in value}
    simples: tuple[Any, ...] = (str, bytes, int, float)
    for simple in simples:
        if isinstance(value, simple):
            return simple(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"the argument {name!r} of a command holds a {kind.__name__}, which can't be sent to a worker")
