"""A worker over MessagePack and WebSocket, as ``buildbot-worker --protocol=msgpack_experimental_v7`` speaks it.

Requests of the master: ``print``, ``keepalive``, ``get_worker_info``, ``set_worker_settings``, ``start_command``,
``interrupt_command``, ``shutdown``.  Requests of the worker: ``update``, ``complete`` and those on the files of a
command.  Such a worker knows nothing of builders: their directories are the master's affair.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import Any

from twisted.internet import defer
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.net.pblogin import GoAway
from buildmaster.worker.protocols import base
from buildmaster.worker.protocols.commands import RunningCommand
from buildmaster.worker.protocols.info import clean_info
from buildmaster.worker.protocols.msgpack_commands import Command, OwnCommand, Place, translate, updates_of
from buildmaster.worker.protocols.plain import plain
from buildmaster.worker.protocols.updates import WorkerMisbehaved

log = Logger()

PROTOCOL = "msgpack_experimental_v7"
"""Its key in ``c['protocols']``."""

SETTINGS = {
    "buffer_size": 64 * 1024,  # bytes of output after which an update is sent
    "buffer_timeout": 5,  # or seconds
    "newline_re": r"(\r+\n|\r+(?=[^\r\n])|\x1b\[(?:u|\d+;\d+[Hf]|2J)|\x08+)",  # line ends as our logs know them
    "max_line_length": 1024 * 1024,  # longer ones are broken, here as in our logs
}
"""What a worker is told at its beginning."""

LARGEST_READ = 1024 * 1024
"""Bytes that a worker gets by one ``update_read_file``, however many it asks for."""


class Listener(base.UpdateRegistrationListener):
    """Registers workers with the master's MessagePack ports and makes a :class:`Connection` of each login."""

    name = "MsgPackListener"

    def __init__(self, master: Any) -> None:
        super().__init__()
        self.master = master

    def get_manager(self) -> Any:
        """Whoever holds the ports of this protocol."""
        return self.master.msgmanager

    async def _login(self, mind: Any, workerName: str) -> Connection:
        worker = self.master.workers.getWorkerByName(workerName)
        if worker is None:
            raise GoAway(f"worker {workerName} is not configured any more")
        connection = Connection(self.master, worker, mind)
        await self.master.workers.newConnection(connection, workerName)
        return connection


