"""How values of the data API become JSON.

Times are aware datetimes inside and epoch seconds on every wire; bytes are text.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import msgspec

from buildmaster.base.times import datetime2epoch

_SIMPLE = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """The same value made of dicts, lists, strings, numbers, booleans and None only.

    Parts that are plain already are not copied.
    """
    kind = type(value)  # its very type first: an answer is made of thousands of these
    if kind in _SIMPLE:
        return value
    if issubclass(kind, dict):
        return {
            key if type(key) is str else _key(key): item if type(item) in _SIMPLE else plain(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [item if type(item) in _SIMPLE else plain(item) for item in value]
    if kind is datetime.datetime:
        return int(value.timestamp())
    return _rarely(value)


def _rarely(value: Any) -> Any:
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return plain(dict(value))
    if isinstance(value, datetime.datetime):
        return datetime2epoch(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return str(value)


def _key(key: Any) -> Any:
    return key if isinstance(key, (str, int)) else str(key)


_encoder = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return _encoder.encode(plain(value))


def to_readable_json(value: Any) -> bytes:
    """JSON for people: indented, keys in order."""
    return msgspec.json.format(msgspec.json.encode(plain(value), order="sorted"), indent=2)
