"""How long a remote command may take to begin, to say something, and to end after it should have ended."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.base.deadlines import deadlines_of

log = Logger()


def find_master(*candidates: Any) -> Any:
    """The master that one of these objects knows; None if none does (a command run in a stranger's test)."""
    for candidate in candidates:
        for path in ("master", "build.master"):
            try:
                master = functools.reduce(getattr, path.split("."), candidate)
            except AttributeError:
                continue
            if hasattr(getattr(master, "reactor", None), "callLater"):
                return master
    return None


class Deadline:
    """Gives a command up that does not begin or end when it should; ``c['deadlines']`` says when that is.

    The time in which nothing is read from the worker, because its output is not stored yet, does not count.
    """

    def __init__(self, command: Any, master: Any) -> None:
        self._command = command
        self._reactor: Any = getattr(master, "reactor", None)
        self._seconds = deadlines_of(master)
        self._call: Any = None
        self._start: Any = None
        self._last: float | None = None  # when the worker was heard, if it was since the timer was set
        self._allowed = self._silence_allowed()
        if self._allowed is not None:
            self._set(self._allowed)

    def _silence_allowed(self) -> float | None:
        args = self._command.args
        limits = [limit for limit in (args.get("timeout"), args.get("maxTime")) if isinstance(limit, (int, float))]
        if self._reactor is None:
            return None
        if limits:
            return max(limits) + self._seconds.command_overrun + float(args.get("sigtermTime") or 0)
        return None if self._command.remote_command == "shell" or "timeout" in args else self._seconds.command

    def _call_later(self, seconds: float, function: Callable[[], Any]) -> Any:
        patience = getattr(self._command.conn, "patience", None)
        call_later = patience.call_later if patience is not None else self._reactor.callLater
        return call_later(seconds, function)

    def _set(self, seconds: float) -> None:
        self._last = None
        self._call = self._call_later(seconds, self._look)

    # -- the beginning ---------------------------------------------------------------------------------------------

    def starts(self, started: defer.Deferred[Any]) -> None:
        """The worker was asked to start it; ``started`` is its answer.  One that gives none is disconnected."""
        if self._reactor is None or started.called:
            return
        self._start = self._call_later(self._seconds.command_start, self._not_started)
        started.addBoth(self._started)

    def _started(self, result: Any) -> Any:
        if self._start is not None and self._start.active():
            self._start.cancel()
        self._start = None
        return result

    def _not_started(self) -> None:
        self._start = None
        seconds = self._seconds.command_start
        log.warn("{c!r} was not begun within {n:g} s; its worker is disconnected", c=self._command, n=seconds)
        self._command.conn.loseConnection()

    # -- while it runs ---------------------------------------------------------------------------------------------

    def heard(self) -> None:
        """The worker said something."""
        self._started(None)
        if self._call is not None:
            self._last = self._reactor.seconds()

    def _look(self) -> None:
        self._call = None
        assert self._allowed is not None
        if self._last is None:
            words = f"{self._command!r} was silent for {self._allowed:g} s, longer than its own limits allow"
            self._give_up(words)
            return
        left = self._last + self._allowed - self._reactor.seconds()
        self._set(left if left > 0 else self._allowed)  # not positive: time stood still meanwhile

    # -- the end ---------------------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        """It was told to end."""
        self.cancel()
        if self._reactor is not None:
            seconds = self._seconds.interrupt + float(self._command.args.get("sigtermTime") or 0)
            words = f"{self._command!r} did not end within {seconds:g} s of being interrupted"
            self._call = self._reactor.callLater(seconds, self._give_up, words)

    def _give_up(self, words: str) -> None:
        self._call = None
        self._command.give_up(Failure(DeadlineExceeded(words)))

    def cancel(self) -> None:
        """It has ended."""
        self._started(None)
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
