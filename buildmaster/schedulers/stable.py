"""Tree-stable timers: a build is wanted when there has been no important change for some time.

What a timer waits for are rows: the classified changes and the deadline.  In memory there is only a delayed call, made
again from the rows after a restart.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.db import schedulers as rows

log = Logger()

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0


def stored_name(name: Any) -> str:
    """A timer's name as it is stored: at most 40 characters."""
    text = name if isinstance(name, str) else repr(name)
    return text if len(text) <= 40 else hashlib.sha1(text.encode()).hexdigest()


class StableTimers:
    """The delayed calls of one scheduler's timers.

    ``due(timer, deadline)`` is awaited when a timer is due; what it raises is logged and it is tried again.
    """

    def __init__(self, clock: Any, db: Any, schedulerid: int, due: Callable[[str, float], Awaitable[Any]]) -> None:
        self._clock = clock
        self._db = db
        self._schedulerid = schedulerid
        self._due = due
        self._calls: dict[str, Any] = {}
        self.deadlines: dict[str, float] = {}
        self._running: set[defer.Deferred[None]] = set()

    async def load(self, longest: float = math.inf) -> None:
        """Arm the timers that rows tell of; one whose deadline has passed is due at once.

        None waits for more than ``longest`` seconds: the clock may have been set back since it was stored.
        """
        for timer, deadline in (await self._db.read(rows.timers, self._schedulerid)).items():
            self.arm(timer, deadline, longest)

    def arm(self, timer: str, deadline: float, longest: float = math.inf) -> None:
        """Let a timer be due at ``deadline`` (epoch seconds), whenever it was due before."""
        self._cancel(timer)
        self.deadlines[timer] = deadline
        self._later(timer, deadline, min(longest, deadline - self._clock.seconds()), FIRST_PAUSE)

    def forget(self, timer: str, deadline: float) -> None:
        """A timer has fired, unless it was armed anew since."""
        if self.deadlines.get(timer) == deadline:
            del self.deadlines[timer]
            self._cancel(timer)

    async def stop(self) -> None:
        """Cancel all delayed calls and what they wait for; the rows stay."""
        for timer in list(self._calls):
            self._cancel(timer)
        self.deadlines.clear()
        for running in list(self._running):
            running.cancel()
        if self._running:
            await defer.DeferredList(list(self._running))

    def _cancel(self, timer: str) -> None:
        call = self._calls.pop(timer, None)
        if call is not None and call.active():
            call.cancel()

    def _later(self, timer: str, deadline: float, seconds: float, pause: float) -> None:
        self._calls[timer] = self._clock.callLater(max(0.0, seconds), self._fire, timer, deadline, pause)

    def _fire(self, timer: str, deadline: float, pause: float) -> None:
        self._calls.pop(timer, None)
        done = defer.Deferred.fromCoroutine(self._try(timer, deadline, pause))
        self._running.add(done)
        done.addBoth(lambda _: self._running.discard(done))

    async def _try(self, timer: str, deadline: float, pause: float) -> None:
        try:
            await self._due(timer, deadline)
        except defer.CancelledError:
            return
        except Exception:  # policy: retry with back-off, the rows still say what is to be done
            log.failure("a stable timer could not fire; it is tried again in {pause:g} s", pause=pause)
            if self.deadlines.get(timer) == deadline:
                self._later(timer, deadline, pause, min(LONGEST_PAUSE, pause * 2))
