"""Who watches a log: each is told of every piece once, in order, and not before it is done with the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred

log = Logger()

Callback = Callable[[str | None, str | None], Any]
Piece = tuple[str | None, str | None]


class Subscription:
    """A watcher of a log.  An error in it is logged and remembered in ``failed``."""

    def __init__(self, watchers: list[Subscription], callback: Callback, log_name: str) -> None:
        self._watchers, self._callback, self._log_name = watchers, callback, log_name
        self._waiting: deque[Piece] | None = None  # what came while an answer is awaited
        self._idle: list[defer.Deferred[None]] = []
        self.failed = False

    def unsubscribe(self) -> None:
        """Watch no longer."""
        if self in self._watchers:
            self._watchers.remove(self)

    def tell(self, stream: str | None, text: str | None) -> None:
        """A piece of the log has come; ``None`` text is the end."""
        if self._waiting is not None:
            self._waiting.append((stream, text))
            return
        try:
            answer = self._callback(stream, text)
        except Exception:
            self._error(Failure())
            return
        if answer is not None and hasattr(answer, "__await__"):
            self._waiting = deque()
            as_deferred(answer).addErrback(self._error).addCallback(self._next)

    def _error(self, failure: Failure) -> None:
        self.failed = True
        log.failure("in a watcher of log {name!r}: {callback}", failure, name=self._log_name, callback=self._callback)

    def _next(self, _: Any) -> None:
        waiting, self._waiting = self._waiting or deque(), None
        while waiting and self._waiting is None:
            self.tell(*waiting.popleft())
        if self._waiting is not None:
            self._waiting.extendleft(reversed(waiting))
            return
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)

    def idle(self) -> defer.Deferred[None]:
        """Fires when it is done with all that it was told, or is waited for no longer."""
        fires: defer.Deferred[None] = defer.Deferred()
        if self._waiting is None:
            fires.callback(None)
        else:
            self._idle.append(fires)
        return fires

    def give_up(self) -> None:
        """Wait for it no longer."""
        self.unsubscribe()
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)
