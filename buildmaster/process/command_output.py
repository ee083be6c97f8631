"""Where the output of a remote command goes: logs by name, and collected text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred

log = Logger()


class CommandOutput:
    """The logs a command writes to; some are made only when the first output for them comes."""

    def __init__(self) -> None:
        self.logs: dict[str, Any] = {}
        self.delayed: dict[str, tuple[Callable[[Any], Any], bool]] = {}
        self.close_when_finished: dict[str, bool] = {}
        self._waiting: dict[str, list[tuple[str, Any]]] = {}  # data that came while a log was being made
        self._making: list[defer.Deferred] = []
        self._conn: Any = None

    def use(self, log_: Any, close_when_finished: bool, name: str) -> None:
        """Write what comes under this name to a log."""
        self.logs[name] = log_
        self.close_when_finished[name] = close_when_finished
        if self._conn is not None:
            self._connect(log_)

    def use_delayed(self, name: str, activate: Callable[[Any], Any], close_when_finished: bool) -> None:
        """The same with a log that ``activate(command)`` makes when it is needed."""
        self.delayed[name] = (activate, close_when_finished)

    def comes_from(self, conn: Any) -> None:
        """Hold this connection back while too much of the output waits to be stored."""
        self._conn = conn
        for log_ in self.logs.values():
            self._connect(log_)

    def _connect(self, log_: Any) -> None:
        if hasattr(log_, "hold_back"):
            log_.hold_back(self._conn)

    def write(self, command: Any, name: str, method: str, data: Any) -> Any:
        """Call ``log.<method>(data)`` on the log of this name, now or when it is made."""
        log_ = self.logs.get(name)
        if log_ is not None:
            return getattr(log_, method)(data)
        if name in self._waiting:
            self._waiting[name].append((method, data))
        elif name in self.delayed:
            self._waiting[name] = [(method, data)]
            self._make(command, name)
        else:
            log.info(
                "output for the log {name!r}, which {command!r} does not have, is dropped", name=name, command=command
            )
        return None

    def _make(self, command: Any, name: str) -> None:
        activate, close = self.delayed.pop(name)

        def made(log_: Any) -> None:
            self.use(log_, close, name)
            for method, data in self._waiting.pop(name):
                getattr(log_, method)(data)

        def failed(failure: Any) -> None:
            self._waiting.pop(name, None)
            log.failure("the log {name!r} of {command!r} could not be made", failure, name=name, command=command)

        self._making.append(as_deferred(activate(command)).addCallbacks(made, failed))

    async def finish(self, failure: Any) -> None:
        """Close the logs that are to be closed with the command; a failure is written into them first."""
        for making in self._making:
            await making
        for name, log_ in list(self.logs.items()):
            if not self.close_when_finished.get(name):
                continue
            if failure is not None and hasattr(log_, "addHeader"):
                log_.addHeader(f"\nremoteFailed: {failure.getErrorMessage() or failure.type}\n")
            await as_deferred(log_.finish())
