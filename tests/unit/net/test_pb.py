"""PB ports: who is let in, who shares a port, and what happens when one can't be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.internet import defer, endpoints
from twisted.spread import pb

from buildmaster.base.aio import as_deferred, sleep
from buildmaster.base.errors import ConfigErrors
from buildmaster.net import pb as ports
from buildmaster.net import pblogin
from buildmaster.net.pbclient import SendChangeFailed, send_change
from buildmaster.net.pbperspective import NewCredPerspective
from tests.support.real_reactor import reactor, run

ANY = "tcp:0:interface=127.0.0.1"


class Avatar(NewCredPerspective):
    """An avatar that tells its name and notes its end."""

    def __init__(self, name: str, gone: list[str]) -> None:
        self.name, self.gone = name, gone

    def perspective_name(self) -> str:
        return self.name

    def perspective_addChange(self, change: dict[str, Any]) -> None:
        self.change = change

    def detached(self, mind: Any) -> None:
        self.gone.append(self.name)


class Place:
    """A manager with a few names on one port."""

    def __init__(self) -> None:
        self.manager = ports.PBManager(reactor)
        self.gone: list[str] = []
        self.avatars: list[Avatar] = []
        self.clients: list[Any] = []
        self.transports: list[Any] = []

    def make(self, mind: Any, name: str) -> Avatar:
        if mind is not None:
            self.transports.append(mind.broker.transport)
        self.avatars.append(Avatar(name, self.gone))
        return self.avatars[-1]

    async def register(self, name: str, password: str = "pw", port: Any = ANY) -> ports.Registration:
        return await self.manager.register(port, name, password, self.make)

    async def login(self, port: int, name: str, password: str = "pw", client: Any = None) -> Any:
        factory = pb.PBClientFactory()
        factory.noisy = False
        self.clients.append(factory)
        await endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
        return await factory.login(UsernamePassword(name.encode(), password.encode()), client)


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    run(as_deferred(made.manager.startService()))
    yield made
    for factory in made.clients:
        factory.disconnect()
    run(as_deferred(made.manager.stopService()))


async def refusal(awaitable: Any) -> str:
    try:
        await awaitable
    except pb.RemoteError as e:
        return e.remoteType.decode()
    except pb.PBConnectionLost:
        return "lost"
    raise AssertionError("was let in")


def test_a_port_is_a_number_its_digits_or_a_strports_text() -> None:
    assert ports.normal_port(9989) == "tcp:9989"
    assert ports.normal_port("9989") == "tcp:9989"
    assert ports.normal_port("ssl:9989:privateKey=x") == "ssl:9989:privateKey=x"
    for wrong in ("", "somewhere", True, None):
        with pytest.raises(ConfigErrors):
            ports.normal_port(wrong)  # type: ignore[arg-type]


def test_a_port_takes_a_herd_unless_it_says_otherwise() -> None:
    assert ports.with_backlog("tcp:9989") == "tcp:9989:backlog=1024"
    assert ports.with_backlog("tcp:9989:backlog=5") == "tcp:9989:backlog=5"
    assert ports.with_backlog("systemd:domain=INET:index=0") == "systemd:domain=INET:index=0"


def test_two_names_share_a_port_and_get_their_own_avatars(place: Place) -> None:
    async def story() -> list[str]:
        one, two = await place.register("one"), await place.register("two", "other")
        assert one.getPort() == two.getPort()
        first = await place.login(one.getPort(), "one")
        second = await place.login(two.getPort(), "two", "other")
        return [await first.callRemote("name"), await second.callRemote("name")]

    assert run(story()) == ["one", "two"]


def test_unknown_names_and_wrong_passwords_are_refused_alike(place: Place) -> None:
    async def story() -> list[str]:
        port = (await place.register("one")).getPort()
        return [
            await refusal(place.login(port, "one", "no")),
            await refusal(place.login(port, "nobody", "pw")),
            await refusal(place.login(port, "one", "")),
        ]

    assert run(story()) == ["twisted.cred.error.UnauthorizedLogin"] * 3


def test_a_name_that_was_given_up_is_refused_and_who_is_in_stays(place: Place) -> None:
    async def story() -> None:
        registration, _ = await place.register("one"), await place.register("two")
        port = registration.getPort()
        avatar = await place.login(port, "one")
        await registration.unregister()
        await registration.unregister()
        assert await refusal(place.login(port, "one")) == "twisted.cred.error.UnauthorizedLogin"
        assert await avatar.callRemote("name") == "one"

    run(story())


def test_a_changed_password_counts_from_then_on(place: Place) -> None:
    async def story() -> None:
        registration = await place.register("one")
        registration.update("new", place.make)
        assert await refusal(place.login(registration.getPort(), "one")) == "twisted.cred.error.UnauthorizedLogin"
        await place.login(registration.getPort(), "one", "new")

    run(story())


def test_a_call_is_sent_at_once_and_a_host_that_vanished_is_noticed(place: Place) -> None:
    async def scenario() -> None:
        registration = await place.register("w1")
        await place.login(registration.getPort(), "w1", client=pb.Root())
        (transport,) = place.transports
        assert transport.getTcpNoDelay()
        assert transport.getTcpKeepAlive()

    run(scenario())


def test_the_avatar_hears_of_the_end_of_its_connection(place: Place) -> None:
    async def story() -> list[str]:
        port = (await place.register("one")).getPort()
        await place.login(port, "one")
        place.clients[0].disconnect()
        while not place.gone:
            await sleep(reactor, 0.01)
        return place.gone

    assert run(story()) == ["one"]


def test_a_name_can_be_had_once(place: Place) -> None:
    async def story() -> None:
        await place.register("one")
        with pytest.raises(ConfigErrors, match="two services want the user name 'one'"):
            await place.register("one")

    run(story())


def test_a_port_in_use_is_a_clear_error_and_nothing_is_kept(place: Place) -> None:
    async def story() -> None:
        taken = (await place.register("one")).getPort()
        with pytest.raises(ConfigErrors, match=r"can't be opened: .*in use"):
            await place.register("two", port=f"tcp:{taken}:interface=127.0.0.1")
        with pytest.raises(ConfigErrors, match="can't be opened"):
            await place.register("two", port="tcp:nowhere")
        assert list(place.manager._listeners) == [ANY]

    run(story())


def test_a_port_may_change_its_spelling(place: Place) -> None:
    async def story() -> None:
        old = await place.register("one")
        number = old.getPort()
        await old.unregister()
        new = await place.register("one", port=f"tcp:{number}:interface=127.0.0.1")
        assert new.getPort() == number
        await place.login(number, "one")

    run(story())


def test_a_port_that_nobody_uses_is_closed_after_a_while(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LINGER", 0.05)

    async def story() -> None:
        registration = await place.register("one")
        await registration.unregister()
        while place.manager._listeners:
            await sleep(reactor, 0.01)
        await place.manager.open(ANY)
        assert list(place.manager._listeners) == [ANY]
        while place.manager._listeners:
            await sleep(reactor, 0.01)

    run(story())


def test_logins_wait_while_the_gate_is_held(place: Place) -> None:
    async def story() -> None:
        release = place.manager.hold()
        port = (await place.register("one")).getPort()
        waiting = defer.Deferred.fromCoroutine(place.login(port, "one"))
        await sleep(reactor, 0.1)
        assert not waiting.called
        release()
        release()
        assert await (await waiting).callRemote("name") == "one"

    run(story())


def test_who_does_not_log_in_is_disconnected(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pblogin, "LOGIN_DEADLINE", 0.1)

    async def story() -> None:
        port = (await place.register("one")).getPort()
        avatar = await place.login(port, "one")
        factory = pb.PBClientFactory()
        broker = await endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
        gone: defer.Deferred[None] = defer.Deferred()
        broker.notifyOnDisconnect(lambda: gone.callback(None))
        await gone
        assert await avatar.callRemote("name") == "one"

    run(story())


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (pblogin.Refused("no"), "buildmaster.net.pblogin.Refused"),
        (pblogin.GoAway("later"), "lost"),
        (OSError(), "lost"),
    ],
)
def test_an_avatar_that_can_not_be_made_is_an_answer_or_a_closed_connection(
    place: Place, error: Exception, answer: str
) -> None:
    def make(mind: Any, name: str) -> Any:
        raise error

    async def story() -> str:
        registration = await place.manager.register(ANY, "one", "pw", make)
        return await refusal(place.login(registration.getPort(), "one", client=pb.Referenceable()))

    assert run(story()) == answer


def test_a_change_is_sent(place: Place) -> None:
    async def story() -> dict[str, Any]:
        port = (await place.register("change", "changepw")).getPort()
        await send_change("127.0.0.1", port, "change", "changepw", {"who": "me", "codebase": None}, reactor)
        return place.avatars[0].change

    assert run(story()) == {"who": "me"}


def test_a_change_that_is_not_taken_is_told_in_words(place: Place) -> None:
    async def attempt(port: int, password: str, change: dict[str, Any]) -> str:
        try:
            await send_change("127.0.0.1", port, "change", password, change, reactor)
        except SendChangeFailed as e:
            return str(e)
        raise AssertionError("it was taken")

    async def story() -> None:
        registration = await place.register("change", "changepw")
        port = registration.getPort()
        assert "unknown user or wrong password" in await attempt(port, "no", {})
        assert "longer than the 640 KiB" in await attempt(port, "changepw", {"comments": "x" * 700_000})
        registration.update("changepw", lambda mind, name: pb.Avatar())
        assert "refused the change" in await attempt(port, "changepw", {"who": "me"})
        await place.manager.stopService()
        assert "no connection to" in await attempt(port, "changepw", {})

    run(story())
