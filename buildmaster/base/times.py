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
def datetime2epoch(when: None) -> None: ...
@overload
def datetime2epoch(when: datetime.datetime) -> int: ...
def datetime2epoch(when: datetime.datetime | None) -> int | None:
    """An aware datetime as whole seconds since the epoch; None stays None."""
    return None if when is None else int(when.timestamp())


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
