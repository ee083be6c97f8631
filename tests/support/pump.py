"""A reactor's timers and thread calls, run in the test's own thread until an answer is there: real time, no sleep."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred


class _Call:
    def __init__(
        self, when: float, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.when, self.function, self.args, self.kwargs = when, function, args, kwargs
        self.done = False

    def active(self) -> bool:
        return not self.done

    def cancel(self) -> None:
        self.done = True

    def getTime(self) -> float:
        return self.when


class Pump:
    """Offers ``callLater``, ``callFromThread`` and ``seconds``; :meth:`wait` runs them until a Deferred has fired."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, _Call]] = []
        self._order = itertools.count()
        self._incoming: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()

    def seconds(self) -> float:
        return time.time()

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> _Call:
        call = _Call(time.monotonic() + delay, function, args, kwargs)
        heapq.heappush(self._calls, (call.when, next(self._order), call))
        return call

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        self._incoming.put((function, args))

    def _turn(self, until: float) -> None:
        now = time.monotonic()
        while self._calls and self._calls[0][0] <= now:
            call = heapq.heappop(self._calls)[2]
            if not call.done:
                call.done = True
                call.function(*call.args, **call.kwargs)
                return
        next_timer = self._calls[0][0] if self._calls else until
        try:
            function, args = self._incoming.get(timeout=max(0.0, min(next_timer, until) - now))
        except queue.Empty:
            return
        function(*args)

    def wait(self, value: Any, seconds: float = 60.0) -> Any:
        """The result of a Deferred or coroutine; raises what it failed with, or TimeoutError."""
        results: list[Any] = []
        as_deferred(value).addBoth(results.append)
        until = time.monotonic() + seconds
        while not results:
            if time.monotonic() > until:
                raise TimeoutError(f"no answer within {seconds} s")
            self._turn(until)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Run until a condition holds; returns its value."""
        until = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > until:
                raise TimeoutError(f"the condition did not hold within {seconds} s")
            self._turn(min(until, time.monotonic() + 0.01))
        return value


class InlinePump(Pump):
    """The same on a clock that stands still unless it is told: a fake clock for inline databases."""

    def __init__(self) -> None:
        from twisted.internet.task import Clock

        super().__init__()
        self.clock = Clock()
        self.clock.advance(1_700_000_000)

    def seconds(self) -> float:
        return self.clock.seconds()

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.clock.callLater(delay, function, *args, **kwargs)

    def _turn(self, until: float) -> None:
        calls = self.clock.getDelayedCalls()
        if not calls:
            raise TimeoutError("nothing is left to happen")
        self.clock.advance(max(0.0, min(call.getTime() for call in calls) - self.clock.seconds()))
