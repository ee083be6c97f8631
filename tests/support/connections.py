"""Connected workers for the contract of connections: the real buildbot-worker over both wires, and the scripted one.

All hosts offer the same: ``run(coroutine)``, and ``connect()``, which gives a connection whose worker has taken the
builder ``b`` (directory ``dir``).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.task import Clock

from buildmaster.base.aio import as_deferred, sleep
from buildmaster.net.msgpack_port import MsgManager
from buildmaster.net.pb import PBManager
from buildmaster.net.processes import SupervisedProcess
from buildmaster.testing.worker import Command, ScriptedWorker
from buildmaster.worker.local import make_directory
from buildmaster.worker.protocols import msgpack, pb
from tests.support import real_reactor


def worker_program() -> str | None:
    """The real worker's program, if it is there."""
    beside = Path(sys.executable).parent / "buildbot-worker"
    return str(beside) if beside.exists() else shutil.which("buildbot-worker")


def speak(directory: str, protocol: str) -> None:
    """Have a worker that has its directory speak this protocol."""
    tac = Path(directory, "buildbot.tac")
    tac.write_text(tac.read_text().replace("protocol = 'pb'", f"protocol = {protocol!r}"))


class Door:
    """As much of a worker manager as a connection needs: lets everybody in and keeps the connections."""

    keepalive_interval = 3600.0

    def __init__(self) -> None:
        self.connections: list[Any] = []
        self.workername = "w"
        self.shutdowns = 0
        self.waiting: list[defer.Deferred[Any]] = []

    def getWorkerByName(self, name: str) -> Any:
        return self if name == self.workername else None

    def newConnection(self, conn: Any, name: str) -> Any:
        self.connections.append(conn)
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            conn._clock.callLater(0, each.callback, conn)
        return defer.succeed(None)

    def next_connection(self) -> defer.Deferred[Any]:
        d: defer.Deferred[Any] = defer.Deferred()
        self.waiting.append(d)
        return d

    def messageReceivedFromWorker(self) -> None:
        pass

    def shutdownRequested(self) -> None:
        self.shutdowns += 1


class SmallMaster:
    """What a connection asks of its master."""

    has_started = True

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.workers = Door()
        self.pbmanager = PBManager(reactor)
        self.msgmanager = MsgManager(reactor)


class PbHost:
    """The real worker as a child process, over a real port."""

    protocol = "pb"
    listener: Any = pb.Listener

    def __init__(self, basedir: Path) -> None:
        self.basedir = basedir
        self.master = SmallMaster(real_reactor.reactor)
        self.clock = real_reactor.reactor
        self.process: SupervisedProcess | None = None

    def run(self, coroutine: Any) -> Any:
        return real_reactor.run(coroutine, 60)

    async def connect(self) -> Any:
        listener = self.listener(self.master)
        await as_deferred(listener.get_manager().startService())
        registration = await listener.updateRegistration("w", "pw", "tcp:0:interface=127.0.0.1")
        program = worker_program()
        assert program is not None
        directory = str(self.basedir / "worker")
        make_directory(program, directory, registration.getPort(), "w", "pw")
        speak(directory, self.protocol)
        arriving = self.master.workers.next_connection()
        self.process = SupervisedProcess(
            self.clock, "worker", [program, "start", "--nodaemon", directory], on_line=lambda line: None
        )
        self.process.start()
        conn = await arriving
        assert await conn.remoteSetBuilderList([("b", "dir")]) == ["b"]
        return conn

    async def close(self) -> None:
        if self.process is not None:
            await self.process.stop()
        await as_deferred(self.listener(self.master).get_manager().stopService())

    def builder_file(self, name: str) -> Path:
        """Where a file of the builder's directory lies."""
        return self.basedir / "worker" / "dir" / name

    async def later(self, seconds: float) -> None:
        await sleep(self.clock, seconds)


class MsgpackHost(PbHost):
    """The real worker, over a real port, in the other protocol."""

    protocol = msgpack.PROTOCOL
    listener = msgpack.Listener


class ScriptedHost:
    """The scripted worker on a clock that moves when everybody waits."""

    def __init__(self, basedir: Path) -> None:
        self.basedir = basedir
        self.clock = Clock()
        self.master = SmallMaster(self.clock)
        self.worker: ScriptedWorker | None = None

    def run(self, coroutine: Any) -> Any:
        result: list[Any] = []
        d = as_deferred(coroutine)
        d.addBoth(result.append)
        for _ in range(100_000):
            if result:
                break
            calls = self.clock.getDelayedCalls()
            assert calls, "everybody waits for ever"
            self.clock.advance(max(0.0, min(call.getTime() for call in calls) - self.clock.seconds()))
        if hasattr(result[0], "raiseException"):
            result[0].raiseException()
        return result[0]

    async def connect(self) -> Any:
        self.worker = ScriptedWorker(self.master, "w", self.script)
        await self.worker.connect()
        conn = self.worker.conn
        assert await conn.remoteSetBuilderList([("b", "dir")]) == ["b"]
        return conn

    async def close(self) -> None:
        pass

    def builder_file(self, name: str) -> Path:
        path = self.basedir / "dir" / name
        path.parent.mkdir(exist_ok=True)
        return path

    async def later(self, seconds: float) -> None:
        await sleep(self.clock, seconds)

    async def script(self, command: Command) -> None:
        """The few commands of the contract, as the real worker does them."""
        if command.name == "shell":
            await self._shell(command, command.args["command"])
        elif command.name == "uploadFile":
            await command.write(self.builder_file(command.args["workersrc"]).read_bytes())
            await command.call("remote_close")
            command.rc(0)
        elif command.name == "downloadFile":
            parts = []
            while data := await command.read(command.args["blocksize"]):
                parts.append(data)
            await command.call("remote_close", target="reader")
            self.builder_file(command.args["workerdest"]).write_bytes(b"".join(parts))
            command.rc(0)

    async def _shell(self, command: Command, argv: list[str]) -> None:
        program, *rest = argv
        if program == "echo":
            command.out(rest[0] + "\n")
            command.rc(0)
        elif program == "sleep":
            await command.sleep(float(rest[0]))
            command.rc(0)
        elif program == "false":
            command.rc(1)
        elif program == "seq":
            command.out("".join(f"{n}\n" for n in range(1, int(rest[0]) + 1)))
            command.rc(0)
