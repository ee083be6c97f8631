"""A worker made of a script: the real Connection contract, with the socket replaced by the clock's turns.

::

    async def script(command):
        command.out("compiling\\n")
        await command.sleep(30)
        command.rc(0)

    worker = ScriptedWorker(kit.master, "w1", script)
    kit.wait_for(worker.connect())

Every command is answered by the script; returning completes it.  ``worker.drop()`` loses the connection,
``worker.silent = True`` makes it half-dead.  What it says while the master does not read waits, as in a socket.
``tests/contract/test_connection.py`` holds this and the real ``buildbot-worker`` to the same contract.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import defer
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.testing.scripted_command import Command, Interrupted, Script, succeed
from buildmaster.worker.protocols import base
from buildmaster.worker.protocols.commands import RunningCommand
from buildmaster.worker.protocols.info import clean_info
from buildmaster.worker.protocols.plain import plain
from buildmaster.worker.protocols.updates import WorkerMisbehaved

COMMANDS = [
    "shell",
    "uploadFile",
    "uploadDirectory",
    "downloadFile",
    "mkdir",
    "rmdir",
    "cpdir",
    "stat",
    "glob",
    "listdir",
    "rmfile",
]
INFO: dict[str, Any] = {
    "admin": "nobody",
    "host": "a script",
    "version": "4.3.0",
    "system": "posix",
    "basedir": "/scripted",
    "numcpus": 1,
    "environ": {"PATH": "/bin"},
    "worker_commands": dict.fromkeys(COMMANDS, "3.3"),
}


class UnknownCommand(Exception):
    """The worker does not know the command."""


class _File:
    """Stands between a script and a writer or reader, until its command is over."""

    def __init__(self, impl: Any) -> None:
        self._impl = impl
        self.serve: Callable[..., Any] = lambda method, *args: method(*args)

    def __call__(self, method: str, *args: Any) -> Any:
        if self._impl is None:
            raise WorkerMisbehaved("the command that this belongs to is over")
        if not method.startswith("remote_"):
            raise WorkerMisbehaved(f"no wire reaches {method!r}")
        impl = self._impl
        return self.serve(lambda: getattr(impl, method)(*args))

    def revoke(self) -> None:
        self._impl = None


class ScriptedConnection(base.Connection):
    """The connection of a scripted worker."""

    proxies = {base.FileWriterImpl: _File, base.FileReaderImpl: _File}

    def __init__(self, worker: ScriptedWorker) -> None:
        super().__init__(worker.name, worker.master.reactor)
        self.clock = worker.master.reactor
        self.master = worker.master
        self.scripted = worker
        self.builders: dict[str, str] = {}
        self._socket: deque[Callable[[], Any]] = deque()  # what the worker has said and the master has not read
        self._kick: Any = None
        self._answers: set[defer.Deferred[Any]] = set()
        self._running: dict[str, Command] = {}

    # -- the socket --------------------------------------------------------------------------------------------------

    def say(self, message: Callable[[], Any]) -> None:
        """The worker says something; the master hears it in its turn, when it reads."""
        if self.connected and not self.scripted.silent:
            self._socket.append(message)
            self._wake()

    def _wake(self) -> None:
        if self._socket and self._kick is None and not self.throttled:
            self._kick = self.clock.callLater(self.scripted.latency, self._read)

    def _read(self) -> None:
        self._kick = None
        if self.throttled or not self.connected or not self._socket:
            return
        self.heard()
        message = self._socket.popleft()
        message()
        self._wake()

    def _resume_reading(self) -> None:
        self._wake()

    def _ask(self, work: Callable[[], Any]) -> defer.Deferred[Any]:
        """The master asks: the worker does its work in its turn, and its answer goes through the socket."""
        answer: defer.Deferred[Any] = defer.Deferred()
        if not self.connected:
            answer.errback(Failure(ConnectionLost()))
            return answer
        self._answers.add(answer)

        def done(result: Any) -> None:
            self.say(lambda: self._give(answer, result))

        self.clock.callLater(self.scripted.latency, lambda: defer.maybeDeferred(work).addBoth(done))
        return answer

    def _give(self, answer: defer.Deferred[Any], result: Any) -> None:
        if answer in self._answers:
            self._answers.discard(answer)
            answer.callback(result)

    def ask_master(self, work: Callable[[], Any]) -> defer.Deferred[Any]:
        """The worker asks, and gets the answer in its turn."""
        answer: defer.Deferred[Any] = defer.Deferred()

        def heard() -> None:
            d = defer.maybeDeferred(lambda: as_deferred(work()))
            d.addBoth(lambda result: self.clock.callLater(self.scripted.latency, _fire, answer, result))

        self.say(heard)
        return answer

    def notifyDisconnected(self) -> None:
        """The connection is lost."""
        if not self.connected:
            return
        answers, self._answers = self._answers, set()
        self._socket.clear()
        for command in list(self._running.values()):
            command._running.revoke()
            command.over = True
            command.interrupt("the connection is lost")
        self._running.clear()
        super().notifyDisconnected()
        for answer in answers:
            answer.errback(Failure(ConnectionLost()))

    def loseConnection(self) -> defer.Deferred[None]:
        """End the connection."""
        self.clock.callLater(0, self.notifyDisconnected)
        return self.waitShutdown()

    def get_peer(self) -> str:
        """Where the script runs."""
        return f"script:{self.name}"

    # -- what the master asks ----------------------------------------------------------------------------------------

    def remotePrint(self, message: str) -> defer.Deferred[Any]:
        """Keep the line in the worker's ``printed``."""
        return self._ask(lambda: self.scripted.printed.append(message))

    def remoteGetWorkerInfo(self) -> defer.Deferred[dict[str, Any]]:
        """The worker's ``info``."""
        answer = self._ask(lambda: self.scripted.info)
        return answer.addCallback(lambda info: clean_info(self.name, info))

    def remoteSetBuilderList(self, builders: Iterable[tuple[str, str]]) -> defer.Deferred[list[str]]:
        """Take all of them."""

        def take() -> list[str]:
            self.builders = dict(wanted)
            self.scripted.builder_lists.append(list(wanted))
            return list(self.builders)

        wanted = list(builders)
        return self._ask(take)

    def remoteStartBuild(self, builderName: str) -> defer.Deferred[None]:
        """Keep the builder's name in the worker's ``builds``."""
        return self._ask(lambda: self.scripted.builds.append(builderName))

    def remoteStartCommand(
        self, remoteCommand: Any, builderName: str, commandId: str, commandName: str, args: dict[str, Any]
    ) -> defer.Deferred[None]:
        """Run the script for this command."""
        args = {
            key: plain(key, value, lambda item: isinstance(item, _File))
            for key, value in self.createArgsProxies(args).items()
        }
        running = RunningCommand(self, remoteCommand, builderName, commandId)
        running.proxies = [value for value in args.values() if isinstance(value, _File)]
        for proxy in running.proxies:
            proxy.serve = running.serve
        command = Command(self, running, commandId, commandName, args)

        def start() -> None:
            if builderName not in self.builders:
                raise WorkerMisbehaved(f"worker {self.name} has not taken builder {builderName}")
            if commandName not in self.scripted.info.get("worker_commands", {}):
                raise UnknownCommand(f"unrecognized command {commandName!r}")
            self._running[commandId] = command
            self.scripted.commands.append(command)
            as_deferred(self._run(command)).addErrback(self.scripted.errors.append)

        def refused(why: Failure) -> Failure:
            running.over()
            return why

        return self._ask(start).addErrback(refused)

    async def _run(self, command: Command) -> None:
        try:
            await self.scripted.script(command)
        except Interrupted:
            command.rc(-1)
        except Exception:
            command.complete(Failure())
        self._running.pop(command.id, None)
        command.complete()

    def remoteInterruptCommand(self, builderName: str, commandId: str, why: str) -> defer.Deferred[None]:
        """Interrupt the script where it waits."""

        def interrupt() -> None:
            command = self._running.get(commandId)
            if command is not None and not self.scripted.deaf:
                command.interrupt(why)

        return self._ask(interrupt)

    def remoteShutdown(self) -> defer.Deferred[None]:
        """Go away."""
        gone: defer.Deferred[None] = defer.Deferred()

        def leave() -> None:
            self.scripted.shut_down = True
            self.notifyDisconnected()
            gone.callback(None)

        self.clock.callLater(self.scripted.latency, leave)
        return gone


