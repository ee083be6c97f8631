"""A worker over Perspective Broker, as the real ``buildbot-worker`` and the old ``buildslave`` speak it.

Interface: ``print``, ``getWorkerInfo``, ``getCommands``, ``getVersion``, ``setBuilderList``, ``shutdown`` on the bot;
``startBuild``, ``startCommand``, ``interruptCommand`` on each of its builders; ``update`` and ``complete`` on the
command, ``write`` … on its writers.  All that comes in is checked here: a worker that lies harms its own command only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import banana, pb

from buildmaster.base.aio import deferred
from buildmaster.net.pblogin import GoAway
from buildmaster.worker.protocols import base
from buildmaster.worker.protocols.commands import RunningCommand
from buildmaster.worker.protocols.info import clean_info
from buildmaster.worker.protocols.plain import plain
from buildmaster.worker.protocols.updates import WorkerMisbehaved

log = Logger()

LARGEST = banana.SIZE_LIMIT
"""Bytes of the longest text or data that the wire carries."""


class _NoSuchMethod(Exception):
    """The worker is too old to know what was asked."""


class Listener(base.UpdateRegistrationListener):
    """Registers workers with the master's PB ports and makes a :class:`Connection` of each login."""

    name = "pbListener"

    def __init__(self, master: Any) -> None:
        super().__init__()
        self.master = master

    def get_manager(self) -> Any:
        """Whoever holds the ports of this protocol."""
        return self.master.pbmanager

    def before_connection_setup(self, mind: Any, workerName: str) -> None:
        """A worker has proved its password: watch its link for a host that vanished."""
        transport: Any = getattr(getattr(mind, "broker", None), "transport", None)
        if hasattr(transport, "setTcpKeepAlive"):
            transport.setTcpKeepAlive(True)

    async def _login(self, mind: Any, workerName: str) -> Connection:
        self.before_connection_setup(mind, workerName)
        worker = self.master.workers.getWorkerByName(workerName)
        if worker is None:
            raise GoAway(f"worker {workerName} is not configured any more")
        connection = Connection(self.master, worker, mind)
        await self.master.workers.newConnection(connection, workerName)
        return connection


class ReferenceableProxy(pb.Referenceable):
    """Gives a worker the ``remote_…`` methods of an object that knows nothing of the wire, until it is revoked."""

    def __init__(self, impl: Any) -> None:
        self.impl = impl
        self.serve: Callable[..., Any] = lambda method, *args: method(*args)

    def revoke(self) -> None:
        """What comes from now on is refused."""
        self.impl = None

    def _use(self, method: str, *args: Any) -> Any:
        """Call the object, which may answer with a value, a Deferred or a coroutine.  Errors are told in one line."""
        if self.impl is None:
            raise pb.Error("the command that this belongs to is over")
        impl = self.impl
        try:
            answer = self.serve(lambda: getattr(impl, method)(*args))
        except Exception as raised:
            raise pb.Error(f"{type(raised).__name__}: {raised}") from raised
        if hasattr(answer, "cr_frame"):
            answer = defer.Deferred.fromCoroutine(answer)
        return answer.addErrback(_in_one_line) if isinstance(answer, defer.Deferred) else answer


def _in_one_line(failure: Failure) -> Failure:
    return Failure(pb.Error(f"{failure.type.__name__ if failure.type else 'error'}: {failure.getErrorMessage()}"))


class FileWriterProxy(ReferenceableProxy):
    """A command's ``writer``."""

    def remote_write(self, data: Any) -> Any:
        """Append these bytes."""
        if isinstance(data, str):
            data = data.encode("utf-8")
        if not isinstance(data, bytes):
            raise pb.Error(f"write() takes bytes, not {type(data).__name__}")
        return self._use("remote_write", data)

    def remote_utime(self, accessed_modified: Any) -> Any:
        """Set the file's times."""
        try:
            accessed, modified = (float(part) for part in accessed_modified)
        except (TypeError, ValueError):
            raise pb.Error("utime() takes a pair of numbers") from None
        return self._use("remote_utime", (accessed, modified))

    def remote_unpack(self) -> Any:
        """The archive is complete."""
        return self._use("remote_unpack")

    def remote_close(self) -> Any:
        """Nothing more comes."""
        return self._use("remote_close")


class FileReaderProxy(ReferenceableProxy):
    """A command's ``reader``."""

    def remote_read(self, maxLength: Any) -> Any:
        """At most so many bytes, and no more than the wire carries."""
        if not isinstance(maxLength, int) or isinstance(maxLength, bool) or maxLength < 0:
            raise pb.Error("read() takes a length")
        return self._use("remote_read", min(maxLength, LARGEST))

    def remote_close(self) -> Any:
        """The worker has read enough."""
        return self._use("remote_close")


