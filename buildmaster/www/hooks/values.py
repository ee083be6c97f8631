"""Values of a payload as a change has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from buildmaster.properties import Properties
from buildmaster.www.hooks.reading import Refused


def person(of: Mapping[str, Any], name: str = "name", email: str = "email") -> str:
    """``name <email>`` of a record; what is there of it."""
    parts = [str(of[name])] if of.get(name) else []
    if of.get(email):
        parts.append(f"<{of[email]}>")
    return " ".join(parts)


def seconds_of(given: Any, what: str) -> float:
    """Epoch seconds of a time as services write it: ISO 8601 (UTC unless it says otherwise) or a number of seconds.

    ``what`` names it in the :class:`Refused` that is raised for anything else.
    """
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given)
    try:
        time = datetime.fromisoformat(given.strip().removesuffix(" UTC"))
    except (AttributeError, ValueError):
        raise Refused(f"the payload's {what} is {str(given)[:80]!r}, which is no time")
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()


async def rendered(value: Any, master: Any) -> Any:
    """An option that may be a renderable or a secret."""
    properties = Properties()
    properties.master = master
    return await properties.render(value)
