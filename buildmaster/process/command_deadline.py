"""How long a remote command may take to end after it should have ended."""

from __future__ import annotations

import functools
from typing import Any

from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded

SILENCE_SECONDS = 120.0
"""How much longer than its own time limits a command may be silent before it is given up."""


def find_reactor(*candidates: Any) -> Any:
    """The clock of whichever object knows a master; None if none does (a command run in a stranger's test)."""
    for candidate in candidates:
        for path in ("master.reactor", "build.master.reactor"):
            try:
                reactor = functools.reduce(getattr, path.split("."), candidate)
            except AttributeError:
                continue
            if hasattr(reactor, "callLater"):
                return reactor
    return None


class Deadline:
    """Gives a command up that does not end when it should.

    The time in which nothing is read from the worker, because its output is not stored yet, does not count.
    """

    def __init__(self, command: Any, reactor: Any) -> None:
        self._command, self._reactor = command, reactor
        self._call: Any = None
        self._last: float | None = None  # when the worker was heard, if it was since the timer was set
        self._allowed = 0.0
        self._watch()

    def _watch(self) -> None:
        args = self._command.args
        limits = [limit for limit in (args.get("timeout"), args.get("maxTime")) if isinstance(limit, (int, float))]
        if self._reactor is None or not limits:
            return
        self._allowed = max(limits) + SILENCE_SECONDS + float(args.get("sigtermTime") or 0)
        self._set(self._allowed)

    def _set(self, seconds: float) -> None:
        self._last = None
        patience = getattr(self._command.conn, "patience", None)
        call_later = patience.call_later if patience is not None else self._reactor.callLater
        self._call = call_later(seconds, self._look)

    def heard(self) -> None:
        """The worker said something."""
        if self._call is not None:
            self._last = self._reactor.seconds()

    def _look(self) -> None:
        self._call = None
        if self._last is None:
            words = f"{self._command!r} was silent for {self._allowed:g} s, longer than its own limits allow"
            self._give_up(words)
            return
        left = self._last + self._allowed - self._reactor.seconds()
        self._set(left if left > 0 else self._allowed)  # not positive: time stood still meanwhile

    def interrupted(self, seconds: float) -> None:
        """From now on it may take so long."""
        self.cancel()
        if self._reactor is not None:
            words = f"{self._command!r} did not end within {seconds:g} s of being interrupted"
            self._call = self._reactor.callLater(seconds, self._give_up, words)

    def _give_up(self, words: str) -> None:
        self._call = None
        self._command.give_up(Failure(DeadlineExceeded(words)))

    def cancel(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