class RemoteCommand(ReferenceableProxy):
    """The reference through which a worker reports on a command."""

    def remote_update(self, updates: Any) -> Any:
        """Output and results."""
        if self.impl is not None:
            self.impl.update(updates)

    def remote_complete(self, failure: Any = None) -> Any:
        """The end."""
        if self.impl is not None:
            self.impl.complete(failure)


class Connection(base.Connection, pb.Avatar):
    """The avatar of a worker that has logged in."""

    proxies: ClassVar[dict[Any, Any]] = {
        base.FileWriterImpl: FileWriterProxy,
        base.FileReaderImpl: FileReaderProxy,
    }

    def __init__(self, master: Any, worker: Any, mind: pb.RemoteReference) -> None:
        super().__init__(worker.workername, master.reactor)
        self.master = master
        self.worker = worker
        self.mind = mind
        self.info: dict[str, Any] | None = None
        self.builders: dict[str, pb.RemoteReference] = {}
        self._commands: dict[RunningCommand, RemoteCommand] = {}
        mind.broker.notifyOnDisconnect(self.notifyDisconnected)

    # -- the link --------------------------------------------------------------------------------------------------

    def attached(self, mind: Any) -> Connection:
        """Called by the port at login."""
        return self

    def detached(self, mind: Any) -> None:
        """Called by the port at the end of the connection."""
        self.notifyDisconnected()

    def notifyDisconnected(self) -> None:
        """The connection is lost: tell everybody who asked, once."""
        super().notifyDisconnected()
        self.builders = {}
        commands, self._commands = self._commands, {}
        for command in commands:
            command.revoke()

    def loseConnection(self) -> defer.Deferred[None]:
        """End the connection at once: what waits to be sent to a worker that we give up is of no use."""
        transport = self.mind.broker.transport
        if self.connected and transport is not None:
            transport.abortConnection()
        return self.waitShutdown()

    def get_peer(self) -> str:
        """Address and port of the worker."""
        peer = self.mind.broker.transport.getPeer()
        return f"{peer.host}:{peer.port}" if hasattr(peer, "port") else str(peer)

    def _pause_reading(self) -> None:
        self.mind.broker.transport.pauseProducing()

    def _resume_reading(self) -> None:
        transport = self.mind.broker.transport
        if transport is not None:
            transport.resumeProducing()

    # -- what the worker calls -------------------------------------------------------------------------------------

    def perspective_keepalive(self) -> None:
        """A sign of life."""
        self.heard()

    def perspective_shutdown(self) -> defer.Deferred[None]:
        """The worker asks for a graceful shutdown: no new builds; it is told to end when it is idle."""
        self.heard()
        log.info("worker {name!r} asks for a graceful shutdown", name=self.name)
        return defer.maybeDeferred(self.worker.shutdownRequested)

    def heard(self) -> None:
        """Something has come from the worker."""
        super().heard()
        self.worker.messageReceivedFromWorker()

    # -- what the master asks --------------------------------------------------------------------------------------

    @property
    def keepalive_interval(self) -> float:
        """Seconds of silence after which the worker is asked for a sign of life; 0: never."""
        return float(self.worker.keepalive_interval or 0)

    @property
    def keepalive_timer(self) -> Any:
        """The timer of the next check, None if there is none."""
        return self._keepalive

    def startKeepaliveTimer(self) -> None:
        """Watch over this worker's signs of life."""
        self.start_keepalive(self.keepalive_interval)

    def stopKeepaliveTimer(self) -> None:
        """Watch no more."""
        self.stop_keepalive()

    def remote_sign_of_life(self) -> defer.Deferred[Any]:
        """Every worker answers ``getVersion``, and none writes it to its log."""
        return self._ask(self.mind, "getVersion")

    async def _call(self, reference: Any, method: str, *args: Any) -> Any:
        """Call a remote method; any answer, also an error, is a sign of life.

        Fails with ConnectionLost when the worker goes away first, whatever Perspective Broker calls it.
        """
        try:
            answer = await reference.callRemote(method, *args)
        except (pb.PBConnectionLost, pb.DeadReferenceError, ConnectionDone) as e:
            # those who asked to be told hear of it first: to them a failed call would look like a mistake of the worker
            self.notifyDisconnected()
            raise ConnectionLost(f"the connection of worker {self.name} was lost") from e
        except pb.RemoteError as e:
            self.heard()
            if b"NoSuchMethod" in _bytes(e.remoteType):
                raise _NoSuchMethod(method) from e
            raise
        self.heard()
        return answer

    def _ask(self, reference: Any, method: str, *args: Any) -> defer.Deferred[Any]:
        return defer.Deferred.fromCoroutine(self._call(reference, method, *args))

    def remotePrint(self, message: str) -> defer.Deferred[Any]:
        """Have a line written to the worker's log."""
        return self._ask(self.mind, "print", message)

    @deferred
    async def remoteGetWorkerInfo(self) -> dict[str, Any]:
        """What the worker tells about itself; workers of the 0.8 era are asked in their own words."""
        try:
            raw = await self._call(self.mind, "getWorkerInfo")
        except _NoSuchMethod:
            raw = await self._first_known("getSlaveInfo") or {}
        info = clean_info(self.name, raw)
        if "worker_commands" not in info:
            info["worker_commands"] = info.pop("slave_commands", None) or await self._first_known("getCommands") or {}
        if "version" not in info:
            info["version"] = await self._first_known("getVersion")
        self.info = clean_info(self.name, info)
        return self.info

    async def _first_known(self, method: str) -> Any:
        try:
            return await self._call(self.mind, method)
        except _NoSuchMethod:
            return None

    @deferred
    async def remoteSetBuilderList(self, builders: Iterable[tuple[str, str]]) -> list[str]:
        """Tell the worker its builders; gives the names that it took."""
        wanted = [(name, directory) for name, directory in builders]
        answer = await self._call(self.mind, "setBuilderList", wanted)
        if not isinstance(answer, dict):
            raise WorkerMisbehaved(f"worker {self.name} answered setBuilderList with a {type(answer).__name__}")
        names = {name for name, _ in wanted}
        taken = {_text(name): reference for name, reference in answer.items()}
        if not all(isinstance(reference, pb.RemoteReference) for reference in taken.values()):
            raise WorkerMisbehaved(f"worker {self.name} answered setBuilderList without references")
        self.builders = {name: reference for name, reference in taken.items() if name in names}
        return list(self.builders)

    @deferred
    async def remoteStartBuild(self, builderName: str) -> None:
        """A build of this builder starts on the worker."""
        await self._call(self._builder(builderName), "startBuild")

    @deferred
    async def remoteStartCommand(
        self, remoteCommand: Any, builderName: str, commandId: str, commandName: str, args: dict[str, Any]
    ) -> None:
        """Start a command; see :meth:`base.Connection.remoteStartCommand`."""
        args = {key: plain(key, value, _goes_as_it_is) for key, value in self.createArgsProxies(args).items()}
        running = RunningCommand(self, remoteCommand, builderName, commandId)
        running.proxies = [value for value in args.values() if isinstance(value, ReferenceableProxy)]
        for proxy in running.proxies:
            proxy.serve = running.serve
        reference = self._commands[running] = RemoteCommand(running)
        running.proxies.append(reference)
        running.on_end = lambda: self._commands.pop(running, None)
        try:
            await self._call(self._builder(builderName), "startCommand", reference, commandId, commandName, args)
        except BaseException:
            running.over()
            raise

    @deferred
    async def remoteInterruptCommand(self, builderName: str, commandId: str, why: str) -> None:
        """Ask for the end of a running command."""
        await self._call(self._builder(builderName), "interruptCommand", commandId, why)

    @deferred
    async def remoteShutdown(self) -> None:
        """Ask the worker process to end; its going away is the answer."""
        try:
            await self._call(self.mind, "shutdown")
        except ConnectionLost:
            pass
        except _NoSuchMethod:
            await self._shutdown_old()

    async def _shutdown_old(self) -> None:
        """Workers before 0.8.3 are shut down through any of their builders."""
        for reference in list(self.builders.values())[:1]:
            try:
                await self._call(reference, "shutdown")
            except ConnectionLost:
                return
            except _NoSuchMethod:
                log.warn("worker {name!r} is too old to be shut down from here", name=self.name)

    def _builder(self, name: str) -> pb.RemoteReference:
        try:
            return self.builders[name]
        except KeyError:
            if not self.connected:
                raise ConnectionLost(f"the connection of worker {self.name} was lost") from None
            raise WorkerMisbehaved(f"worker {self.name} has not taken builder {name}") from None


def _goes_as_it_is(value: Any) -> bool:
    return isinstance(value, pb.Jellyable)


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
