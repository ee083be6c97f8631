"""Run coroutines on Twisted's real reactor, in the test's own thread, for tests with child processes and sockets."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Awaitable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred

reactor: Any = _reactor
_started = False


def run(work: Awaitable[Any], timeout: float = 60.0) -> Any:
    """The result of a coroutine or Deferred; raises what it raised, or TimeoutError after ``timeout`` seconds."""
    global _started
    if not _started:
        # The pool is stopped by a reactor's shutdown, which never comes: its threads may not keep the process alive,
        # nor may those that begin with the reactor because work waits for them.
        reactor.getThreadPool().threadFactory = functools.partial(threading.Thread, daemon=True)
        reactor.startRunning(installSignalHandlers=True)  # for the ends of children
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _started = True
    done: list[Any] = []
    as_deferred(work).addBoth(done.append)
    deadline = reactor.seconds() + timeout
    while not done and reactor.seconds() < deadline:
        reactor.runUntilCurrent()
        reactor.doIteration(min(reactor.timeout() or 0.1, 0.1))
    if not done:
        raise TimeoutError(f"no answer within {timeout:g} s")
    if isinstance(done[0], Failure):
        done[0].raiseException()
    return done[0]
