"""Child processes of a reactor in memory: nothing is run, the test says what happens.

:meth:`ProcessReactor.expect_spawn` announces a process.  It gets the next number, from 0, as its pid, and what becomes
of it is told by that number.  What has been announced and did not happen, or happens unannounced, is an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import error
from twisted.python.failure import Failure


class MemoryProcess:
    """The transport of a process that is not there.

    ``written`` is what came to its stdin, ``signals`` are those it was sent.
    """

    def __init__(self, reactor: ProcessReactor, pid: int, protocol: Any) -> None:
        self.pid = pid
        self.protocol = protocol
        self.written = b""
        self.signals: list[Any] = []
        self.ended = False
        self._reactor = reactor

    def write(self, data: bytes) -> None:
        """Something for its stdin."""
        self.written += data

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Something for one of its files."""
        self.written += data

    def closeStdin(self) -> None:
        """There will be no more input."""

    def closeChildFD(self, descriptor: int) -> None:
        """Nobody listens to this file any more."""
        self._reactor.process_closeChildFD(self.pid, descriptor)

    def signalProcess(self, signal: Any) -> None:
        """A signal; raises ProcessExitedAlready after the end."""
        if self.ended:
            raise error.ProcessExitedAlready()
        self.signals.append(signal)
        self._reactor.process_signalProcess(self.pid, signal)

    def loseConnection(self) -> None:
        """All its files are closed."""

    def pauseProducing(self) -> None:
        """Its output is not read for a while."""

    def resumeProducing(self) -> None:
        """Its output is read again."""

    def end(self, status: int) -> None:
        """Tell the protocol of the end, with an exit code."""
        self.ended = True
        why = Failure(error.ProcessTerminated(exitCode=status) if status else error.ProcessDone(0))
        self.protocol.processExited(why)
        self.protocol.processEnded(why)


class ProcessReactor:
    """The reactor's methods for processes."""

    starts_nothing = True
    """Tells :class:`~buildmaster.net.childprocess.ChildProcess` that programs need not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[MemoryProcess] = []
        """Those that were started."""
        self._expected: deque[tuple[str, dict[str, Any]]] = deque()
        self._answer: Callable[..., Callable[[MemoryProcess], Any]] | None = None

    # -- announcements ---------------------------------------------------------------------------------------------

    def expect_spawn(
        self,
        executable: Any,
        args: Sequence[Any],
        env: Mapping[Any, Any] | None = None,
        path: Any = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: Mapping[int, Any] | None = None,
    ) -> None:
        """The next call will be :meth:`spawnProcess` with just these arguments."""
        given = {"executable": executable, "args": args, "env": env, "path": path, "uid": uid, "gid": gid}
        self._expected.append(("spawnProcess", {**given, "usePTY": usePTY, "childFDs": childFDs}))

    def expect_process_signalProcess(self, pid: int, signal: Any) -> None:
        """The next call will send this signal to this process."""
        self._expected.append(("signalProcess", {"pid": pid, "signal": signal}))

    def expect_process_closeChildFD(self, pid: int, descriptor: int) -> None:
        """The next call will close this file of this process."""
        self._expected.append(("closeChildFD", {"pid": pid, "descriptor": descriptor}))

    def answer_processes(self, answer: Callable[..., Callable[[MemoryProcess], Any]]) -> None:
        """For processes that were not announced: ``answer(args, env, path)`` gives what is done with the process.

        It raises what starting the process shall raise.
        """
        self._answer = answer

    def assert_no_remaining_calls(self) -> None:
        """Raises AssertionError if something that was announced has not happened."""
        if self._expected:
            raise AssertionError(f"not called: {[_shown(call, given) for call, given in self._expected]}")

    # -- called by what is tested ----------------------------------------------------------------------------------

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: Any,
        args: Sequence[Any],
        env: Mapping[Any, Any] | None = None,
        path: Any = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: Mapping[int, Any] | None = None,
    ) -> MemoryProcess:
        """Start a process that was announced."""
        then: Callable[[MemoryProcess], Any] | None = None
        if not self._expected and self._answer is not None:
            then = self._answer(args, env, path)
        else:
            given = {"executable": executable, "args": args, "env": env, "path": path, "uid": uid, "gid": gid}
            self._check("spawnProcess", {**given, "usePTY": usePTY, "childFDs": childFDs})
        process = MemoryProcess(self, len(self.processes), processProtocol)
        self.processes.append(process)
        processProtocol.makeConnection(process)
        if then is not None:
            then(process)
        return process

    def process_signalProcess(self, pid: int, signal: Any) -> None:
        """A process gets a signal."""
        if self._answer is None or self._expected:
            self._check("signalProcess", {"pid": pid, "signal": signal})

    def process_closeChildFD(self, pid: int, descriptor: int) -> None:
        """A file of a process is closed."""
        if self._answer is None or self._expected:
            self._check("closeChildFD", {"pid": pid, "descriptor": descriptor})

    def _check(self, call: str, given: dict[str, Any]) -> None:
        if not self._expected:
            raise AssertionError(f"Unexpected call to {call}(): {_shown(call, given)}")
        expected = self._expected.popleft()
        if expected != (call, given):
            raise AssertionError(
                f"Unexpected call to {call}():\n  called:   {_shown(call, given)}\n  expected: {_shown(*expected)}"
            )

    # -- what becomes of it ----------------------------------------------------------------------------------------

    def process_send_stdout(self, pid: int, data: bytes) -> None:
        """A process writes to its stdout."""
        self.processes[pid].protocol.childDataReceived(1, data)

    def process_send_stderr(self, pid: int, data: bytes) -> None:
        """A process writes to its stderr."""
        self.processes[pid].protocol.childDataReceived(2, data)

    def process_done(self, pid: int, status: int) -> None:
        """A process ends with an exit code."""
        self.processes[pid].end(status)


def _shown(call: str, given: Mapping[str, Any]) -> str:
    return f"{call}({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"
