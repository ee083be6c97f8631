"""What the master may expect of a connected worker: the real buildbot-worker over both wires, and the scripted one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.error import ConnectionLost

from tests.support.connections import MsgpackHost, PbHost, ScriptedHost, worker_program

HOSTS = {"pb": PbHost, "msgpack": MsgpackHost, "scripted": ScriptedHost}


@pytest.fixture(params=list(HOSTS))
def host(request: pytest.FixtureRequest, tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Any]:
    """A master's end without a worker yet."""
    if request.param != "scripted" and worker_program() is None:
        tool("buildbot-worker")
    here = HOSTS[request.param](tmp_path)
    yield here
    here.run(here.close())


class Watcher:
    """The owner of a command: keeps all that comes."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, Any]] = []
        self.completions: list[Any] = []
        self.done: defer.Deferred[None] = defer.Deferred()

    def remote_update(self, updates: Any) -> None:
        for update, _ in updates:
            self.updates.extend(update.items())

    def remote_complete(self, failure: Any = None) -> None:
        self.completions.append(failure)
        self.done.callback(None)

    def text(self, key: str = "stdout") -> str:
        return "".join(value for name, value in self.updates if name == key)

    def values(self, key: str) -> list[Any]:
        return [value for name, value in self.updates if name == key]


def shell(*command: str) -> dict[str, Any]:
    return {"command": list(command), "workdir": ".", "logEnviron": False, "timeout": 60}


async def run_shell(conn: Any, *command: str, id: str = "1") -> Watcher:
    watcher = Watcher()
    await conn.remoteStartCommand(watcher, "b", id, "shell", shell(*command))
    await watcher.done
    return watcher


class Writer:
    """A writer as steps give it: a plain object."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = 0

    def remote_write(self, data: bytes) -> None:
        self.data += data

    def remote_close(self) -> None:
        self.closed += 1