class Connection(base.Connection):
    """A worker that has logged in; ``mind`` is its :class:`buildmaster.net.msgpack.Peer`."""

    def __init__(self, master: Any, worker: Any, mind: Any) -> None:
        super().__init__(worker.workername, master.reactor)
        self.master = master
        self.worker = worker
        self.mind = mind
        self.info: dict[str, Any] | None = None
        self.builders: dict[str, Place] = {}
        self._commands: dict[str, Command] = {}
        self._own = 0  # commands of our own so far
        mind.on_request = self._requested
        mind.on_lost = self.notifyDisconnected

    # -- the link --------------------------------------------------------------------------------------------------

    def notifyDisconnected(self) -> None:
        """The connection is lost: tell everybody who asked, once."""
        super().notifyDisconnected()
        self.builders = {}
        for command in list(self._commands.values()):
            command.running.revoke()

    def loseConnection(self) -> defer.Deferred[None]:
        """End the connection at once: what waits to be sent to a worker that we give up is of no use."""
        if self.connected:
            self.mind.abort()
        return self.waitShutdown()

    def get_peer(self) -> str:
        """Address and port of the worker."""
        peer = self.mind.transport.getPeer()
        return f"{peer.host}:{peer.port}" if hasattr(peer, "port") else str(peer)

    def _pause_reading(self) -> None:
        self.mind.transport.pauseProducing()

    def _resume_reading(self) -> None:
        self.mind.transport.resumeProducing()

    def heard(self) -> None:
        """Something has come from the worker."""
        super().heard()
        self.worker.messageReceivedFromWorker()

    # -- what the worker asks --------------------------------------------------------------------------------------

    def _requested(self, op: str, message: dict[str, Any]) -> Any:
        self.heard()
        handler = _HANDLERS.get(op)
        if handler is None:
            raise WorkerMisbehaved(f"there is no request {op[:100]!r}")
        command = self._commands.get(str(message.get("command_id")))
        if command is not None:
            return handler(self, command, message)
        if op in ("update", "complete"):
            return None  # of a command that is over for us
        raise WorkerMisbehaved("the command that this belongs to is over")

    def _update(self, command: Command, message: dict[str, Any]) -> None:
        command.running.update(updates_of(message.get("args"), command.hidden))

    def _complete(self, command: Command, message: dict[str, Any]) -> None:
        command.running.complete(message.get("args"))

    def _write(self, command: Command, message: dict[str, Any]) -> Any:
        data = message.get("args")
        if isinstance(data, str):
            data = data.encode("utf-8")
        if not isinstance(data, bytes):
            raise WorkerMisbehaved(f"a file's data are bytes, not {type(data).__name__}")
        return command.use(command.writer, "remote_write", data)

    def _utime(self, command: Command, message: dict[str, Any]) -> Any:
        times = (message.get("access_time"), message.get("modified_time"))
        if times == (None, None):
            return None  # the worker could not read the file, which it tells next
        if not all(isinstance(time, int | float) for time in times):
            raise WorkerMisbehaved("a file's times are a pair of numbers")
        return command.use(command.writer, "remote_utime", times)

    def _unpack(self, command: Command, message: dict[str, Any]) -> Any:
        return command.use(command.writer, "remote_unpack")

    def _close_writer(self, command: Command, message: dict[str, Any]) -> Any:
        return command.use(command.writer, "remote_close")

    def _read(self, command: Command, message: dict[str, Any]) -> Any:
        length = message.get("length")
        if not isinstance(length, int) or isinstance(length, bool) or length < 0:
            raise WorkerMisbehaved("a length is a number")
        return command.use(command.reader, "remote_read", min(length, LARGEST_READ))

    def _close_reader(self, command: Command, message: dict[str, Any]) -> Any:
        return command.use(command.reader, "remote_close")

    # -- what the master asks --------------------------------------------------------------------------------------

    async def _ask(self, op: str, **fields: Any) -> Any:
        """Any answer, also an error, is a sign of life."""
        try:
            answer = await self.mind.ask(op, **fields)
        except ConnectionLost:
            self.notifyDisconnected()
            raise
        self.heard()
        return answer

    @deferred
    async def remote_sign_of_life(self) -> Any:
        """Ask something that leaves no trace on the worker."""
        return await self._ask("keepalive")

    @deferred
    async def remotePrint(self, message: str) -> Any:
        """Have a line written to the worker's log."""
        return await self._ask("print", message=message)

    @deferred
    async def remoteGetWorkerInfo(self) -> dict[str, Any]:
        """What the worker tells about itself; it is told how to send its output first."""
        await self._ask("set_worker_settings", args=SETTINGS)
        info = clean_info(self.name, await self._ask("get_worker_info"))
        if not isinstance(info.get("basedir"), str) or not isinstance(info.get("worker_commands"), dict):
            raise WorkerMisbehaved(f"worker {self.name} told neither its directory nor its commands")
        self.info = info
        return info

    @deferred
    async def remoteSetBuilderList(self, builders: Iterable[tuple[str, str]]) -> list[str]:
        """Make the directories of the builders; gives the names.

        A worker that was made with ``--delete-leftover-dirs`` loses the directories that are no builder's.
        """
        info = self.info if self.info is not None else await self.remoteGetWorkerInfo()
        wanted = {name: self._place(info, directory) for name, directory in builders}
        here = self._place(info, "")
        directories = {place.builddir for place in wanted.values()}
        if directories:
            await self._run(here, "mkdir", {"dir": sorted(directories)})
        if info.get("delete_leftover_dirs"):
            await self._delete_leftovers(here, directories | {"info"})
        self.builders = wanted
        return list(wanted)

    def _place(self, info: dict[str, Any], directory: str) -> Place:
        environ = info.get("environ") or {}
        home = environ.get("HOME") or environ.get("USERPROFILE")
        return Place(str(info.get("system")), info["basedir"], directory, home if isinstance(home, str) else None)

    async def _delete_leftovers(self, here: Place, keep: set[str]) -> None:
        first_parts = {here.paths.normpath(name).replace("\\", "/").split("/")[0] for name in keep}
        names = (await self._run(here, "listdir", {"dir": "."})).get("files") or []
        for name in sorted(name for name in names if isinstance(name, str) and name not in first_parts):
            status = (await self._run(here, "stat", {"file": name}, {0, 1, 2})).get("stat")
            if status and stat.S_ISDIR(int(status[0])):
                log.info("worker {name!r}: {dir} is no builder's any more: deleted", name=self.name, dir=name)
                await self._run(here, "rmdir", {"dir": name})

    async def _run(self, place: Place, name: str, args: dict[str, Any], codes: Iterable[Any] = (0,)) -> dict[str, Any]:
        """Run a command of our own to its end; gives what it has reported."""
        owner = OwnCommand()
        subscription = self.notifyOnDisconnect(owner.lost)
        self._own += 1
        try:
            await self._start(
                Command(RunningCommand(self, owner, "", f"own-{self._own}")),
                f"own-{self._own}",
                *translate(name, args, place),
            )
            await owner.done
        finally:
            subscription.unsubscribe()
        if owner.values.get("rc") not in codes:
            raise WorkerMisbehaved(f"worker {self.name} could not do {name} {args}: {owner.values}")
        return owner.values

    @deferred
    async def remoteStartBuild(self, builderName: str) -> None:
        """A build of this builder starts on the worker, which need not know it."""
        self._builder(builderName)

    @deferred
    async def remoteStartCommand(
        self, remoteCommand: Any, builderName: str, commandId: str, commandName: str, args: dict[str, Any]
    ) -> None:
        """Start a command; see :meth:`base.Connection.remoteStartCommand`."""
        place = self._builder(builderName)
        if commandId in self._commands:
            raise ValueError(f"command {commandId} runs already")
        command = Command(RunningCommand(self, remoteCommand, builderName, commandId))
        sent = {}
        for key, value in args.items():
            if _is_file(value, base.FileWriterImpl):
                command.writer = value
            elif _is_file(value, base.FileReaderImpl):
                command.reader = value
            else:
                sent[key] = value
        if "command" in sent:
            sent["command"] = command.hidden.taken_from(sent["command"])
        sent = {key: plain(key, value, lambda _: False) for key, value in sent.items()}
        await self._start(command, commandId, *translate(commandName, sent, place))

    async def _start(self, command: Command, command_id: str, name: str, args: dict[str, Any]) -> None:
        self._commands[command_id] = command
        command.running.on_end = lambda: self._commands.pop(command_id, None)
        try:
            await self._ask("start_command", command_id=command_id, command_name=name, args=args)
        except BaseException:
            command.running.over()
            raise

    @deferred
    async def remoteInterruptCommand(self, builderName: str, commandId: str, why: str) -> None:
        """Ask for the end of a running command."""
        await self._ask("interrupt_command", command_id=commandId, why=why)

    @deferred
    async def remoteShutdown(self) -> None:
        """Ask the worker process to end; its going away is the answer."""
        try:
            await self._ask("shutdown")
        except ConnectionLost:
            pass

    def _builder(self, name: str) -> Place:
        try:
            return self.builders[name]
        except KeyError:
            if not self.connected:
                raise ConnectionLost(f"the connection of worker {self.name} was lost") from None
            raise WorkerMisbehaved(f"worker {self.name} has not taken builder {name}") from None


def _is_file(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) or all(callable(getattr(value, name, None)) for name in kind.wire_methods)


_HANDLERS = {
    "update": Connection._update,
    "complete": Connection._complete,
    "update_upload_file_write": Connection._write,
    "update_upload_file_utime": Connection._utime,
    "update_upload_file_close": Connection._close_writer,
    "update_upload_directory_write": Connection._write,
    "update_upload_directory_unpack": Connection._unpack,
    "update_read_file": Connection._read,
    "update_read_file_close": Connection._close_reader,
}
