"""Who watches a log: each is told of every piece once, in order, and not before it is done with the last one.

What waits for a watcher counts as unwritten output: whoever writes the log is held back while that is too much.  A
watcher that does not answer for :data:`PATIENCE` seconds no longer holds anybody back, since it may wait for something
that comes the same way as the output.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.process.backpressure import UnwrittenOutput

log = Logger()

Callback = Callable[[str | None, str | None], Any]

PATIENCE = 60.0
"""Seconds after which a watcher that gives no answer does not hold back the worker any more."""


@attrs.define
class Piece:
    """Lines that wait for a watcher; ``held`` counts them as long as they hold back who writes."""

    stream: str | None
    text: str | None
    held: UnwrittenOutput | None

    def release(self) -> None:
        """They hold back nobody any more."""
        held, self.held = self.held, None
        if held is not None:
            held.done(len(self.text or ""))


class Subscription:
    """A watcher of a log.  An error in it is logged and remembered in ``failed``.

    ``pressure()`` gives the count of who writes the log, None if it can't be held back.
    """

    def __init__(
        self,
        watchers: list[Subscription],
        callback: Callback,
        log_name: str,
        pressure: Callable[[], UnwrittenOutput | None] = lambda: None,
        clock: Any = None,
    ) -> None:
        self._watchers, self._callback, self._log_name = watchers, callback, log_name
        self._pressure, self._clock = pressure, clock
        self._waiting: deque[Piece] = deque()
        self._busy = False  # its answer is awaited
        self._telling = False  # it is being told what has waited
        self._patience: Any = None
        self._given_up = False  # it holds back nobody any more
        self._left = False  # nobody waits for it any more
        self._idle: list[defer.Deferred[None]] = []
        self.failed = False

    def unsubscribe(self) -> None:
        """Watch no longer."""
        if self in self._watchers:
            self._watchers.remove(self)

    def tell(self, stream: str | None, text: str | None) -> None:
        """A piece of the log has come; ``None`` text is the end."""
        if not self._busy and not self._telling:
            self._call(stream, text)
            return
        held = None if self._given_up else self._pressure()
        if held is not None and text:
            held.add(len(text))
        self._waiting.append(Piece(stream, text, held))

    def _call(self, stream: str | None, text: str | None) -> None:
        try:
            answer = self._callback(stream, text)
        except Exception:
            self._error(Failure())
            return
        if answer is None or not hasattr(answer, "__await__"):
            return
        self._busy = True
        as_deferred(answer).addErrback(self._error).addCallback(self._answered)
        if self._busy and self._clock is not None and not self._given_up and self._pressure() is not None:
            self._patience = self._clock.callLater(PATIENCE, self._lose_patience)

    def _error(self, failure: Failure) -> None:
        self.failed = True
        log.failure("in a watcher of log {name!r}: {callback}", failure, name=self._log_name, callback=self._callback)

    def _answered(self, _: Any) -> None:
        self._busy = False
        if self._patience is not None:
            if self._patience.active():
                self._patience.cancel()
            self._patience = None
        if self._telling:
            return  # by the loop below
        self._telling = True
        try:
            while self._waiting and not self._busy:
                piece = self._waiting.popleft()
                piece.release()
                self._call(piece.stream, piece.text)
        finally:
            self._telling = False
        if not self._busy:
            self._tell_idle()

    def _lose_patience(self) -> None:
        log.warn(
            "a watcher of log {name!r} gives no answer for {seconds:g} s; the worker is not held back for it any more: "
            "{callback}",
            name=self._log_name,
            seconds=PATIENCE,
            callback=self._callback,
        )
        self._hold_back_nobody()

    def _hold_back_nobody(self) -> None:
        self._given_up = True
        for piece in self._waiting:
            piece.release()

    def idle(self) -> defer.Deferred[None]:
        """Fires when it is done with all that it was told, or is waited for no longer."""
        fires: defer.Deferred[None] = defer.Deferred()
        if (self._busy or self._telling) and not self._left:
            self._idle.append(fires)
        else:
            fires.callback(None)
        return fires

    def give_up(self) -> None:
        """Wait for it no longer."""
        self.unsubscribe()
        self._left = True
        self._hold_back_nobody()
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._tell_idle()

    def _tell_idle(self) -> None:
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)