class Reader:
    """A reader as steps give it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = 0

    def remote_read(self, length: int) -> bytes:
        part, self.data = self.data[:length], self.data[length:]
        return part

    def remote_close(self) -> None:
        self.closed += 1


def test_a_worker_tells_what_it_is(host: Any) -> None:
    async def story() -> dict[str, Any]:
        return await (await host.connect()).remoteGetWorkerInfo()

    info = host.run(story())
    assert info["system"] == "posix"
    assert isinstance(info["version"], str)
    assert isinstance(info["basedir"], str)
    assert isinstance(info["worker_commands"]["shell"], str)
    assert isinstance(info["environ"], dict)


def test_a_builder_list_replaces_the_one_before(host: Any) -> None:
    async def story() -> list[list[str]]:
        conn = await host.connect()
        first = await conn.remoteSetBuilderList([("b", "dir"), ("c", "dir2")])
        second = await conn.remoteSetBuilderList([("c", "dir2")])
        return [sorted(first), second]

    assert host.run(story()) == [["b", "c"], ["c"]]


def test_a_command_reports_its_output_and_its_exit_code_and_completes_once(host: Any) -> None:
    async def story() -> Watcher:
        conn = await host.connect()
        await conn.remoteStartBuild("b")
        return await run_shell(conn, "echo", "hello")

    watcher = host.run(story())
    assert watcher.text() == "hello\n"
    assert watcher.values("rc") == [0]
    assert watcher.completions == [None]


def test_a_failing_command_tells_its_exit_code(host: Any) -> None:
    async def story() -> Watcher:
        return await run_shell(await host.connect(), "false")

    watcher = host.run(story())
    assert watcher.values("rc") == [1]
    assert watcher.completions == [None]


def test_an_interrupted_command_completes(host: Any) -> None:
    async def story() -> Watcher:
        conn = await host.connect()
        watcher = Watcher()
        await conn.remoteStartCommand(watcher, "b", "7", "shell", shell("sleep", "1000"))
        await conn.remoteInterruptCommand("b", "7", "enough")
        await watcher.done
        return watcher

    watcher = host.run(story())
    assert watcher.values("rc") == [-1]
    assert watcher.completions == [None]


def test_an_unknown_command_is_refused_and_never_completes(host: Any) -> None:
    async def story() -> Watcher:
        conn = await host.connect()
        watcher = Watcher()
        with pytest.raises(Exception, match="unrecognized"):
            await conn.remoteStartCommand(watcher, "b", "1", "no-such-command", {})
        await conn.remotePrint("still here")
        return watcher

    assert host.run(story()).completions == []


def test_a_command_for_an_unknown_builder_is_refused(host: Any) -> None:
    async def story() -> None:
        conn = await host.connect()
        with pytest.raises(Exception, match="builder"):
            await conn.remoteStartCommand(Watcher(), "nobody", "1", "shell", shell("echo", "x"))
        assert (await run_shell(conn, "echo", "x")).values("rc") == [0]

    host.run(story())


def test_an_uploaded_file_reaches_the_writer(host: Any) -> None:
    async def story() -> tuple[Writer, Watcher]:
        conn = await host.connect()
        host.builder_file("f").write_bytes(b"\0\xff" * 1000)
        writer, watcher = Writer(), Watcher()
        args = {"workdir": ".", "workersrc": "f", "writer": writer, "maxsize": None, "blocksize": 256, "keepstamp": 0}
        await conn.remoteStartCommand(watcher, "b", "1", "uploadFile", args)
        await watcher.done
        return writer, watcher

    writer, watcher = host.run(story())
    assert writer.data == b"\0\xff" * 1000
    assert writer.closed == 1
    assert watcher.values("rc") == [0]


def test_a_downloaded_file_is_read_from_the_reader(host: Any) -> None:
    async def story() -> Reader:
        conn = await host.connect()
        reader, watcher = Reader(b"\0\xfe" * 1000), Watcher()
        args = {"workdir": ".", "workerdest": "g", "reader": reader, "maxsize": None, "blocksize": 300, "mode": None}
        await conn.remoteStartCommand(watcher, "b", "1", "downloadFile", args)
        await watcher.done
        assert watcher.values("rc") == [0]
        return reader

    reader = host.run(story())
    assert reader.closed == 1
    assert host.builder_file("g").read_bytes() == b"\0\xfe" * 1000


def broken(file: Any, method: str, later: bool) -> Any:
    """A file one of whose methods fails, at once or later."""

    def fail(*_: Any) -> Any:
        full = OSError(28, "No space left on device")
        if later:
            return defer.fail(full)
        raise full

    setattr(file, method, fail)
    return file


def test_a_file_that_fails_on_the_master_ends_its_command_and_no_other(host: Any) -> None:
    """The real worker never completes a command whose file has raised."""

    async def story() -> list[Any]:
        conn = await host.connect()
        host.builder_file("f").write_bytes(b"x")
        failures = []
        ways = [(method, later) for method in ("write", "read", "close") for later in (False, True)]
        for number, (method, later) in enumerate(ways):
            watcher = Watcher()
            args = {"workdir": ".", "maxsize": None, "blocksize": 256, "mode": None, "keepstamp": 0}
            if method == "read":
                args |= {"workerdest": "g", "reader": broken(Reader(b"x"), "remote_read", later)}
            else:
                args |= {"workersrc": "f", "writer": broken(Writer(), f"remote_{method}", later)}
            name = "downloadFile" if method == "read" else "uploadFile"
            await conn.remoteStartCommand(watcher, "b", str(number), name, args)
            await watcher.done
            failures += [failure.value.strerror for failure in watcher.completions]
            assert (await run_shell(conn, "echo", "x", id=f"{number} echo")).values("rc") == [0]
        return failures

    assert host.run(story()) == ["No space left on device"] * 6


def test_a_throttled_worker_is_not_heard_and_nothing_is_lost(host: Any) -> None:
    async def story() -> tuple[str, str]:
        conn = await host.connect()
        watcher = Watcher()
        started = conn.remoteStartCommand(watcher, "b", "1", "shell", shell("seq", "2000"))
        conn.throttle("a")
        conn.throttle("b")
        conn.unthrottle("a")
        await host.later(0.5)
        before = watcher.text()
        assert conn.throttled
        conn.unthrottle("b")
        await started
        await watcher.done
        return before, watcher.text()

    assert host.run(story()) == ("", "".join(f"{n}\n" for n in range(1, 2001)))


def test_a_throttled_worker_is_not_taken_for_dead(host: Any) -> None:
    async def story() -> bool:
        conn = await host.connect()
        conn.throttle("a")
        alive = conn.is_alive(0.2)
        await host.later(1)
        assert not alive.called
        conn.unthrottle("a")
        return await alive

    assert host.run(story()) is True


def test_a_lost_connection_is_told_once_to_everybody_who_asked(host: Any) -> None:
    async def story() -> list[str]:
        conn = await host.connect()
        told: list[str] = []
        conn.notifyOnDisconnect(lambda: told.append("first"))
        withdrawn = conn.notifyOnDisconnect(lambda: told.append("withdrawn"))
        conn.notifyOnDisconnect(lambda: told.append("second"))
        withdrawn.unsubscribe()
        started, over = conn.wait_shutdown_started(), conn.waitShutdown()
        conn.loseConnection()
        await over
        assert started.called
        assert not conn.connected
        conn.notifyDisconnected()
        return told

    assert host.run(story()) == ["first", "second"]


def test_who_waits_for_an_answer_of_a_lost_worker_is_told(host: Any) -> None:
    async def story() -> None:
        conn = await host.connect()
        watcher = Watcher()
        await conn.remoteStartCommand(watcher, "b", "1", "shell", shell("sleep", "1000"))
        conn.throttle("a")
        waiting = conn.remotePrint("x")
        told: list[str] = []
        conn.notifyOnDisconnect(lambda: told.append("subscriber"))
        waiting.addErrback(lambda why: (told.append("caller"), why)[1])
        conn.loseConnection()
        with pytest.raises(ConnectionLost):
            await waiting
        assert told == ["subscriber", "caller"]
        with pytest.raises(ConnectionLost):
            await conn.remotePrint("y")
        with pytest.raises(ConnectionLost):
            await conn.remoteStartCommand(watcher, "b", "2", "shell", shell("echo", "x"))
        assert watcher.completions == []  # the owner hears of it from the connection
        assert await conn.is_alive(1) is False

    host.run(story())


def test_a_worker_that_is_shut_down_goes_away(host: Any) -> None:
    async def story() -> None:
        conn = await host.connect()
        gone = conn.waitShutdown()
        await conn.remoteShutdown()
        await gone
        assert not conn.connected

    host.run(story())


def test_a_worker_lives_and_has_an_address(host: Any) -> None:
    async def story() -> None:
        conn = await host.connect()
        assert await conn.is_alive(10) is True
        assert conn.get_peer()

    host.run(story())
