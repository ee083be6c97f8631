"""What is measured, and means to measure it; see :mod:`.metrics`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import defer
from twisted.python import log as twisted_log

Function = TypeVar("Function", bound=Callable[..., Any])

ALARM_OK, ALARM_WARN, ALARM_CRIT = range(3)
ALARM_TEXT = ["OK", "WARN", "CRIT"]


class MetricEvent:
    """Something that was measured."""

    @classmethod
    def log(cls, *args: Any, **kwargs: Any) -> None:
        """Make an event of these arguments and send it on its way; it is lost if nobody observes."""
        twisted_log.msg(metric=cls(*args, **kwargs))


class MetricCountEvent(MetricEvent):
    """``count`` more of something; with ``absolute``, so many of it."""

    def __init__(self, counter: str, count: float = 1, absolute: bool = False) -> None:
        self.counter, self.count, self.absolute = counter, count, absolute


class MetricTimeEvent(MetricEvent):
    """Something took ``elapsed`` seconds."""

    def __init__(self, timer: str, elapsed: float) -> None:
        self.timer, self.elapsed = timer, elapsed


class MetricAlarmEvent(MetricEvent):
    """How something is: ``level`` is one of :data:`ALARM_OK`, :data:`ALARM_WARN` and :data:`ALARM_CRIT`."""

    def __init__(self, alarm: str, msg: str | None = None, level: int = ALARM_OK) -> None:
        self.alarm, self.msg, self.level = alarm, msg, level


class Timer:
    """Measures from :meth:`start` to :meth:`stop`, which sends the event; a stop without a start does nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started: float | None = None

    def startTimer(self, func: Function) -> Function:
        """A decorator: the time begins when the function is called."""
        return self._before(func, self.start)

    def stopTimer(self, func: Function) -> Function:
        """A decorator: the time ends when the function returns or raises."""

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return func(*args, **kwargs)
            finally:
                self.stop()

        return wrapper  # type: ignore[return-value]

    @staticmethod
    def _before(func: Function, action: Callable[[], None]) -> Function:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            action()
            return func(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    def start(self) -> None:
        """The time begins."""
        self.started = time.monotonic()

    def stop(self) -> None:
        """The time ends."""
        started, self.started = self.started, None
        if started is not None:
            MetricTimeEvent.log(self.name, elapsed=time.monotonic() - started)


def timeMethod(name: str, _reactor: Any = None) -> Callable[[Function], Function]:
    """A decorator that measures each call of a function; one that returns a Deferred until that fires."""
    seconds = time.monotonic if _reactor is None else _reactor.seconds

    def decorate(func: Function) -> Function:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            started = seconds()

            def stop(result: Any = None) -> Any:
                MetricTimeEvent.log(name, elapsed=seconds() - started)
                return result

            try:
                result = func(*args, **kwargs)
            except BaseException:
                stop()
                raise
            return result.addBoth(stop) if isinstance(result, defer.Deferred) else stop(result)

        return wrapper  # type: ignore[return-value]

    return decorate


def countMethod(counter: str) -> Callable[[Function], Function]:
    """A decorator that counts the calls of a function."""
    return lambda func: Timer._before(func, lambda: MetricCountEvent.log(counter))
