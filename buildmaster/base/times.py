"""Times: aware UTC datetimes inside, epoch seconds at the documented edges."""

from __future__ import annotations

import datetime
from datetime import UTC
from typing import overload


@overload
def epoch2datetime(epoch: None) -> None: ...
@overload
def epoch2datetime(epoch: float) -> datetime.datetime: ...
def epoch2datetime(epoch: float | None) -> datetime.datetime | None:
    """Seconds since the epoch as an aware UTC datetime; None stays None."""
    return None if epoch is None else datetime.datetime.fromtimestamp(epoch, tz=UTC)


@overload
def datetime2epoch(dt: None) -> None: ...
@overload
def datetime2epoch(dt: datetime.datetime) -> int: ...
def datetime2epoch(dt: datetime.datetime | None) -> int | None:
    """An aware datetime as whole seconds since the epoch; None stays None."""
    return None if dt is None else int(dt.timestamp())


def human_duration(seconds: float) -> str:
    """A length of time in words, in the two largest units that matter: ``2 hours, 5 minutes``."""
    left = round(seconds)
    if left < 1:
        return "less than a second" if seconds > 0 else "0 seconds"
    parts = []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    return ", ".join(parts[:2])


def formatInterval(eta: float) -> str:
    """Seconds as the documented ``1 hrs, 2 mins, 3 secs``."""
    parts = []
    if eta > 3600:
        parts.append(f"{int(eta // 3600)} hrs")
        eta %= 3600
    if eta > 60:
        parts.append(f"{int(eta // 60)} mins")
        eta %= 60
    parts.append(f"{int(eta)} secs")
    return ", ".join(parts)


def human_readable_delta(start: float, end: float) -> str:
    """The time between two epochs in words."""
    return human_duration(max(0.0, end - start))


def fuzzyInterval(seconds: float) -> str:
    """About how long: ``a moment``, ``30 seconds``, ``2 hours``."""
    if seconds <= 1:
        return "a moment"
    if seconds < 20:
        return f"{int(seconds)} seconds"
    if seconds < 55:
        return f"{round(seconds / 10) * 10} seconds"
    for limit, size, one, many in _FUZZY:
        if seconds < limit:
            count = round(seconds / size)
            return one if count <= 1 else f"{count} {many}"
    years = round(seconds / (365.25 * 86400))
    return "a year" if years <= 1 else f"{years} years"


_FUZZY = (
    (55 * 60, 60, "a minute", "minutes"),
    (23 * 3600, 3600, "an hour", "hours"),
    (27 * 86400, 86400, "a day", "days"),
    (335 * 86400, 30 * 86400, "a month", "months"),
)


def toJson(obj: object) -> int | None:
    """For ``json.dumps(default=…)``: a point in time as seconds since the epoch; None for anything else."""
    return datetime2epoch(obj) if isinstance(obj, datetime.datetime) else None
