"""Commands that a worker runs for the master.

The documented classes.  A command is started on a connection, sends updates while it runs, and completes; how it ends
is in ``rc`` and :meth:`RemoteCommand.results`.  The protocol is in ``docs/reference``, "worker protocol".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer, error
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.net.pblost import LOST
from buildmaster.process.command_deadline import Deadline, find_master
from buildmaster.process.command_output import CommandOutput

log = Logger()

_TIMEOUTS = ("timeout", "timeout_without_output")


class RemoteException(Exception):
    """The worker reported an exception."""


class WorkerRaised(Exception):
    """A command raised on the worker; the text is what the worker said."""


class RemoteCommand:
    """A command named ``remote_command`` with the arguments ``args``.

    ``ignore_updates`` drops what the worker reports; ``collectStdout`` and ``collectStderr`` keep the output in
    :attr:`stdout` and :attr:`stderr`; ``decodeRC`` maps exit codes to results (others mean FAILURE);
    ``stdioLogName`` names the log for output, None for none.
    """

    active = False
    rc: int | None = None
    debug = False
    _last_id = 0

    def __init__(
        self,
        remote_command: str,
        args: Mapping[str, Any],
        ignore_updates: bool = False,
        collectStdout: bool = False,
        collectStderr: bool = False,
        decodeRC: Mapping[int | None, int] | None = None,
        stdioLogName: str | None = "stdio",
    ) -> None:
        self.remote_command = remote_command
        self.args = dict(args)
        self.ignore_updates = ignore_updates
        self.collectStdout, self.collectStderr = collectStdout, collectStderr
        self.decodeRC: Mapping[int | None, int] = {0: SUCCESS} if decodeRC is None else decodeRC
        self.stdioLogName = stdioLogName
        self.updates: dict[str, list[Any]] = {}
        self.remote_failure_reason: str | None = None
        self.interrupted = False
        self.step: Any = None
        self.worker: Any = None
        self.conn: Any = None
        self.builder_name: str | None = None
        self.commandID: str | None = None
        self._output = CommandOutput()
        self._stdout: list[str] = []
        self._stderr: list[str] = []
        self._done: defer.Deferred[tuple[Failure | None]] | None = None  # a Failure alone would be raised
        self._deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.remote_command!r} {self.commandID or 'not started'}>"

    # -- ids -------------------------------------------------------------------------------------------------------

    @classmethod
    def generate_new_command_id(cls) -> str:
        """The next command's id."""
        RemoteCommand._last_id += 1
        return str(RemoteCommand._last_id)

    @classmethod
    def get_last_generated_command_id(cls) -> str:
        """The newest command's id."""
        return str(RemoteCommand._last_id)

    # -- running ---------------------------------------------------------------------------------------------------

    @deferred
    async def run(self, step: Any, conn: Any, builder_name: str) -> RemoteCommand:
        """Run the command for a step (which may be None) over a connection; gives this object when it is complete.

        Fails with what the worker raised, with ConnectionLost when the connection goes, and with DeadlineExceeded
        when an interrupted command does not end or one stays silent far beyond its own limits.
        """
        self.step, self.conn, self.builder_name = step, conn, builder_name
        self.active = True
        self.commandID = self.generate_new_command_id()
        self._done = defer.Deferred()
        self._output.comes_from(conn)
        subscription = conn.notifyOnDisconnect(self._connection_lost) if hasattr(conn, "notifyOnDisconnect") else None
        self._deadline = Deadline(self, find_master(step, self.worker, conn))
        try:
            await self._start(conn)
            (failure,) = await self._done
        finally:
            self.active = False
            self._deadline.cancel()
            if subscription is not None:
                subscription.unsubscribe()
        await maybe(self.remoteComplete, failure)
        if failure is not None:
            if not isinstance(failure.value, BaseException):  # a worker's own exception comes as text
                raise WorkerRaised(failure.getErrorMessage())
            failure.raiseException()
        return self

    async def _start(self, conn: Any) -> None:
        assert self.commandID is not None
        try:
            started = conn.remoteStartCommand(self, self.builder_name, self.commandID, self.remote_command, self.args)
        except Exception:
            self._finish(Failure())
            return
        if isinstance(started, defer.Deferred):
            # a worker that takes the call and never answers it must not hold the command up
            started.addErrback(self._finish)
            if self._deadline is not None:
                self._deadline.starts(started)

    def _finish(self, failure: Failure | None = None) -> None:
        if self._done is not None and not self._done.called:
            self.active = False
            self._done.callback((failure,))

    def give_up(self, failure: Failure) -> None:
        """End the command without waiting for the worker."""
        self._finish(failure)

    def _connection_lost(self, *_: Any) -> None:
        self._finish(Failure(error.ConnectionLost("the worker's connection was lost")))

    @deferred
    async def interrupt(self, why: Any) -> None:
        """Make the worker stop the command.  A Failure as reason ends it at once: there is no worker to ask.

        The command ends when the worker says so, but within a deadline.
        """
        if not self.active or self.interrupted:
            return
        self.interrupted = True
        if isinstance(why, Failure):
            self._finish(why)
            return
        if self._deadline is not None:
            self._deadline.interrupted()
        try:
            await maybe(self.conn.remoteInterruptCommand, self.builder_name, self.commandID, str(why))
        except LOST:
            pass  # that ends it, too
        except Exception:
            log.failure("asking the worker to stop {command!r}; it will be given up", command=self)

    # -- called for the worker -------------------------------------------------------------------------------------

    def remote_update(self, updates: Any) -> int:
        """Updates as on the wire: a list of [{key: value}, number]; returns the highest number."""
        highest = 0
        for update, number in updates:
            highest = max(highest, number)
            if self.active and not self.ignore_updates:
                self._take(update)
        return highest

    def remote_update_msgpack(self, updates: Any) -> None:
        """Updates of the MessagePack protocol: a list of [key, value]; output is [text, newline places, times]."""
        for key, value in updates:
            if key in ("stdout", "stderr", "header"):
                value = value[0]
            elif key == "log":
                value = (value[0], value[1][0])
            if self.active and not self.ignore_updates:
                self._take({key: value})

    def _take(self, update: Mapping[str, Any]) -> None:
        if self._deadline is not None:
            self._deadline.heard()
        try:
            self.remoteUpdate(update)
        except Exception:
            failure = Failure()
            log.failure("in an update of {command!r}: {keys}", failure, command=self, keys=list(update))
            self.interrupt("the master could not handle its output").addErrback(lambda _: None)
            self._finish(failure)

    def heard(self) -> None:
        """The worker reads or writes one of the command's files: it is not silent."""
        if self._deadline is not None:
            self._deadline.heard()

    def remote_complete(self, failure: Failure | None = None) -> None:
        """The worker says that the command has ended; ``failure`` is what went wrong in running it."""
        self._finish(failure)

    def remoteUpdate(self, update: Mapping[str, Any]) -> Any:
        """Handle one update; override to look at what a command reports, and call this one."""
        for key, value in update.items():
            handler = _HANDLERS.get(key)
            if handler is not None:
                handler(self, value)
            else:
                self.updates.setdefault(key, []).append(value)

    @deferred
    async def remoteComplete(self, maybeFailure: Failure | None) -> None:
        """The command has ended; closes the logs that were to be closed with it."""
        await self._output.finish(maybeFailure)

    def _rc_update(self, rc: int) -> None:
        self.rc = rc
        self.updates.setdefault("rc", []).append(rc)
        self.addHeader(f"program finished with exit code {rc}\n")

    def _log_update(self, value: tuple[str, Any]) -> None:
        name, data = value
        self.addToLog(name, data)

    def _failure_reason_update(self, value: str) -> None:
        self.remote_failure_reason = value
        self.updates.setdefault("failure_reason", []).append(value)

    # -- output ----------------------------------------------------------------------------------------------------

    @property
    def logs(self) -> dict[str, Any]:
        """The logs in use, by name."""
        return self._output.logs

    @property
    def delayedLogs(self) -> dict[str, Any]:
        """Logs that are made when the first output for them comes."""
        return self._output.delayed

    @property
    def stdout(self) -> str:
        """The collected stdout."""
        return "".join(self._stdout)

    @property
    def stderr(self) -> str:
        """The collected stderr."""
        return "".join(self._stderr)

    def useLog(self, log_: Any, closeWhenFinished: bool = False, logfileName: str | None = None) -> None:
        """Write output of the log file ``logfileName`` (by default the log's own name) to ``log_``."""
        self._output.use(log_, closeWhenFinished, logfileName or log_.getName())

    def useLogDelayed(
        self, logfileName: str, activateCallBack: Callable[[RemoteCommand], Any], closeWhenFinished: bool = False
    ) -> None:
        """The same with a log that ``activateCallBack(command)`` makes when the first output comes."""
        self._output.use_delayed(logfileName, activateCallBack, closeWhenFinished)

    def addStdout(self, data: Any) -> Any:
        """The command wrote to stdout."""
        if self.collectStdout:
            self._stdout.append(_text(data))
        return self._to_stdio("addStdout", data)

    def addStderr(self, data: Any) -> Any:
        """The command wrote to stderr."""
        if self.collectStderr:
            self._stderr.append(_text(data))
        return self._to_stdio("addStderr", data)

    def addHeader(self, data: Any) -> Any:
        """Something about the command, for the log."""
        return self._to_stdio("addHeader", data)

    def addToLog(self, logname: str, data: Any) -> Any:
        """A log file of the command grew."""
        return self._output.write(self, logname, "addStdout", data)

    def _to_stdio(self, method: str, data: Any) -> Any:
        name = self.stdioLogName
        if name is None or (name not in self._output.logs and name not in self._output.delayed):
            return None
        return self._output.write(self, name, method, data)

    def add_stdout_lines(self, data: str, is_flushed: bool = False) -> Any:
        """Whole lines of stdout."""
        return self.addStdout(data)

    def add_stderr_lines(self, data: str, is_flushed: bool = False) -> Any:
        """Whole lines of stderr."""
        return self.addStderr(data)

    def add_header_lines(self, data: str) -> Any:
        """Whole lines about the command."""
        return self.addHeader(data)

    def split_line(self, stream: str, text: str) -> Any:
        """Text of a stream (``stdout``, ``stderr`` or ``header``), which need not end with a line."""
        return {"stdout": self.addStdout, "stderr": self.addStderr, "header": self.addHeader}[stream](text)

    # -- results ---------------------------------------------------------------------------------------------------

    def results(self) -> int:
        """The result: CANCELLED if it was interrupted, else what ``decodeRC`` says of the exit code, else FAILURE."""
        if self.interrupted:
            return CANCELLED
        return self.decodeRC.get(self.rc, FAILURE)

    def didFail(self) -> bool:
        """Whether the result is FAILURE."""
        return self.results() == FAILURE

    @property
    def timed_out(self) -> bool:
        """Whether the worker stopped the command because it took too long or was silent too long."""
        return self.remote_failure_reason in _TIMEOUTS


_HANDLERS: dict[str, Callable[[Any, Any], Any]] = {
    "stdout": lambda command, data: command.addStdout(data),
    "stderr": lambda command, data: command.addStderr(data),
    "header": lambda command, data: command.addHeader(data),
    "log": RemoteCommand._log_update,
    "rc": RemoteCommand._rc_update,
    "failure_reason": RemoteCommand._failure_reason_update,
}


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, (bytes, bytearray)) else data
