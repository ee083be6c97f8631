"""Workers over PB that are old, or that lie: the connection holds its side of the contract all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.internet import defer, endpoints
from twisted.python.failure import Failure
from twisted.spread import pb

from buildmaster.base.aio import as_deferred, sleep
from buildmaster.worker.protocols.pb import Listener
from buildmaster.worker.protocols.updates import WorkerMisbehaved
from tests.support.connections import SmallMaster
from tests.support.real_reactor import reactor, run


class OldBuilder(pb.Referenceable):
    """A builder's end on the worker that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.command: Any = None

    def remote_startBuild(self) -> None:
        self.told.append(("startBuild",))

    def remote_startCommand(self, command: Any, id: str, name: str, args: dict[str, Any]) -> None:
        self.command = command
        self.args = args
        self.told.append(("startCommand", id, name))

    def remote_interruptCommand(self, id: str, why: str) -> None:
        self.told.append(("interruptCommand", id))

    def remote_shutdown(self) -> None:
        self.told.append(("shutdown",))


class OldBot(pb.Referenceable):
    """A worker of the 0.8 era."""

    def __init__(self) -> None:
        self.builder = OldBuilder()

    def remote_print(self, message: str) -> None:
        pass

    def remote_getSlaveInfo(self) -> dict[str, Any]:
        return {"admin": b"me", "host": "h", "environ": {}, "system": "posix", "basedir": "/b"}

    def remote_getCommands(self) -> dict[str, str]:
        return {"shell": "2.1"}

    def remote_getVersion(self) -> str:
        return "0.8.12"

    def remote_setBuilderList(self, builders: list[tuple[str, str]]) -> Any:
        return {name: self.builder for name, _ in builders}


class AncientBot(pb.Referenceable):
    """A worker that knows next to nothing."""

    def remote_getCommands(self) -> dict[str, str]:
        return {}


class Liar(pb.Referenceable):
    """A worker whose answers are none."""

    answer: Any = ["nonsense"]

    def remote_print(self, message: str) -> None:
        raise ValueError("I don't print")

    def remote_getWorkerInfo(self) -> Any:
        return self.answer

    def remote_setBuilderList(self, builders: Any) -> Any:
        return self.answer

    def remote_getVersion(self) -> Any:
        return self.answer


class Place:
    """A master's door and a worker that comes through it."""

    def __init__(self) -> None:
        self.master = SmallMaster(reactor)
        self.factory: Any = pb.PBClientFactory()
        self.factory.noisy = False

    async def connect(self, bot: pb.Referenceable) -> Any:
        await as_deferred(self.master.pbmanager.startService())
        registration = await Listener(self.master).updateRegistration("w", "pw", "tcp:0:interface=127.0.0.1")
        arriving = self.master.workers.next_connection()
        await endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", registration.getPort()).connect(self.factory)
        self.avatar = await self.factory.login(UsernamePassword(b"w", b"pw"), bot)
        return await arriving


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.factory.disconnect()
    run(as_deferred(made.master.pbmanager.stopService()))


def test_a_worker_without_a_password_has_no_login(place: Place) -> None:
    async def tried() -> list[Any]:
        await as_deferred(place.master.pbmanager.startService())
        listener, port = Listener(place.master), "tcp:0:interface=127.0.0.1"
        first = await listener.updateRegistration("w", None, port)
        second = await listener.updateRegistration("w", "pw", port)
        return [first, second is None, await listener.updateRegistration("w", None, port)]

    assert run(as_deferred(tried())) == [None, False, None]


class Owner:
    """The owner of a command."""

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.completions: list[Any] = []
        self.error: Exception | None = None
        self.done: defer.Deferred[None] = defer.Deferred()

    def remote_update(self, updates: Any) -> None:
        if self.error is not None:
            raise self.error
        self.updates += updates

    def remote_complete(self, failure: Any = None) -> None:
        self.completions.append(failure)
        self.done.callback(None)


class Writer:
    def __init__(self) -> None:
        self.data = b""

    def remote_write(self, data: bytes) -> None:
        self.data += data

    def remote_utime(self, times: tuple[float, float]) -> None:
        self.times = times

    def remote_close(self) -> None:
        pass


class Reader:
    def remote_read(self, length: int) -> bytes:
        self.length = length
        return b"x"

    def remote_close(self) -> None:
        pass


def test_an_old_worker_is_asked_in_its_own_words(place: Place) -> None:
    async def story() -> None:
        bot = OldBot()
        conn = await place.connect(bot)
        info = await conn.remoteGetWorkerInfo()
        assert info["admin"] == "me"
        assert info["version"] == "0.8.12"
        assert info["worker_commands"] == {"shell": "2.1"}
        assert await conn.remoteSetBuilderList([("b", "d")]) == ["b"]
        await conn.remoteShutdown()
        assert bot.builder.told == [("shutdown",)]
        assert await conn.is_alive(10)

    run(story())


def test_a_worker_that_knows_nothing_is_taken_as_it_is(place: Place) -> None:
    async def story() -> None:
        conn = await place.connect(AncientBot())
        assert await conn.remoteGetWorkerInfo() == {"worker_commands": {}, "version": None}
        assert await conn.is_alive(10)  # that it does not know the question is an answer
        await conn.remoteShutdown()

    run(story())


