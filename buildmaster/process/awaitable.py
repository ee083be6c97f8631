"""Values that may also be awaited: some documented methods are used both ways."""

from __future__ import annotations

import datetime
from collections.abc import Generator
from typing import Any

from buildmaster.base.times import UTC


class Moment(datetime.datetime):
    """An aware time that can be sorted by as it is, and awaited (or yielded) where a Deferred of it is expected.

    It is compared with times without a zone, such as ``datetime.min``, as if these were in UTC.
    """

    def __await__(self) -> Generator[Any, Any, Moment]:
        return self
        yield

    def __lt__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return super().__lt__(_aware(other))

    def __le__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return super().__le__(_aware(other))

    def __gt__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return super().__gt__(_aware(other))

    def __ge__(self, other: datetime.datetime) -> bool:  # type: ignore[override]
        return super().__ge__(_aware(other))

    @classmethod
    def at(cls, epoch: float) -> Moment:
        """The moment of so many epoch seconds."""
        return cls.fromtimestamp(epoch, tz=UTC)


def _aware(other: datetime.datetime) -> datetime.datetime:
    return other.replace(tzinfo=UTC) if isinstance(other, datetime.datetime) and other.tzinfo is None else other


NEVER = Moment(1, 1, 1, tzinfo=UTC)
"""Before everything."""


class Number(int):
    """A whole number that can be awaited."""

    def __await__(self) -> Generator[Any, Any, Number]:
        return self
        yield
