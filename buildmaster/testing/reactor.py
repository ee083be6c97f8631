"""A reactor whose time passes when the test says so, for test cases of plugins.

Documented as ``buildbot.test.reactor``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure
from twisted.trial import unittest

from buildmaster.testing.asyncio_loop import ReactorLoop
from buildmaster.testing.master import MOST_TURNS, MemoryReactor
from buildmaster.testing.processes import ProcessReactor

PHASES = ("before", "during", "after")


class NonThreadPool:
    """A thread pool without threads: work is done at once, by the one who hands it in.

    ``options`` are the arguments that a pool with threads would have been made with.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.options = kwargs

    def start(self) -> None:
        """There is nothing to be started."""

    def stop(self) -> None:
        """There is nothing to be stopped."""

    def callInThread(self, func: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Call it."""
        func(*args, **kw)

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], Any] | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Call it, and ``onResult(success, result or Failure)``."""
        try:
            success, result = True, func(*args, **kw)
        except Exception:
            if onResult is None:
                raise
            success, result = False, Failure()
        if onResult is not None:
            onResult(success, result)


class TestReactor(ProcessReactor, MemoryReactor):
    """A reactor in memory: a clock that begins at 0, no threads, no sockets, and the processes that were announced.

    ``advance(seconds)`` lets time pass.  What is due without time passing happens in :meth:`settle`, and by itself as
    soon as a test of :mod:`twisted.trial` waits for something.
    """

    __test__ = False  # not a test, whatever its name

    def __init__(self) -> None:
        super().__init__()
        self._pool = NonThreadPool()
        self._testcase: Any = None
        self._pump_scheduled = False

    def set_test_case(self, testcase: Any) -> None:
        """The test that uses it."""
        self._testcase = testcase

    # -- time ------------------------------------------------------------------------------------------------------

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something when so many seconds have passed."""
        call = super().callLater(delay, callable, *args, **kw)
        if not delay:
            self._pump_soon()
        return call

    def settle(self) -> None:
        """Let everything happen that is due."""
        for _ in range(MOST_TURNS):
            if not self.due():
                return
            self.advance(0)
        raise AssertionError(f"not quiet after {MOST_TURNS} turns: something calls itself again and again")

    def runUntilCurrent(self) -> None:
        """The same."""
        self.settle()

    def iterate(self, delay: float | None = None) -> None:
        """Let ``delay`` seconds pass."""
        self.advance(delay or 0)

    def _pump_soon(self) -> None:
        """Have the process's reactor pump this one, if a test runs in it."""
        outer: Any = sys.modules.get("twisted.internet.reactor")
        if self._pump_scheduled or outer is None or not isinstance(self._testcase, unittest.TestCase):
            return
        self._pump_scheduled = True

        def pump() -> None:
            self._pump_scheduled = False
            self.settle()

        outer.callLater(0, pump)

    # -- threads ---------------------------------------------------------------------------------------------------

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """There is one thread: at once."""
        function(*args, **kwargs)

    def callInThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """At once."""
        self._pool.callInThread(callable, *args, **kwargs)

    def getThreadPool(self) -> NonThreadPool:
        """The pool without threads."""
        return self._pool

    def suggestThreadPoolSize(self, size: int) -> None:
        """There is one thread, however many are wanted."""

    def resolve(self, name: str, timeout: Any = 10) -> defer.Deferred[str]:
        """No name leads anywhere but to this host."""
        return defer.succeed("127.0.0.1")

    # -- its life --------------------------------------------------------------------------------------------------

    def callWhenRunning(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """It runs: at once."""
        callable(*args, **kwargs)

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> Any:
        """Call something at an event; what is returned removes it again."""
        trigger = (callable, args, kw)
        self.triggers.setdefault(phase, {}).setdefault(eventType, []).append(trigger)
        return phase, eventType, trigger

    def removeSystemEventTrigger(self, triggerID: Any) -> None:
        """Do not call it; raises ValueError for one that is not there."""
        phase, event, trigger = triggerID
        self.triggers.get(phase, {}).get(event, []).remove(trigger)

    def fireSystemEvent(self, eventType: str) -> None:
        """An event: its triggers are called, each once."""
        for phase in PHASES:
            for function, args, kwargs in self.triggers.get(phase, {}).pop(eventType, []):
                function(*args, **kwargs)

    def stop(self) -> None:
        """The event ``shutdown``."""
        self.fireSystemEvent("shutdown")
        super().stop()


class TestReactorMixin:
    """For test cases: ``self.reactor`` is a :class:`TestReactor`."""

    reactor: TestReactor
    _asyncio_loop: ReactorLoop | None = None

    def setup_test_reactor(self, use_asyncio: bool = False, auto_tear_down: bool = True) -> defer.Deferred[None]:
        """Make ``self.reactor``.

        ``use_asyncio`` makes an asyncio loop on it the current one.  With ``auto_tear_down``, where the test case has
        ``addCleanup``, all of it is taken down when the test has ended; else call :meth:`tear_down_test_reactor`.
        """
        self.reactor = TestReactor()
        self.reactor.set_test_case(self)
        if use_asyncio:
            self._asyncio_loop = ReactorLoop(self.reactor)
            asyncio.set_event_loop(self._asyncio_loop)
        if auto_tear_down and hasattr(self, "addCleanup"):
            self.addCleanup(self.tear_down_test_reactor)
        return defer.succeed(None)

    def tear_down_test_reactor(self) -> defer.Deferred[None]:
        """Stop the reactor.  May be called twice."""
        if "reactor" in self.__dict__ and not self.reactor.hasStopped:
            self.reactor.settle()
            self.reactor.stop()
        loop, self._asyncio_loop = self._asyncio_loop, None
        if loop is not None:
            asyncio.set_event_loop(None)
            loop.close()
        return defer.succeed(None)