@pytest.mark.parametrize("answer", [["x"], "x", 5, None, {"worker_commands": 3}])
def test_info_that_is_none_is_refused(place: Place, answer: Any) -> None:
    async def story() -> None:
        bot = Liar()
        bot.answer = answer
        conn = await place.connect(bot)
        with pytest.raises(WorkerMisbehaved):
            await conn.remoteGetWorkerInfo()

    run(story())


@pytest.mark.parametrize("answer", [["b"], None, {"b": "no reference"}])
def test_a_builder_list_answered_with_nonsense_is_refused(place: Place, answer: Any) -> None:
    async def story() -> None:
        bot = Liar()
        bot.answer = answer
        conn = await place.connect(bot)
        with pytest.raises(WorkerMisbehaved):
            await conn.remoteSetBuilderList([("b", "d")])
        assert conn.connected

    run(story())


def test_builders_that_were_not_asked_for_are_left_out(place: Place) -> None:
    async def story() -> None:
        bot = Liar()
        bot.answer = {b"b": OldBuilder(), "c": OldBuilder()}
        conn = await place.connect(bot)
        assert await conn.remoteSetBuilderList([("b", "d")]) == ["b"]

    run(story())


async def started(place: Place, **args: Any) -> tuple[Any, OldBuilder, Owner]:
    bot, owner = OldBot(), Owner()
    conn = await place.connect(bot)
    await conn.remoteSetBuilderList([("b", "d")])
    await conn.remoteStartCommand(owner, "b", "1", "shell", args)
    return conn, bot.builder, owner


def test_a_lie_ends_the_command_with_its_name_and_the_worker_is_told(place: Place) -> None:
    async def story() -> None:
        conn, builder, owner = await started(place)
        await builder.command.callRemote("update", [[{"stdout": "fine"}, 0]])
        await builder.command.callRemote("update", [[{"stdout": 5}, 0]])
        await builder.command.callRemote("update", [[{"stdout": "late"}, 0]])
        await builder.command.callRemote("complete", None)
        assert owner.updates == [[{"stdout": "fine"}, 0]]
        [failure] = owner.completions
        assert failure.check(WorkerMisbehaved)
        assert "worker w broke the protocol in command 1 of b: the update 'stdout' is a int" in str(failure.value)
        await conn.remotePrint("still here")
        assert ("interruptCommand", "1") in builder.told

    run(story())


def test_a_failure_is_passed_on(place: Place) -> None:
    async def story() -> list[Any]:
        _, builder, owner = await started(place)
        await builder.command.callRemote("complete", pb.CopyableFailure(ValueError("broken pipe")))
        _, _ = await owner.done, None
        return owner.completions

    [failure] = run(story())
    assert isinstance(failure, Failure)
    assert "broken pipe" in failure.getErrorMessage()


def test_an_owner_that_raises_ends_its_command_only(place: Place) -> None:
    async def story() -> None:
        conn, builder, owner = await started(place)
        owner.error = KeyError("a mistake of ours")
        await builder.command.callRemote("update", [[{"stdout": "x"}, 0]])
        [failure] = owner.completions
        assert failure.check(KeyError)
        await conn.remotePrint("still here")

    run(story())


def test_a_writer_takes_bytes_and_times_and_nothing_after_the_end(place: Place) -> None:
    async def story() -> None:
        writer = Writer()
        _, builder, _ = await started(place, writer=writer)
        ref = builder.args["writer"]
        await ref.callRemote("write", b"abc")
        await ref.callRemote("write", "dé")
        await ref.callRemote("utime", (1, 2.5))
        for method, argument in (("write", 5), ("utime", "never"), ("utime", (1,)), ("unlink", "/etc/passwd")):
            with pytest.raises(pb.RemoteError):
                await ref.callRemote(method, argument)
        await builder.command.callRemote("complete", None)
        with pytest.raises(pb.RemoteError, match="is over"):
            await ref.callRemote("write", b"late")
        assert writer.data == b"abcd\xc3\xa9"
        assert writer.times == (1.0, 2.5)

    run(story())


def test_a_reader_gives_no_more_than_the_wire_carries(place: Place) -> None:
    async def story() -> None:
        reader = Reader()
        _, builder, _ = await started(place, reader=reader)
        ref = builder.args["reader"]
        assert await ref.callRemote("read", 10**9) == b"x"
        assert reader.length == 640 * 1024
        for length in (-1, "all", None):
            with pytest.raises(pb.RemoteError):
                await ref.callRemote("read", length)

    run(story())


def test_what_the_wire_can_not_carry_is_an_error_of_that_command(place: Place) -> None:
    async def story() -> None:
        conn, _, _ = await started(place)
        for args in ({"initial_stdin": "x" * 700_000}, {"command": object()}):
            with pytest.raises(Exception, match=r"too long|holds a object"):
                await conn.remoteStartCommand(Owner(), "b", "2", "shell", args)
        await conn.remotePrint("still here")

    run(story())


def test_a_graceful_shutdown_and_signs_of_life_reach_the_worker_object(place: Place) -> None:
    async def story() -> None:
        conn = await place.connect(OldBot())
        conn.last_heard = 0
        await place.avatar.callRemote("keepalive")
        assert conn.last_heard > 0
        await place.avatar.callRemote("shutdown")
        assert place.master.workers.shutdowns == 1

    run(story())


def test_a_worker_that_leaves_is_noticed(place: Place) -> None:
    async def story() -> None:
        conn = await place.connect(OldBot())
        gone = conn.waitShutdown()
        place.factory.disconnect()
        await gone
        await sleep(reactor, 0)
        assert not conn.connected

    run(story())
