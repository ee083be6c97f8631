"""Waiting for everything that is under way, and repeating an action that takes its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.notifier import Notifier

log = Logger()


class DeferWaiter:
    """Keeps Deferreds that are under way; :meth:`wait` fires when there are none.  Their errors are logged."""

    def __init__(self) -> None:
        self._under_way: set[defer.Deferred[Any]] = set()
        self._notifier = Notifier()

    def add(self, d: Any) -> defer.Deferred[Any] | None:
        """Keep a Deferred until it has fired; anything else is done already."""
        if not isinstance(d, defer.Deferred):
            return None
        self._under_way.add(d)
        d.addErrback(lambda failure: log.failure("an operation under way failed", failure=failure))
        d.addBoth(self._ended, d)
        return d

    def _ended(self, result: Any, d: defer.Deferred[Any]) -> Any:
        self._under_way.discard(d)
        if not self._under_way:
            self._notifier.notify(None)
        return result

    def has_waited(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    @deferred
    async def wait(self) -> None:
        """Fires when nothing is under way."""
        if self._under_way:
            await self._notifier.wait()


class RepeatedActionHandler:
    """Repeats an action every ``interval`` seconds, never two at a time; ``waiter`` keeps what is under way.

    The next call comes so long after the last one began, or ended with ``start_timer_after_action_completes``.
    """

    def __init__(
        self,
        reactor: Any,
        waiter: DeferWaiter,
        interval: float,
        action: Callable[[], Any],
        start_timer_after_action_completes: bool = False,
    ) -> None:
        self._reactor = reactor
        self._waiter = waiter
        self._interval = interval
        self._action = action
        self._after = start_timer_after_action_completes
        self._enabled = False
        self._timer: Any = None
        self._running = False

    def set_interval(self, interval: float) -> None:
        """Change the interval from the next call on."""
        self._interval = interval

    def start(self) -> None:
        """Begin; the first call comes after one interval."""
        if not self._enabled:
            self._enabled = True
            self._schedule()

    def stop(self) -> None:
        """Make no more calls; one that is under way goes on."""
        self._enabled = False
        self._cancel()

    def delay(self) -> None:
        """Begin the interval anew."""
        if self._timer is not None:
            self._timer.reset(self._interval)

    def force(self) -> None:
        """Make a call now, unless one is under way."""
        if not self._running:
            self._cancel()
            self._call()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        if self._enabled and self._timer is None:
            self._timer = self._reactor.callLater(self._interval, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._running:
            self._schedule()
        else:
            self._call()

    def _call(self) -> None:
        self._running = True
        if not self._after:
            self._schedule()
        self._waiter.add(as_deferred(self._run()))

    async def _run(self) -> None:
        try:
            await as_deferred(defer.maybeDeferred(self._action))
        except Exception:  # policy: retry at the next interval
            log.failure("a repeated action failed")
        finally:
            self._running = False
            if self._after:
                self._schedule()


class NonRepeatedActionHandler:
    """Calls an action when asked, at once or later, never two at a time; ``waiter`` keeps what is under way."""

    def __init__(self, reactor: Any, waiter: DeferWaiter, action: Callable[[], Any]) -> None:
        self._reactor = reactor
        self._waiter = waiter
        self._action = action
        self._timer: Any = None
        self._running = False
        self._again = False

    def force(self, invoke_again_if_running: bool = False) -> None:
        """Call now; if a call is under way, once more after it when that is wanted."""
        if self._running:
            self._again = self._again or invoke_again_if_running
            return
        self.stop()
        self._running = True
        self._waiter.add(as_deferred(self._run()))

    def schedule(self, seconds_from_now: float, invoke_again_if_running: bool = False) -> None:
        """Call in so many seconds; an earlier call that is due before stays."""
        if self._timer is not None:
            if self._timer.getTime() <= self._reactor.seconds() + seconds_from_now:
                return
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds_from_now, self._due, invoke_again_if_running)

    def stop(self) -> None:
        """Forget a call that is due later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self, invoke_again_if_running: bool) -> None:
        self._timer = None
        self.force(invoke_again_if_running)

    async def _run(self) -> None:
        try:
            await as_deferred(defer.maybeDeferred(self._action))
        except Exception:  # policy: the next request tries again
            log.failure("an action failed")
        finally:
            self._running = False
        if self._again:
            self._again = False
            self.force()
