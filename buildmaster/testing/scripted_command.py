"""A command that runs on a scripted worker: what the worker's script sees of it, and may say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.worker.protocols.commands import RunningCommand


class Interrupted(Exception):
    """Raised in a script at the place where it waits when its command is interrupted."""


Script = Callable[["Command"], Awaitable[None]]


async def succeed(command: Command) -> None:
    """The script of a worker on which everything goes well at once."""
    command.rc(0)


class Command:
    """A command that runs on a scripted worker, as its script sees it."""

    def __init__(self, conn: Any, running: RunningCommand, id: str, name: str, args: dict[str, Any]):
        self.id = id
        self.name = name
        self.args = args
        self.interrupted: str | None = None
        """Why it was interrupted, if it was."""
        self.over = False
        self._conn = conn
        self._running = running
        self._waits_for: defer.Deferred[Any] | None = None

    def __repr__(self) -> str:
        return f"<Command {self.id} {self.name} {self.args.get('command', '')!r}>"

    def update(self, updates: Any) -> None:
        """Send this, which may be a lie, as the argument of ``update``."""
        self._conn.say(lambda: self._running.update(updates))

    def send(self, **values: Any) -> None:
        """Send one update."""
        self.update([[values, 0]])

    def out(self, text: str | bytes) -> None:
        """Write to stdout."""
        self.send(stdout=text)

    def err(self, text: str | bytes) -> None:
        """Write to stderr."""
        self.send(stderr=text)

    def header(self, text: str | bytes) -> None:
        """Tell about the command."""
        self.send(header=text)

    def log(self, name: str, text: str | bytes) -> None:
        """A log file of the command grew."""
        self.send(log=(name, text))

    def rc(self, code: int) -> None:
        """Tell the exit code."""
        self.send(rc=code)

    def flood(self, size: int, line: str = "x" * 79 + "\n", chunk: int = 65536) -> None:
        """Write so many bytes to stdout without waiting for anything."""
        text = line * max(1, chunk // len(line))
        for _ in range(max(1, size // len(text))):
            self.out(text)

    def complete(self, failure: Any = None) -> None:
        """Say that the command has ended; done by itself when the script returns."""
        if not self.over:
            self.over = True
            self._conn.say(lambda: self._running.complete(failure))

    async def sleep(self, seconds: float) -> None:
        """Let time pass.  Raises Interrupted if the command is interrupted meanwhile."""
        done: defer.Deferred[None] = defer.Deferred()
        timer = self._conn.clock.callLater(seconds, done.callback, None)
        try:
            await self._wait(done)
        finally:
            if timer.active():
                timer.cancel()

    async def stall(self) -> None:
        """Hang until interrupted."""
        await self._wait(defer.Deferred())

    async def _wait(self, event: defer.Deferred[Any]) -> Any:
        if self.interrupted is not None:
            raise Interrupted(self.interrupted)
        self._waits_for = event
        try:
            return await event
        finally:
            self._waits_for = None

    async def call(self, method: str, *args: Any, target: str = "writer") -> Any:
        """Call a method of the command's ``writer`` or ``reader`` and wait for the master's answer."""
        proxy = self.args[target]
        return await self._wait(self._conn.ask_master(lambda: proxy(method, *args)))

    async def write(self, data: bytes) -> None:
        """Write to the command's ``writer``."""
        await self.call("remote_write", data)

    async def read(self, size: int) -> bytes:
        """Read from the command's ``reader``."""
        return await self.call("remote_read", size, target="reader")

    def interrupt(self, why: str) -> None:
        """The master wants it to end."""
        if self.interrupted is None:
            self.interrupted = why
            waits_for, self._waits_for = self._waits_for, None
            if waits_for is not None and not waits_for.called:
                waits_for.errback(Failure(Interrupted(why)))
