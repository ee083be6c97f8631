"""What a worker may say while a command runs, and how a lie is recognised.

The wire: ``update([[{key: value}, 0], …])``.  Keys of custom commands pass unseen; those that the master itself reads
must have their type.
"""

from __future__ import annotations

from typing import Any


class WorkerMisbehaved(Exception):
    """A worker sent something that no honest worker sends."""


_TEXT = (str, bytes)

TYPES: dict[str, tuple[type, ...]] = {
    "stdout": _TEXT,
    "stderr": _TEXT,
    "header": _TEXT,
    "log": (tuple, list),
    "rc": (int, type(None)),
    "elapsed": (int, float),
    "failure_reason": _TEXT,
    "files": (list, tuple, type(None)),
    "stat": (tuple, list, type(None)),
}
"""Key → what its value may be."""


def problem_with(updates: Any) -> str | None:
    """What is wrong with the argument of an ``update`` call; None if nothing is."""
    if not isinstance(updates, list | tuple):
        return f"the updates are {_name(updates)}, not a list"
    for item in updates:
        if not isinstance(item, list | tuple) or len(item) != 2 or not isinstance(item[0], dict):
            return "an update is not a pair of a dictionary and a number"
        if not isinstance(item[1], int):
            return f"an update's number is {_name(item[1])}"
        for key, value in item[0].items():
            wrong = _wrong_value(key, value)
            if wrong:
                return wrong
    return None


def _wrong_value(key: Any, value: Any) -> str | None:
    if not isinstance(key, _TEXT):
        return f"an update has a key of type {_name(key)}"
    types = TYPES.get(_text(key))
    if types is None:
        return None
    if not isinstance(value, types) or (isinstance(value, bool) and key in ("rc", "elapsed")):
        return f"the update {key!r} is {_name(value)}"
    return _wrong_log(value) if key == "log" else None


def _wrong_log(value: Any) -> str | None:
    if len(value) == 2 and isinstance(value[0], _TEXT) and isinstance(value[1], _TEXT):
        return None
    return "the update 'log' is not a pair of name and text"


def _name(value: Any) -> str:
    return f"a {type(value).__name__}"


def text_keys(updates: list[Any]) -> list[Any]:
    """The same updates with every key a text (Python 2 workers send bytes)."""
    if all(type(key) is str for item in updates for key in item[0]):
        return updates
    return [[{_text(key): value for key, value in item[0].items()}, item[1]] for item in updates]


def _text(key: str | bytes) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key
