"""Keys that make a decision's writes happen once, however often it is replayed."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
from collections.abc import Iterator
from typing import Any

LONGEST = 255
"""Characters that a key may have."""

_current: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("decision", default=None)


@contextlib.contextmanager
def deciding(name: str, position: int) -> Iterator[None]:
    """What runs inside decides for this consumer about the fact at this position."""
    current = [name, position, 0]
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)
        current.clear()  # what was begun here and goes on decides no more


def next_idempotency_key() -> str | None:
    """A key for a write that user code awaits while a consumer decides; None outside of a decision.

    The key names consumer, position and ordinal, so that a replay after a crash asks for the same write again.  It has
    255 characters at most.
    """
    current = _current.get()
    if not current:
        return None
    name, position, ordinal = current
    current[2] += 1
    key = f"{name}/{position}/{ordinal}"
    return key if len(key) <= LONGEST else f"sha1:{hashlib.sha1(key.encode()).hexdigest()}"
