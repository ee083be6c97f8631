"""A child process of the master: started by the reactor handed in, bounded in time and output, always reaped.

Used for version-control commands and for :class:`~buildmaster.steps.master.MasterShellCommand`.  Nothing here knows
builds or pollers, and no argument is ever given to a shell unless the caller says so.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer, error, protocol
from twisted.python.failure import Failure

_SETSID = shutil.which("setsid")

KILL_AFTER = 10.0
"""Seconds between the polite signal at a deadline and KILL."""


class ProcessTimedOut(Exception):
    """The child was ended because it ran (or was silent) too long."""


class OutputTooLarge(Exception):
    """The child was ended because it wrote more than its caller can hold."""


def _find_program(name: str | bytes, env: Mapping[str, str], cwd: str | None) -> str:
    """The path of a program, as the child would find it; raises FileNotFoundError, which names it."""
    text = os.fsdecode(name)
    if cwd is not None and os.sep in text and not os.path.isabs(text):
        text = os.path.join(cwd, text)
    found = shutil.which(text, path=env.get("PATH", os.defpath))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such program in PATH, or it is not executable", text)
    return os.path.abspath(found) if os.sep in text else found


@attrs.frozen
class ProcessResult:
    """How a child process ended."""

    rc: int  # exit code; -1 if a signal ended it
    stdout: bytes
    stderr: bytes
    signal: int | None = None


class ChildProcess(protocol.ProcessProtocol):
    """One running child.

    ``on_stdout`` and ``on_stderr`` are called with bytes as they come; without them output is collected, at most
    ``max_output`` bytes of each.  ``timeout`` is in seconds over all, ``io_timeout`` in seconds without output.
    """

    transport: Any = None

    def __init__(
        self,
        reactor: Any,
        on_stdout: Callable[[bytes], Any] | None = None,
        on_stderr: Callable[[bytes], Any] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
        io_timeout: float | None = None,
        max_output: int = 256 * 1024 * 1024,
    ) -> None:
        self._reactor = reactor
        self._on = {1: on_stdout, 2: on_stderr}
        self._collected: dict[int, list[bytes]] = {1: [], 2: []}
        self._sizes = {1: 0, 2: 0}
        self._stdin = stdin
        self._timeout, self._io_timeout = timeout, io_timeout
        self._max_output = max_output
        self._timers: dict[str, Any] = {}
        self._why: Exception | None = None
        self._done: defer.Deferred[ProcessResult] = defer.Deferred()

    def start(
        self,
        argv: Sequence[str | bytes],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        use_pty: bool = False,
    ) -> defer.Deferred[ProcessResult]:
        """Start it, in a session of its own where the system has ``setsid``; fires when it has ended.

        Fails with :class:`ProcessTimedOut`, :class:`OutputTooLarge`, or OSError when it cannot be started.
        ``env`` replaces the environment.  Cancelling the Deferred ends the child.
        """
        done: defer.Deferred[ProcessResult] = defer.Deferred(lambda _: self.end("TERM"))

        def pass_on(result: Any) -> None:
            if not done.called:  # else it was cancelled: nobody waits for the end
                done.callback(result)

        self._done.addBoth(pass_on)
        environment = dict(os.environ if env is None else env)
        try:
            executable, args = self._command_line(argv, environment, cwd, use_pty)
            self._reactor.spawnProcess(self, executable, args, env=environment, path=cwd, usePTY=use_pty)
        except Exception:
            self._clear_timers()
            self._done.errback(Failure())
            return done
        self._restart("total", self._timeout, "ran longer than")
        self._restart("io", self._io_timeout, "was silent for")
        return done

    def _command_line(
        self, argv: Sequence[str | bytes], env: Mapping[str, str], cwd: str | None, use_pty: bool
    ) -> tuple[str | bytes, list[str | bytes]]:
        if self._in_memory:
            return argv[0], list(argv)
        program = _find_program(argv[0], env, cwd)
        if use_pty or _SETSID is None:
            return program, list(argv)
        return _SETSID, [_SETSID, program, *argv[1:]]

    @property
    def _in_memory(self) -> bool:
        """Whether the reactor only says that it starts something: there is no program, and the pid is nobody's."""
        return bool(getattr(self._reactor, "starts_nothing", False))

    # -- what Twisted tells us

    def connectionMade(self) -> None:
        if self._stdin:
            self.transport.write(self._stdin)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        channel = childFD if childFD in self._on else 1
        self._restart("io", self._io_timeout, "was silent for")
        listener = self._on[channel]
        if listener is not None:
            listener(data)
            return
        self._sizes[channel] += len(data)
        if self._sizes[channel] <= self._max_output:
            self._collected[channel].append(data)
        elif self._why is None:
            self._why = OutputTooLarge(f"wrote more than {self._max_output} bytes")
            self.end("KILL")

    def processEnded(self, reason: Failure) -> None:
        self._clear_timers()
        if self._done.called:
            return
        if self._why is not None:
            self._done.errback(self._why)
            return
        number = None if reason.check(error.ProcessDone) else getattr(reason.value, "signal", None)
        code = getattr(reason.value, "exitCode", None)
        stdout, stderr = (b"".join(self._collected[fd]) for fd in (1, 2))
        self._done.callback(ProcessResult(-1 if code is None else code, stdout, stderr, number))

    # -- holding it back

    def throttle(self, key: Any) -> None:
        """Do not read its output for the time being, so that it has to wait; its silence is then not its fault."""
        timer = self._timers.pop("io", None)
        if timer is not None and timer.active():
            timer.cancel()
        if self.transport is not None:
            self.transport.pauseProducing()

    def unthrottle(self, key: Any) -> None:
        """Read on."""
        if self.transport is not None and not self._done.called:
            self.transport.resumeProducing()
            self._restart("io", self._io_timeout, "was silent for")

    # -- ending it

    def end(self, signal_name: str, then_kill_after: float | None = KILL_AFTER) -> None:
        """Send a signal (``"TERM"``) to the child and all its descendants of the same session.

        What is still there after ``then_kill_after`` seconds gets KILL; None leaves it alone.
        """
        pid = getattr(self.transport, "pid", None)
        if pid is None:
            return
        number = getattr(signal, f"SIG{signal_name.upper().removeprefix('SIG')}", signal.SIGTERM)
        try:
            # without a session of its own it is in ours: never signal ourselves
            if self._in_memory or os.getpgid(pid) == os.getpgid(0):
                self.transport.signalProcess(number)
            else:
                os.killpg(os.getpgid(pid), number)
        except (ProcessLookupError, error.ProcessExitedAlready):
            return
        if number != signal.SIGKILL and then_kill_after is not None and "kill" not in self._timers:
            self._timers["kill"] = self._reactor.callLater(then_kill_after, self.end, "KILL")

    def _restart(self, name: str, seconds: float | None, how: str) -> None:
        timer = self._timers.get(name)
        if timer is not None and timer.active():
            timer.reset(seconds)
        elif seconds is not None and timer is None and not self._done.called:
            self._timers[name] = self._reactor.callLater(seconds, self._too_late, f"{how} {seconds:g} s")

    def _too_late(self, how: str) -> None:
        self._why = self._why or ProcessTimedOut(how)
        self.end("TERM")

    def _clear_timers(self) -> None:
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        self._timers.clear()


def run_process(
    reactor: Any,
    argv: Sequence[str | bytes],
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    io_timeout: float | None = None,
) -> defer.Deferred[ProcessResult]:
    """Run a program to its end and collect what it wrote; see :class:`ChildProcess` for the units and errors."""
    return ChildProcess(reactor, stdin=stdin, timeout=timeout, io_timeout=io_timeout).start(argv, env, cwd)
