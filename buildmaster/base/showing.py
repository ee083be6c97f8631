"""Values of users in messages: short, and shown also when they can't show themselves."""

from __future__ import annotations

from typing import Any

from buildmaster.base.strings import shorten

LIMIT = 120
"""Characters of a value that are shown."""


def show(value: Any) -> str:
    """A value's ``repr`` in one line, cut to what fits in a message."""
    try:
        text = repr(value)
    except Exception:  # policy: the message is about something else
        text = f"<{type(value).__name__}, whose repr fails>"
    return shorten(" ".join(text.split("\n")), LIMIT)


def words_of(error: BaseException) -> str:
    """Type and text of an exception."""
    name = type(error).__name__
    try:
        text = str(error).strip()
    except Exception:  # policy: the type alone tells something
        return f"{name} (whose text fails)"
    return f"{name}: {text}" if text else name
