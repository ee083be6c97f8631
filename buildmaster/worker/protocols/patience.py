"""Deadlines that stand still while we do not read.

A worker that floods is not read from for a while; what it says meanwhile waits in the socket.  It must not be taken
for dead because of that, so every deadline of a connection is kept here and frozen together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded, as_deferred


class Timer:
    """One deadline of a :class:`Patience`."""

    def __init__(self, patience: Patience, seconds: float, function: Callable[[], Any]) -> None:
        self._patience = patience
        self._function = function
        self._left = seconds
        self._since = 0.0
        self._call: Any = None

    def active(self) -> bool:
        """Whether it has neither passed nor been cancelled."""
        return self in self._patience._timers

    def cancel(self) -> None:
        """Forget it; a second call does nothing."""
        self._patience._timers.discard(self)
        self._stop()

    def _run(self, clock: Any) -> None:
        self._since = clock.seconds()
        self._call = clock.callLater(self._left, self._passed)

    def _stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _freeze(self, now: float) -> None:
        if self._call is not None:
            self._left = max(0.0, self._left - (now - self._since))
            self._stop()

    def _passed(self) -> None:
        self._call = None
        self._patience._timers.discard(self)
        self._function()


class Patience:
    """All deadlines of one connection."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._timers: set[Timer] = set()
        self.frozen = False

    def call_later(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Call ``function()`` after so many seconds during which time was not frozen."""
        timer = Timer(self, seconds, function)
        self._timers.add(timer)
        if not self.frozen:
            timer._run(self._clock)
        return timer

    def wait_for(self, value: Any, seconds: float, what: str) -> defer.Deferred[Any]:
        """The answer ``value`` (a Deferred or coroutine), or DeadlineExceeded, naming ``what``, when it is too late."""
        inner = as_deferred(value)
        outer: defer.Deferred[Any] = defer.Deferred(lambda _: inner.cancel())

        def late() -> None:
            if not outer.called:
                outer.errback(DeadlineExceeded(f"{what}: no answer within {seconds:g} s"))
            inner.cancel()

        timer = self.call_later(seconds, late)

        def done(result: Any) -> None:
            timer.cancel()
            if outer.called:
                return  # too late: nobody waits for it any more
            if isinstance(result, Failure):
                outer.errback(result)
            else:
                outer.callback(result)

        inner.addBoth(done)
        return outer

    def freeze(self) -> None:
        """Let time stand still."""
        if not self.frozen:
            self.frozen = True
            for timer in self._timers:
                timer._freeze(self._clock.seconds())

    def thaw(self) -> None:
        """Let time go on."""
        if self.frozen:
            self.frozen = False
            for timer in list(self._timers):
                timer._run(self._clock)

    def end(self) -> None:
        """Cancel every deadline."""
        for timer in list(self._timers):
            timer.cancel()
