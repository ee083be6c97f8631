"""When a poller polls: at its interval, with random delays, never twice at a time, and not for ever.

A poll that fails is told and the next one comes; a poll that hangs is given up at a deadline, so that the next one
comes as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import maybe, with_deadline

DEADLINE = 30 * 60.0
"""Seconds after which a poll is given up, unless its interval is longer."""


class Poller:
    """Calls ``poll()`` in time, and on demand.

    Calling the object polls now, or, while a poll runs, once more when it has ended; the Deferred fires when that poll
    has ended, well or badly.
    """

    def __init__(
        self,
        clock: Any,
        poll: Callable[[], Any],
        on_error: Callable[[Failure], None],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.last_error: Failure | None = None
        """How the last poll failed; None if it went well."""
        self._clock = clock
        self._poll = poll
        self._on_error = on_error
        self._uniform = uniform
        self._interval = 0.0
        self._delay = (0.0, 0.0)
        self._next: Any = None  # when the interval is over
        self._delayed: Any = None  # when the random delay after it is over
        self._running: defer.Deferred[Any] | None = None
        self._again = False
        self._waiting: list[defer.Deferred[None]] = []  # for the running poll
        self._waiting_again: list[defer.Deferred[None]] = []  # for the one after it

    def start(self, interval: float, now: bool = False, delay_min: float = 0, delay_max: float = 0) -> None:
        """Poll every ``interval`` seconds (0: only on demand), each time later by a random part of the delay.

        ``now``: the first time at once.
        """
        self.stop()
        self._interval, self._delay = interval, (delay_min, delay_max)
        if now:
            self._delayed = self._clock.callLater(self._uniform(*self._delay), self._due)
        if interval > 0:
            self._next = self._clock.callLater(interval, self._interval_over)

    def stop(self) -> defer.Deferred[None]:
        """Poll no more by itself; a poll that runs is cancelled.  Fires when none runs."""
        for timer in (self._next, self._delayed):
            if timer is not None and timer.active():
                timer.cancel()
        self._next = self._delayed = None
        self._again = False
        if self._running is None:
            return defer.succeed(None)
        ended = self._wait(self._waiting)
        self._running.cancel()
        return ended

    def __call__(self) -> defer.Deferred[None]:
        """Poll on demand."""
        if self._running is not None:
            self._again = True
            return self._wait(self._waiting_again)
        ended = self._wait(self._waiting)
        self._begin()
        return ended

    @staticmethod
    def _wait(waiting: list[defer.Deferred[None]]) -> defer.Deferred[None]:
        d: defer.Deferred[None] = defer.Deferred()
        waiting.append(d)
        return d

    def _interval_over(self) -> None:
        self._next = self._clock.callLater(self._interval, self._interval_over)
        if self._delayed is None or not self._delayed.active():
            self._delayed = self._clock.callLater(self._uniform(*self._delay), self._due)

    def _due(self) -> None:
        self._delayed = None
        if self._running is None:
            self._begin()

    def _begin(self) -> None:
        self._running = with_deadline(maybe(self._poll), max(DEADLINE, self._interval), self._clock, "the poll")
        self._running.addBoth(self._ended)

    def _ended(self, result: Any) -> None:
        self._running = None
        self.last_error = result if isinstance(result, Failure) else None
        if isinstance(result, Failure) and not result.check(defer.CancelledError):
            self._on_error(result)
        waiting, self._waiting = self._waiting, []
        if self._again:
            self._again = False
            self._waiting, self._waiting_again = self._waiting_again, []
            self._begin()
        else:
            waiting += self._waiting_again
            self._waiting_again = []
        for each in waiting:
            each.callback(None)
