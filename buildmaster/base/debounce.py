"""Doing once what is asked for many times: the documented ``@debounce.method(wait)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred
from buildmaster.base.notifier import Notifier

log = Logger()


def _reactor_of_master(instance: Any) -> Any:
    return instance.master.reactor


class Debouncer:
    """Calls a function at least once after each request, and at most once in ``wait`` seconds.

    A request made while the function runs leads to one more call.  With ``until_idle`` each request starts the wait
    anew, so that the call comes when no request has come for so long.
    """

    def __init__(self, wait: float, function: Callable[[], Any], get_reactor: Callable[[], Any], until_idle: bool):
        self.wait = wait
        self.function = function
        self.get_reactor = get_reactor
        self.until_idle = until_idle
        self.stopped = False
        self._timer: Any = None
        self._running = False
        self._again = False
        self._done = Notifier()

    def __call__(self) -> None:
        """Ask for a call."""
        if self.stopped:
            return
        if self._running:
            self._again = True
        elif self._timer is None:
            self._timer = self.get_reactor().callLater(self.wait, self.invoke)
        elif self.until_idle:
            self._timer.reset(self.wait)

    def invoke(self) -> defer.Deferred[None]:
        """Make the call now; fires when it has ended.  What it raises is logged."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._running = True
        called = as_deferred(defer.maybeDeferred(self.function))
        called.addErrback(lambda failure: log.failure("a debounced call failed", failure=failure))
        called.addCallback(self._ended)
        return called

    def _ended(self, _: Any) -> None:
        self._running = False
        if self._again:
            self._again = False
            self()
        self._done.notify(None)

    def start(self) -> None:
        """Heed requests again."""
        self.stopped = False

    def stop(self) -> defer.Deferred[None]:
        """Heed no more requests; one that waits is met at once.  Fires when the function does not run."""
        self.stopped = True
        if self._timer is not None:
            return self.invoke()
        return self._done.wait() if self._running else defer.succeed(None)


class _Descriptor:
    """Gives each instance a debouncer of its own."""

    def __init__(self, function: Any, wait: float, until_idle: bool, get_reactor: Callable[[Any], Any]) -> None:
        self._function = function
        self._wait = wait
        self._until_idle = until_idle
        self._get_reactor = get_reactor
        self._attribute = f"__debounce_{function.__name__}__"
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        found = instance.__dict__.get(self._attribute)
        if found is None:
            found = Debouncer(
                self._wait,
                self._function.__get__(instance, owner),
                lambda: self._get_reactor(instance),
                self._until_idle,
            )
            instance.__dict__[self._attribute] = found
        return found


def method(
    wait: float, until_idle: bool = False, get_reactor: Callable[[Any], Any] = _reactor_of_master
) -> Callable[[Any], Any]:
    """Decorate a method without arguments: called often, it is executed once per ``wait`` seconds.

    ``get_reactor`` gives the instance's reactor (by default its master's).
    """
    return lambda function: _Descriptor(function, wait, until_idle, get_reactor)
