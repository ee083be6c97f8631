"""One event, many who wait for it."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure


class Notifier:
    """Deferreds that fire together, each time the notifier is told to."""

    def __init__(self) -> None:
        self._waiters: list[defer.Deferred[Any]] = []

    def wait(self) -> defer.Deferred[Any]:
        """A Deferred for the next notification; cancelling it leaves the others waiting."""
        waiter: defer.Deferred[Any] = defer.Deferred(self._forget)
        self._waiters.append(waiter)
        return waiter

    def _forget(self, waiter: defer.Deferred[Any]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def notify(self, result: Any) -> None:
        """Fire all that wait, with this result or :class:`~twisted.python.failure.Failure`."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)

    def __bool__(self) -> bool:
        return bool(self._waiters)
