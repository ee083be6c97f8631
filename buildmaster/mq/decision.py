"""Keys that make a decision's writes happen once, however often it is replayed."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

_current: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("decision", default=None)


@contextlib.contextmanager
def deciding(name: str, position: int) -> Iterator[None]:
    """What runs inside decides for this consumer about the fact at this position."""
    token = _current.set([name, position, 0])
    try:
        yield
    finally:
        _current.reset(token)


def next_idempotency_key() -> str | None:
    """A key for a write that user code awaits while a consumer decides; None outside of a decision.

    The key names consumer, position and ordinal, so that a replay after a crash asks for the same write again.
    """
    current = _current.get()
    if current is None:
        return None
    name, position, ordinal = current
    current[2] += 1
    return f"{name}/{position}/{ordinal}"