def _fire(answer: defer.Deferred[Any], result: Any) -> None:
    if not answer.called:
        answer.callback(result)


class ScriptedWorker:
    """A worker of the name that a master's configuration knows, answering by a script.

    ``latency`` is how long a message travels, in seconds of the master's clock.
    """

    connection_class: type[ScriptedConnection] = ScriptedConnection

    def __init__(
        self,
        master: Any,
        name: str,
        script: Script = succeed,
        info: dict[str, Any] | None = None,
        latency: float = 0.0,
    ) -> None:
        self.master = master
        self.name = name
        self.script = script
        self.info = {**INFO, **(info or {})}
        self.latency = latency
        self.silent = False
        """Whether it says nothing any more, as a host that has lost power."""
        self.deaf = False
        """Whether it does not react to interruptions."""
        self.shut_down = False
        self.conn: ScriptedConnection | None = None
        self.commands: list[Command] = []
        self.builds: list[str] = []
        self.printed: list[str] = []
        self.builder_lists: list[list[tuple[str, str]]] = []
        self.errors: list[Failure] = []

    def connect(self) -> defer.Deferred[None]:
        """Log in; fires when the master has let it in, fails with Refused or GoAway if it does not."""
        conn = self.conn = self.connection_class(self)

        def sent_away(why: Failure) -> Failure:
            conn.notifyDisconnected()
            return why

        return as_deferred(self.master.workers.newConnection(conn, self.name)).addErrback(sent_away)

    def drop(self) -> None:
        """Lose the connection."""
        if self.conn is not None:
            self.conn.notifyDisconnected()

    def ask_for_shutdown(self) -> None:
        """Ask the master for a graceful shutdown."""
        assert self.conn is not None
        worker = self.master.workers.getWorkerByName(self.name)
        self.conn.say(worker.shutdownRequested)
