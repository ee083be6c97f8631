"""What one decision of a scheduler writes, gathered while user code runs and stored with the cursor afterwards."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.aio import maybe
from buildmaster.db import schedulers as rows
from buildmaster.mq.consumer import Effect

log = Logger()


@attrs.frozen
class Write:
    """``function(txn, *args)``, and who is told its value after the commit."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    then: Callable[[Any], Any] | None = None


class Decision:
    """The writes of the decision that is being made."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def add(self, function: Callable[..., Any], *args: Any, then: Callable[[Any], Any] | None = None) -> None:
        """One more write of this decision."""
        self.writes.append(Write(function, args, then))

    def effect(self) -> Effect | None:
        """All of them as one effect; None if there are none."""
        if not self.writes:
            return None
        if len(self.writes) == 1:
            return Effect(self.writes[0].function, self.writes[0].args, self.writes[0].then)
        calls = [(write.function, write.args) for write in self.writes]
        return Effect(rows.several, (calls,), self._tell)

    async def _tell(self, values: list[Any]) -> None:
        for write, value in zip(self.writes, values, strict=True):
            if write.then is not None:
                await maybe(write.then, value)


_current: contextvars.ContextVar[Decision | None] = contextvars.ContextVar("scheduler_decision", default=None)


def current_decision() -> Decision | None:
    """The decision that the running code is part of, if its writes are to be stored together."""
    return _current.get()


@contextlib.contextmanager
def deciding() -> Iterator[Decision]:
    """Gather the writes of what runs inside."""
    decision = Decision()
    token = _current.set(decision)
    try:
        yield decision
    finally:
        # a coroutine that is given up at the end of the process is closed in another context
        with contextlib.suppress(ValueError):
            _current.reset(token)
