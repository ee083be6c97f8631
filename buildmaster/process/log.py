"""Logs of steps: text that is written once, by one step, and may be watched as it is written.

The documented classes.  Text comes in pieces of any shape (``str``, or bytes in the log's encoding); lines are
assembled in :mod:`.log_lines`, given to whoever subscribed, and stored by :mod:`.log_writer`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.db.log_text import Compression, without_prefixes
from buildmaster.db.logs import LogRow
from buildmaster.process.backpressure import UnwrittenOutput
from buildmaster.process.kept_log import KeptTextMixin
from buildmaster.process.log_lines import Decoder, LineAssembler
from buildmaster.process.log_watchers import Callback, Subscription
from buildmaster.process.log_writer import LogWriter, SizeLimit
from buildmaster.properties import mask_secrets

log = Logger()


class Log(KeptTextMixin):
    """A log that is being written.

    ``type`` is ``s`` (channels), ``t`` (plain text) or ``h`` (HTML); ``decoder`` names the encoding of bytes, or is a
    function that decodes them.  ``row`` is the log as it was stored.
    """

    _classes: dict[str, type[Log]] = {}
    step: Any = None  # whose log it is, if a step made it
    _write: Callable[[str], str] = staticmethod(str)  # how the name of a secret is written

    def __init__(
        self, master: Any, name: str, type: str, logid: int, decoder: str | Decoder, row: LogRow | None = None
    ) -> None:
        self.master = master
        self.name = name
        self.type = type
        self.logid = logid
        self.decoder = decoder
        self.finished = False
        self._secrets: Any = None
        self._watchers: list[Subscription] = []
        self._told: list[Subscription] = []  # all that there ever were
        self._finish_waiters: list[defer.Deferred] = []
        config = getattr(master, "config", None)
        row = row or LogRow(logid, 0, name, name, type)
        self._writer = LogWriter(master.db, master.reactor, row, Compression.of(config))
        self._limit = SizeLimit(getattr(config, "logMaxSize", None), getattr(config, "logMaxTailSize", None))

    @classmethod
    def new(
        cls,
        master: Any,
        name: str,
        type: str,
        logid: int,
        logEncoding: str | Decoder = "utf-8",
        row: LogRow | None = None,
    ) -> Log:
        """A log of the class that fits the type; raises RuntimeError for an unknown one."""
        if type not in cls._classes:
            raise RuntimeError(f"invalid log type {type!r}; known are {', '.join(sorted(cls._classes))}")
        return cls._classes[type](master, name, type, logid, logEncoding, row)

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} {self.name!r} {self.logid}>"

    def getName(self) -> str:
        """The log's name."""
        return self.name

    @property
    def num_lines(self) -> int:
        """Lines received so far."""
        return self._writer.num_lines

    def hide(self, secrets: Any) -> None:
        """Mask these secrets (value → name; the mapping may grow) in all that is written from now on."""
        self._secrets = secrets

    def hold_back(self, conn: Any) -> None:
        """Whatever is written comes over this connection, which is not read from while too much waits to be stored."""
        if self._writer.pressure is None:
            self._writer.pressure = UnwrittenOutput.of(conn)

    def subscribe(self, callback: Callback) -> Subscription:
        """Have ``callback(stream, text)`` called with all whole lines from now on.

        ``stream`` is ``o``, ``e`` or ``h``, None in a log without channels.  At the end it gets (None, None).  An error
        in it is logged and makes :meth:`had_errors` true; the others are called all the same.  A callback that answers
        with a Deferred or coroutine is called again when that has fired; what comes meanwhile waits in memory, and when
        that is too much the worker is not read from until it is less.
        """
        watcher = Subscription(self._watchers, callback, self.name, lambda: self._writer.pressure, self.master.reactor)
        self._watchers.append(watcher)
        self._told.append(watcher)
        return watcher

    def leave_watchers(self) -> None:
        """Wait for watchers no longer: the step is left behind."""
        for watcher in self._told:
            watcher.give_up()

    def had_errors(self) -> bool:
        """Whether a subscriber raised."""
        return any(watcher.failed for watcher in self._told)

    def isFinished(self) -> bool:
        """Whether nothing more will be written."""
        return self.finished

    def waitUntilFinished(self) -> defer.Deferred[None]:
        """Fires when the log is finished."""
        waiter: defer.Deferred[None] = defer.Deferred()
        if self.finished:
            waiter.callback(None)
        else:
            self._finish_waiters.append(waiter)
        return waiter

    def addRawLines(self, lines: str) -> defer.Deferred[None]:
        """Store whole lines as they are, in the documented form (with letters in front in a log with channels)."""
        assert lines.endswith("\n"), "addRawLines takes whole lines"
        for letter, text in _by_channel(lines) if self.type == "s" else [("", lines)]:
            self._writer.write(letter, mask_secrets(text, self._secrets, self._write) if self._secrets else text)
        return defer.succeed(None)

    def flush(self) -> defer.Deferred[None]:
        """Make unfinished lines whole ones."""
        return defer.succeed(None)

    @deferred
    async def finish(self) -> None:
        """Nothing more will be written.  Doing this again does nothing."""
        if self.finished:
            return
        await self.flush()
        self.finished = True
        for channel, text in self._limit.rest():
            self._writer.write(channel if self.type == "s" else "", text)
        for watcher in list(self._watchers):
            watcher.tell(None, None)
        for watcher in self._told:
            await watcher.idle()
        await self._writer.finish()
        waiters, self._finish_waiters = self._finish_waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def _lines(self, stream: str | None, text: str) -> None:
        """Whole lines have come.  What a step that was left behind still writes is dropped."""
        if not text or self.finished:
            return
        for watcher in list(self._watchers):
            watcher.tell(stream, text)
        if stream == "h":
            self._writer.write("h", text)
            return
        for channel, admitted in self._limit.admit(stream or "", text):
            self._writer.write(channel if stream else "", admitted)


