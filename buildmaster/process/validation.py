"""What users may enter: the patterns of ``c['validation']``, applied to free text that comes from forms and clients.

What a configuration offers for choice, and what commit hooks and pollers report, is not checked: nobody entered it.
"""

from __future__ import annotations

from typing import Any


def refusal(config: Any, kind: str, value: Any) -> str | None:
    """Why a value is refused, None if it is not; ``kind`` is ``branch``, ``revision`` or a key of that sort.

    Missing values (None, empty text) are never refused.
    """
    pattern = (getattr(config, "validation", None) or {}).get(kind)
    if pattern is None or value is None or value == "" or pattern.match(str(value)):
        return None
    shown = str(value) if len(str(value)) <= 100 else f"{str(value)[:100]}…"
    return f"{shown!r} does not match the pattern of c['validation']['{kind}'], {pattern.pattern}"
