"""The MessagePack port: who is let in, and what happens to those who do not follow the protocol."""

from __future__ import annotations

import base64
from typing import Any

import msgpack
import pytest
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import defer, endpoints
from twisted.internet.error import ConnectionLost

from buildmaster.base.aio import as_deferred
from buildmaster.net.msgpack import LARGEST, REFUSED, RemoteError
from buildmaster.net.msgpack_port import MsgManager
from buildmaster.net.pblogin import GoAway, Refused
from tests.support import real_reactor

ANY = "tcp:0:interface=127.0.0.1"


class Client(WebSocketClientProtocol):
    """A worker that says what it is told to say."""

    def onOpen(self) -> None:
        self.factory.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.factory.came.put(msgpack.unpackb(payload))

    def onClose(self, wasClean: bool, code: Any, reason: Any) -> None:
        self.factory.closed.callback((code, str(reason)))

    def say(self, **message: Any) -> None:
        self.sendMessage(msgpack.packb(message), isBinary=True)


class Port:
    """A port on which ``w`` is known, and what came of those who logged in."""

    def __init__(self) -> None:
        self.manager = MsgManager(real_reactor.reactor)
        self.peers: list[Any] = []
        self.refusal: Exception | None = None
        self.registration: Any = None

    async def _login(self, mind: Any, name: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.peers.append(mind)

    async def open(self) -> None:
        await as_deferred(self.manager.startService())
        self.registration = await self.manager.register(ANY, "w", "p:w", self._login)

    async def dial(self, credentials: str = "w:p:w", header: str | None = None) -> Any:
        factory: Any = WebSocketClientFactory(reactor=real_reactor.reactor)
        factory.protocol, factory.noisy = Client, False
        factory.opened, factory.closed, factory.came = defer.Deferred(), defer.Deferred(), defer.DeferredQueue()
        factory.headers = {"Authorization": header or "Basic " + base64.b64encode(credentials.encode()).decode()}
        number = self.registration.getPort()
        await endpoints.TCP4ClientEndpoint(real_reactor.reactor, "127.0.0.1", number).connect(factory)
        return factory


def run(story: Any) -> Any:
    place = Port()

    async def whole() -> Any:
        await place.open()
        try:
            return await story(place)
        finally:
            for peer in place.peers:
                peer.abort()
            await as_deferred(place.manager.stopService())

    return real_reactor.run(whole(), 20)


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ("w:wrong", None),
        ("nobody:p:w", None),
        ("", None),
        ("w", None),
        ("", "Bearer x"),
        ("", "Basic ???"),
        ("", "Digest dzpwOnc="),
    ],
)
def test_nobody_comes_in_without_a_known_name_and_its_password(credentials: str, header: str | None) -> None:
    async def story(place: Port) -> Any:
        client = await place.dial(credentials, header)
        code, reason = await client.closed
        assert place.peers == []
        return code, "401" in reason

    assert run(story) == (1006, True)


def test_requests_and_answers_find_each_other() -> None:
    async def story(place: Port) -> None:
        factory = await place.dial()
        client = await factory.opened
        [peer] = place.peers
        first, second, third = peer.ask("one", x=b"\xff"), peer.ask("two"), peer.ask("three")
        asked = [await factory.came.get() for _ in range(3)]
        assert [(each["op"], each["seq_number"]) for each in asked] == [("one", 0), ("two", 1), ("three", 2)]
        assert asked[0]["x"] == b"\xff"
        client.say(op="response", seq_number=1, result="b")
        client.say(op="response", seq_number=99, result="nobody's")
        client.say(op="response", seq_number=0, result="oh no", is_exception=True)
        assert await second == "b"
        with pytest.raises(RemoteError, match="oh no"):
            await first
        with pytest.raises(TypeError):
            await peer.ask("four", x=object())
        peer.on_request = lambda op, message: defer.succeed([op, message["a"]])
        client.say(op="anything", seq_number=5, a=7)
        answer = {"op": "response", "seq_number": 5, "result": ["anything", 7]}
        assert await factory.came.get() == answer
        peer.on_request = lambda op, message: 1 / 0
        client.say(op="anything", seq_number=6)
        answer = {
            "op": "response",
            "seq_number": 6,
            "result": "ZeroDivisionError: division by zero",
            "is_exception": True,
        }
        assert await factory.came.get() == answer
        lost: list[str] = []
        peer.on_lost = lambda: lost.append("told")
        client.transport.abortConnection()
        with pytest.raises(ConnectionLost):
            await third
        assert lost == ["told"]
        with pytest.raises(ConnectionLost):
            await peer.ask("five")

    run(story)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xc1",
        msgpack.packb(7),
        msgpack.packb([1]),
        msgpack.packb({"op": "x"}),
        msgpack.packb({"op": 5, "seq_number": 1}),
        msgpack.packb({"op": "x", "seq_number": True}),
        msgpack.packb({"op": "x", "seq_number": 1, 7: 8}),
        b"\x91" * 100_000,
        b"\x00" * (LARGEST + 1),
    ],
    ids=range(10),
)
def test_what_is_no_message_ends_the_connection(said: bytes) -> None:
    async def story(place: Port) -> None:
        factory = await place.dial()
        client = await factory.opened
        client.sendMessage(said, isBinary=True)
        await factory.closed

    run(story)


@pytest.mark.parametrize(
    ("refusal", "code"), [(Refused("there is one"), REFUSED), (GoAway("later"), 1006), (OSError("disk"), 1006)]
)
def test_who_is_not_wanted_now_is_told_or_sent_away(refusal: Exception, code: int) -> None:
    async def story(place: Port) -> Any:
        place.refusal = refusal
        factory = await place.dial()
        return await factory.closed

    told, reason = run(story)
    assert told == code
    assert (reason == "there is one") is (code == REFUSED)


def test_logins_wait_while_a_configuration_is_made_live() -> None:
    async def story(place: Port) -> None:
        release = place.manager.hold()
        factory = await place.dial()
        other = await place.dial("w:wrong")
        assert not factory.opened.called
        release()
        await factory.opened
        assert "401" in (await other.closed)[1]

    run(story)
