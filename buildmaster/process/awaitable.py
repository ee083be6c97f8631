"""Values that may also be awaited: some documented methods are used both ways."""

from __future__ import annotations

import datetime
from collections.abc import Generator
from typing import Any

from buildmaster.base.times import UTC


class Moment(datetime.datetime):
    """An aware time that can be sorted by as it is, and awaited (or yielded) where a Deferred of it is expected."""

    def __await__(self) -> Generator[Any, Any, Moment]:
        return self
        yield

    @classmethod
    def at(cls, epoch: float) -> Moment:
        """The moment of so many epoch seconds."""
        return cls.fromtimestamp(epoch, tz=UTC)


NEVER = Moment(1, 1, 1, tzinfo=UTC)
"""Before everything."""


class Number(int):
    """A whole number that can be awaited."""

    def __await__(self) -> Generator[Any, Any, Number]:
        return self
        yield
