"""Observers: they see all that is written to a log, once and in order, as whole lines.

Attach one with ``step.addLogObserver(logname, observer)``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from zope.interface import implementer

from buildmaster.base.aio import as_deferred, maybe
from buildmaster.base.interfaces import ILogObserver


@implementer(ILogObserver)
class LogObserver:
    """Override the ``…Received`` methods that you need.  ``step`` and ``log`` are set before the first of them.

    One that returns a Deferred or coroutine gets nothing more until that has fired, and the log is finished after it.
    """

    step: Any = None
    log: Any = None

    def setStep(self, step: Any) -> None:
        """The step to which the observer belongs."""
        self.step = step

    def setLog(self, loog: Any) -> None:
        """The log to be watched; the observer sees what is written from now on."""
        self.log = loog
        loog.subscribe(self.gotData)

    def logChunk(self, build: Any, step: Any, log: Any, channel: str | None, text: str) -> None:
        """The older form of :meth:`gotData`."""
        self.gotData(channel, text)

    def gotData(self, stream: str | None, data: str | None) -> Any:
        """Whole lines of one stream; ``None`` data is the end."""
        if data is None:
            return self.finishReceived()
        if stream is None or stream == "o":
            return self.outReceived(data)
        if stream == "e":
            return self.errReceived(data)
        if stream == "h":
            return self.headerReceived(data)
        return None

    def outReceived(self, data: str) -> Any:
        """Lines of stdout, or of a log without channels."""

    def errReceived(self, data: str) -> Any:
        """Lines of stderr."""

    def headerReceived(self, data: str) -> Any:
        """Lines about the command."""

    def finishReceived(self) -> Any:
        """Nothing more will come."""


class LogLineObserver(LogObserver):
    """Override the ``…LineReceived`` methods; they get one line each, without its end."""

    stdoutDelimiter = "\n"
    stderrDelimiter = "\n"
    headerDelimiter = "\n"

    def __init__(self) -> None:
        super().__init__()
        self.max_length: int | None = None
        self._rest = {"o": "", "e": "", "h": ""}

    def setMaxLineLength(self, max_length: int) -> None:
        """Leave out lines of more than so many characters."""
        self.max_length = max_length

    def _lines(self, stream: str, data: str, delimiter: str, receive: Callable[[str], Any]) -> Any:
        rest = getattr(self, "_rest", None)
        if rest is None:  # a subclass whose __init__ does not call ours
            LogLineObserver.__init__(self)
            rest = self._rest
        lines = (rest[stream] + data).split(delimiter)
        rest[stream] = lines.pop()
        limit = self.max_length
        if limit is not None:
            lines = [line for line in lines if len(line) <= limit]
        for number, line in enumerate(lines, 1):
            answer = receive(line)
            if answer is not None and hasattr(answer, "__await__"):
                return _one_by_one(answer, receive, lines[number:])
        return None

    def outReceived(self, data: str) -> Any:
        return self._lines("o", data, self.stdoutDelimiter, self.outLineReceived)

    def errReceived(self, data: str) -> Any:
        return self._lines("e", data, self.stderrDelimiter, self.errLineReceived)

    def headerReceived(self, data: str) -> Any:
        return self._lines("h", data, self.headerDelimiter, self.headerLineReceived)

    def outLineReceived(self, line: str) -> Any:
        """A line of stdout, or of a log without channels."""

    def errLineReceived(self, line: str) -> Any:
        """A line of stderr."""

    def headerLineReceived(self, line: str) -> Any:
        """A line about the command."""


async def _one_by_one(first: Any, receive: Callable[[str], Any], lines: list[str]) -> None:
    await as_deferred(first)
    for line in lines:
        await maybe(receive, line)


class LineConsumerLogObserver(LogLineObserver):
    """Feeds a generator: ``stream, line = yield`` gives it each line, until it returns.

    ``consumerFunction`` makes the generator; it is called when the first line comes, and closed at the end.
    """

    def __init__(self, consumerFunction: Callable[[], Generator[None, tuple[str, str], None]]) -> None:
        super().__init__()
        self.generator: Any = None
        self.consumerFunction = consumerFunction

    def feed(self, input: tuple[str, str]) -> None:
        """Give the generator a (stream, line)."""
        if self.generator is None:
            self.generator = self.consumerFunction()
            try:
                next(self.generator)
            except StopIteration:
                self.generator = iter(())
        send = getattr(self.generator, "send", None)
        if send is None:
            return
        try:
            send(input)
        except StopIteration:
            self.generator = iter(())  # it has seen enough

    def outLineReceived(self, line: str) -> None:
        self.feed(("o", line))

    def errLineReceived(self, line: str) -> None:
        self.feed(("e", line))

    def headerLineReceived(self, line: str) -> None:
        self.feed(("h", line))

    def finishReceived(self) -> None:
        close = getattr(self.generator, "close", None)
        if close is not None:
            close()


class OutputProgressObserver(LogObserver):
    """Tells the step how much output there was: one of the measures for its expected time."""

    length = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def gotData(self, stream: str | None, data: str | None) -> None:
        if data:
            self.length += len(data)
            self.step.setProgress(self.name, self.length)


class BufferLogObserver(LogObserver):
    """Keeps what was written; for small outputs."""

    def __init__(self, wantStdout: bool = True, wantStderr: bool = False) -> None:
        super().__init__()
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._want_stdout, self._want_stderr = wantStdout, wantStderr

    def outReceived(self, data: str) -> None:
        if self._want_stdout:
            self.stdout.append(data)

    def errReceived(self, data: str) -> None:
        if self._want_stderr:
            self.stderr.append(data)

    def getStdout(self) -> str:
        """All of stdout so far."""
        return "".join(self.stdout)

    def getStderr(self) -> str:
        """All of stderr so far."""
        return "".join(self.stderr)
