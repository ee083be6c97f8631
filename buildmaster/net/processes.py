"""Child processes that shall run as long as the master does: started, watched, restarted with growing pauses, stopped.

A child that dies soon is started again later and later; one that has run for a while starts again at once.  Commands
that run once and give a result are :mod:`.childprocess`'s business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer, error, protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger()


@attrs.frozen
class BackOff:
    """How long to wait before the next start of a child that has ended."""

    first: float = 1.0  # seconds
    factor: float = 2.0
    longest: float = 60.0
    healthy: float = 30.0  # a child that ran so long counts as well: the next pause is the first again

    def after(self, pause: float, ran: float) -> float:
        """The pause that follows ``pause`` when the child ran for ``ran`` seconds."""
        if ran >= self.healthy or pause <= 0:
            return self.first
        return min(pause * self.factor, self.longest)


class SupervisedProcess:
    """Keeps one child process running.

    The child's standard input stays open as long as the master lives: a child that ends when its input ends does not
    outlive a master that was killed.
    """

    STOP_DEADLINE = 10.0  # seconds between TERM and KILL

    def __init__(
        self,
        reactor: Any,
        name: str,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        back_off: BackOff = BackOff(),
    ) -> None:
        """``name`` is for messages; ``on_line(text)`` gets each line that the child writes to either output."""
        self.name = name
        self.starts = 0
        self._reactor = reactor
        self._argv = [os.fsencode(arg) for arg in argv]
        self._cwd = cwd
        self._env = dict(os.environ if env is None else env)
        self._on_line = on_line or (lambda line: log.info("{name}: {line}", name=name, line=line))
        self._back_off = back_off
        self._pause = 0.0
        self._timer: Any = None
        self._child: _Child | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.transport.pid if self._child is not None and self._child.transport is not None else None

    def start(self) -> None:
        """Start the child, now and whenever it ends, until :meth:`stop`."""
        self._stopping = False
        if self._child is None and self._timer is None:
            self._spawn()

    @property
    def running(self) -> bool:
        """Whether the child runs just now."""
        return self._child is not None

    def stop(self) -> defer.Deferred[None]:
        """End the child, by TERM and after :attr:`STOP_DEADLINE` by KILL; fires when it is gone."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._child is None:
            return defer.succeed(None)
        return self._child.end(self._reactor, self.STOP_DEADLINE)

    def _spawn(self) -> None:
        self._timer = None
        self.starts += 1
        child = _Child(self._on_line, self._ended, self._reactor.seconds())
        try:
            self._child = child
            self._reactor.spawnProcess(child, self._argv[0], self._argv, env=self._env, path=self._cwd)
        except Exception as e:  # no such program, no more processes: it is told, and tried again like a child that died
            child.ended = True
            self._ended(child, f"could not be started: {e}")

    def _ended(self, child: _Child, how: str) -> None:
        self._child = None
        if self._stopping:
            return
        self._pause = self._back_off.after(self._pause, self._reactor.seconds() - child.started)
        log.warn("{name} {how}; started again in {pause:g} s", name=self.name, how=how, pause=self._pause)
        self._timer = self._reactor.callLater(self._pause, self._spawn)


class _Child(protocol.ProcessProtocol):
    """One life of the child."""

    LONGEST_LINE = 4096

    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[_Child, str], None], started: float) -> None:
        self.started = started
        self.ended = False
        self._on_line = on_line
        self._on_end = on_end
        self._waiting: list[defer.Deferred[None]] = []
        self._rest = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Output of the child, given on line by line."""
        *lines, rest = (self._rest.get(childFD, b"") + data).split(b"\n")
        self._rest[childFD] = rest[-self.LONGEST_LINE :]
        for line in lines:
            self._on_line(line[: self.LONGEST_LINE].decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        """The child is gone and its outputs are closed."""
        self.ended = True
        value = reason.value
        how = "ended" if isinstance(value, error.ProcessDone) else f"ended badly ({reason.getErrorMessage().strip()})"
        self._on_end(self, how)
        for each in self._waiting:
            each.callback(None)

    def end(self, reactor: Any, deadline: float) -> defer.Deferred[None]:
        """Send TERM, later KILL; fires when the child is gone."""
        result: defer.Deferred[None] = defer.Deferred()
        self._waiting.append(result)
        if len(self._waiting) == 1:
            self._signal("TERM")
            kill = reactor.callLater(deadline, self._signal, "KILL")
            result.addCallback(lambda _: kill.active() and kill.cancel())
            result.addCallback(lambda _: None)
        return result

    def _signal(self, name: str) -> None:
        transport: Any = self.transport
        try:
            transport.signalProcess(name)
        except error.ProcessExitedAlready:
            pass
