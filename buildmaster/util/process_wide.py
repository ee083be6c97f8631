"""Documented utilities whose default is the process's own reactor; inner code is handed a reactor and needs none."""

from __future__ import annotations

import functools
import locale
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import error

log = Logger()


def _process_reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def asyncSleep(delay: float, reactor: Any = None) -> defer.Deferred[None]:
    """A Deferred that fires after ``delay`` seconds."""
    slept: defer.Deferred[None] = defer.Deferred()
    (reactor or _process_reactor()).callLater(delay, slept.callback, None)
    return slept


def now(_reactor: Any = None) -> float:
    """Seconds since the epoch, by a reactor's clock if one is given."""
    return float(_reactor.seconds()) if _reactor is not None and hasattr(_reactor, "seconds") else time.time()


def in_reactor(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function to be run in the process's reactor, which is stopped when its Deferred has fired.

    A call returns the result; a failure is printed, and None returned.
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        reactor = _process_reactor()
        results: list[Any] = []

        def end(result: Any) -> None:
            results.append(result)
            reactor.stop()

        def begin() -> None:
            called = as_deferred(defer.maybeDeferred(f, *args, **kwargs))
            called.addErrback(lambda failure: failure.printTraceback(file=sys.stderr))
            called.addBoth(end)

        reactor.callWhenRunning(begin)
        reactor.run()
        return results[0] if results else None

    return wrapped


def cancelAfter(seconds: float, deferred: defer.Deferred[Any], _reactor: Any = None) -> defer.Deferred[Any]:
    """Cancel a Deferred unless it has fired within so many seconds; returns it."""
    timer = (_reactor or _process_reactor()).callLater(seconds, deferred.cancel)

    def stop(result: Any) -> Any:
        if timer.active():
            timer.cancel()
        return result

    return deferred.addBoth(stop)


def check_functional_environment(config: Any = None) -> None:
    """Report an environment in which the locale can't be determined."""
    try:
        locale.getlocale()
    except (KeyError, ValueError) as wrong:
        error(f"The locale of this process can't be determined: {wrong}. Set LC_ALL, say to C.UTF-8")
