"""Subscriptions inside one process: the documented ``util.subscription``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.base.deferwaiter import DeferWaiter

log = Logger()


class Subscription:
    """One subscriber; :meth:`unsubscribe` ends it."""

    def __init__(self, subpt: SubscriptionPoint, callback: Callable[..., Any]) -> None:
        self.subpt = subpt
        self.callback = callback

    def unsubscribe(self) -> None:
        """No more deliveries."""
        self.subpt._unsubscribe(self)


class SubscriptionPoint:
    """A place where things are delivered to all who subscribed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.subscriptions: set[Subscription] = set()
        self._waiter = DeferWaiter()
        self._failures: list[tuple[Failure, str]] = []

    def __str__(self) -> str:
        return f"<SubscriptionPoint {self.name!r}>"

    def subscribe(self, callback: Callable[..., Any]) -> Subscription:
        """Have ``callback`` called at each delivery."""
        made = Subscription(self, callback)
        self.subscriptions.add(made)
        return made

    def deliver(self, *args: Any, **kwargs: Any) -> None:
        """Call all subscribers; what they raise is kept for :meth:`pop_exceptions`."""
        for one in list(self.subscriptions):
            called = as_deferred(defer.maybeDeferred(one.callback, *args, **kwargs))
            called.addErrback(self._failed, one.callback)
            self._waiter.add(called)

    def _failed(self, failure: Failure, callback: Callable[..., Any]) -> None:
        log.failure("a subscriber of {name} failed", failure=failure, name=self.name)
        self._failures.append((failure, f"while invoking callback {callback!r} to {self}"))

    def waitForDeliveriesToFinish(self) -> defer.Deferred[None]:
        """Fires when no subscriber is at work."""
        return self._waiter.wait()

    def pop_exceptions(self) -> list[tuple[Failure, str]]:
        """The failures since the last call, each with where it happened."""
        failures, self._failures = self._failures, []
        return failures

    def _unsubscribe(self, subscription: Subscription) -> None:
        self.subscriptions.discard(subscription)
