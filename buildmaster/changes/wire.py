"""The dictionary of ``perspective_addChange`` and what of it is believed.

Source: ``docs/reference/worker_protocol``.  Old clients write ``who`` and ``when``; texts may be bytes (UTF-8, what
can't be decoded is replaced).  Nothing is guessed: a field that makes no sense is refused with its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


class BadChange(ValueError):
    """A change that can't be taken; the message names the field and what is wrong with it."""


IGNORED = frozenset({"links", "isdir"})
RENAMED = {"who": "author", "when": "when_timestamp"}
LONGEST = {"codebase": 256, "author": 4096, "branch": 4096, "revision": 4096, "category": 4096, "project": 4096}
"""Characters that a field may have; the others are bounded by the protocol."""


def arguments(change: Any, prefix: str | None = None) -> dict[str, Any]:
    """The arguments of ``addChange`` for a dictionary that a client sent.

    ``prefix``: files that do not begin with it are left out, from the others it is taken off.  Raises
    :class:`BadChange`.
    """
    if not isinstance(change, Mapping):
        raise BadChange(f"a change is a dictionary, not a {type(change).__name__}")
    found: dict[str, Any] = {}
    for key, value in change.items():
        name = _text(key, "a field's name")
        if name in IGNORED:
            continue
        name = RENAMED.get(name, name)
        if name not in FIELDS:
            raise BadChange(f"there is no field {name[:100]!r} in a change")
        if value is not None and found.get(name) is None:
            found[name] = FIELDS[name](value, name)
    if not found.get("author"):
        raise BadChange("the author ('who') is missing")
    found.setdefault("comments", "")
    found["files"] = _strip(found.get("files", []), prefix)
    return found


def _strip(files: list[str], prefix: str | None) -> list[str]:
    if not prefix:
        return files
    return [name[len(prefix) :] for name in files if name.startswith(prefix)]


def _text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise BadChange(f"{name} must be a text, not {_shown(value)}")
    if len(value) > LONGEST.get(name, math.inf):
        raise BadChange(f"{name} is longer than {LONGEST[name]} characters")
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _label(value: Any, name: str) -> str:
    """A text; hooks of some version control systems send revisions as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, name)


def _files(value: Any, name: str) -> list[str]:
    if not isinstance(value, list | tuple):
        raise BadChange(f"files must be a list of texts, not {_shown(value)}")
    return [_text(item, "a file's name") for item in value]


def _time(value: Any, name: str) -> int:
    try:
        seconds = float(_text(value, "when") if isinstance(value, str | bytes) else value)
    except (TypeError, ValueError):
        raise BadChange(f"when must be seconds since 1970, not {_shown(value)}") from None
    if not 0 <= seconds < 253402300800:  # the year 10000; refuses NaN too
        raise BadChange(f"when must be seconds since 1970 before the year 10000, not {seconds}")
    return int(seconds)


def _properties(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadChange(f"properties must be a dictionary, not {_shown(value)}")
    return {_text(key, "a property's name"): _plain(item, 0) for key, item in value.items()}


def _plain(value: Any, depth: int) -> Any:
    """A property's value as JSON can hold it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str | bytes):
        return _text(value, "a property's value")
    if depth < 20 and isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if depth < 20 and isinstance(value, Mapping):
        return {_text(key, "a property's key"): _plain(item, depth + 1) for key, item in value.items()}
    raise BadChange(f"a property's value must be one that JSON can hold, not {_shown(value)}")


def _shown(value: Any) -> str:
    return f"{repr(value)[:60]} ({type(value).__name__})"


FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "author": _text,
    "committer": _text,
    "files": _files,
    "comments": _text,
    "branch": _label,
    "revision": _label,
    "category": _text,
    "when_timestamp": _time,
    "properties": _properties,
    "repository": _text,
    "project": _text,
    "revlink": _text,
    "codebase": _text,
    "src": _text,
}
"""Field → how its value is read."""