def _by_channel(lines: str) -> list[tuple[str, str]]:
    grouped: list[tuple[str, str]] = []
    for line in lines.splitlines(keepends=True) if "\r" not in lines else re.findall(r"[^\n]*\n", lines):
        plain, _ = without_prefixes(line)
        letter = line[:1]
        if grouped and grouped[-1][0] == letter:
            grouped[-1] = (letter, grouped[-1][1] + plain)
        else:
            grouped.append((letter, plain))
    return grouped


class PlainLog(Log):
    """A log without channels."""

    _assembler: LineAssembler | None = None

    def _lines_of(self) -> LineAssembler:
        if self._assembler is None:
            self._assembler = LineAssembler(self.decoder, self._secrets, self._write)
        return self._assembler

    def addContent(self, text: Any) -> defer.Deferred[None]:
        """Write text; it need not end with a line."""
        self._lines(None, self._lines_of().feed(text))
        return defer.succeed(None)

    def flush(self) -> defer.Deferred[None]:
        if self._assembler is not None:
            self._lines(None, self._assembler.flush())
        return defer.succeed(None)


class TextLog(PlainLog):
    """A plain text log."""


class HtmlLog(PlainLog):
    """A log that is shown as HTML."""

    _write = staticmethod(html.escape)


class StreamLog(Log):
    """A log with the channels stdout, stderr and header."""

    pat = re.compile("^", re.MULTILINE)

    def __init__(
        self, step: Any, name: str, type: str, logid: int, decoder: str | Decoder, row: LogRow | None = None
    ) -> None:
        # documented to be made with a step; Log.new passes a master
        super().__init__(getattr(step, "master", step), name, type, logid, decoder, row)
        self.step = step
        self._assemblers: dict[str, LineAssembler] = {}

    def _add(self, stream: str, data: Any) -> defer.Deferred[None]:
        assembler = self._assemblers.get(stream)
        if assembler is None:
            assembler = self._assemblers[stream] = LineAssembler(self.decoder, self._secrets)
        lines = assembler.feed(data)
        if lines:
            self._lines(stream, lines)
        return defer.succeed(None)

    def addStdout(self, text: Any) -> defer.Deferred[None]:
        """Write text of stdout; it need not end with a line."""
        return self._add("o", text)

    def addStderr(self, text: Any) -> defer.Deferred[None]:
        """Write text of stderr; it need not end with a line."""
        return self._add("e", text)

    def addHeader(self, text: Any) -> defer.Deferred[None]:
        """Write text about the command; it need not end with a line."""
        return self._add("h", text)

    def add_stdout_lines(self, text: str) -> defer.Deferred[None]:
        """Write whole lines of stdout."""
        return self._add("o", text)

    def add_stderr_lines(self, text: str) -> defer.Deferred[None]:
        """Write whole lines of stderr."""
        return self._add("e", text)

    def add_header_lines(self, text: str) -> defer.Deferred[None]:
        """Write whole lines about the command."""
        return self._add("h", text)

    def split_lines(self, stream: str, text: str) -> defer.Deferred[None]:
        """Write whole lines of the channel with this letter."""
        return self._add(stream, text)

    def flush(self) -> defer.Deferred[None]:
        for stream in ("o", "e", "h"):
            if stream in self._assemblers:
                self._lines(stream, self._assemblers[stream].flush())
        return defer.succeed(None)


Log._classes = {"s": StreamLog, "t": TextLog, "h": HtmlLog, "d": TextLog}
