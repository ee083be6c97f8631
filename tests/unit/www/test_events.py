"""Events by server-sent events and by WebSocket: what comes, what is resumed, and what a slow client gets."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any

import pytest

from buildmaster.www.sse import KEEPALIVE_SECONDS
from tests.support.http import HOST, Connection, chunks
from tests.unit.www.conftest import Web


class Listener:
    """A browser's event source."""

    def __init__(self, web: Web, path: str, last: int | None = None) -> None:
        headers = {} if last is None else {"last_event_id": str(last)}
        self.web = web
        self.connection = web.client.open("GET", path, b"", headers)
        self.raw = b""
        self.head = b""

    def events(self) -> list[dict[str, Any]]:
        """The events since the last call: name, data, id."""
        data = self.connection.take()
        if not self.head:
            self.head, _, data = data.partition(b"\r\n\r\n")
        content, _ = chunks(data)
        found = []
        for block in content.decode().split("\n\n"):
            lines = [line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":")]
            fields = dict(lines)
            if "event" in fields:
                data = "\n".join(value for name, value in lines if name.rstrip(":") == "data")
                found.append({"name": fields["event"], "data": data, "id": int(fields["id"])})
        return found

    def messages(self) -> list[tuple[str, Any]]:
        """(routing key, body) of the events of the data API."""
        told = [json.loads(event["data"]) for event in self.events() if event["name"] == "event"]
        return [("/".join(one["key"]), one["message"]) for one in told]


def test_the_first_event_is_a_handshake(web: Web) -> None:
    listener = Listener(web, "/sse/listen/builds/*/*")
    (handshake,) = listener.events()
    assert handshake["name"] == "handshake"
    assert len(handshake["data"]) == 36
    assert handshake["id"] == web.master.journal.head
    assert b"content-type: text/event-stream" in listener.head.lower()


def test_events_carry_key_message_and_position(web: Web) -> None:
    listener = Listener(web, "/sse/listen/builds/*/new")
    listener.events()
    build = web.add_build()
    (event,) = listener.events()
    assert event["name"] == "event"
    assert event["id"] <= web.master.journal.head
    told = json.loads(event["data"])
    assert told["key"] == ["builds", str(build["buildid"]), "new"]
    assert told["message"]["started_at"] == int(build["started_at"].timestamp())
    assert told["message"]["complete"] is False


def test_filters_are_added_and_removed(web: Web) -> None:
    listener = Listener(web, "/sse/listen")
    name = listener.events()[0]["data"]
    web.update("setBuildStateString", web.add_build()["buildid"], "one")
    assert listener.messages() == []
    assert web.client.get(f"/sse/add/{name}/builds/*/update").status == 200
    web.update("setBuildStateString", 1, "two")
    assert [(key, body["state_string"]) for key, body in listener.messages()] == [("builds/1/update", "two")]
    assert web.client.get(f"/sse/remove/{name}/builds/*/update").status == 200
    web.update("setBuildStateString", 1, "three")
    assert listener.messages() == []
    assert web.client.get(f"/sse/remove/{name}/builds/*/update").status == 404


@pytest.mark.parametrize("path", ["/sse/add/no-such/builds/*/*", "/sse/remove/no-such/builds"])
def test_an_unknown_listener(web: Web, path: str) -> None:
    answer = web.client.get(path)
    assert (answer.status, answer.text) == (400, "unknown uuid")


def test_several_paths_at_once(web: Web) -> None:
    listener = Listener(web, "/sse/listen?path=builds/*/new&path=buildsets/*/new")
    web.add_build()
    assert sorted(key for key, _ in listener.messages()) == ["builds/1/new", "buildsets/1/new"]


def test_a_client_that_comes_back_goes_on_without_a_gap(web: Web) -> None:
    first = Listener(web, "/sse/listen/builds/*/*")
    web.add_build()
    last = first.events()[-1]["id"]
    first.connection.hang_up()
    for word in ("two", "three"):
        web.update("setBuildStateString", 1, word)
    again = Listener(web, "/sse/listen/builds/*/*", last)
    assert [body["state_string"] for _, body in again.messages()] == ["two", "three"]
    web.update("setBuildStateString", 1, "four")
    assert [body["state_string"] for _, body in again.messages()] == ["four"]


def test_the_events_between_a_pages_rendering_and_its_connection_are_not_lost(web: Web) -> None:
    web.add_build()
    rendered_at = web.master.journal.head
    web.update("setBuildStateString", 1, "meanwhile")
    listener = Listener(web, f"/sse/listen/builds/*/*?since={rendered_at}")
    assert [body["state_string"] for _, body in listener.messages()] == ["meanwhile"]


def test_a_client_that_is_too_far_behind_is_told(web: Web) -> None:
    web.add_build()
    for word in "abcdef":
        web.update("setBuildStateString", 1, word)
    web.kit.wait_for(web.master.journal.prune(keep=1))
    web.master.journal.memory.clear()
    listener = Listener(web, "/sse/listen/builds/*/*", last=1)
    handshake, gap = listener.events()
    assert (handshake["name"], gap["name"]) == ("handshake", "gap")
    assert json.loads(gap["data"]) == {"after": 1, "newest": web.master.journal.head}
    assert gap["id"] == web.master.journal.head
    web.update("setBuildStateString", 1, "new")
    assert [body["state_string"] for _, body in listener.messages()] == ["new"]


def test_a_position_of_the_future_is_a_gap(web: Web) -> None:
    """The database was put back to an earlier state."""
    web.add_build()
    listener = Listener(web, "/sse/listen/builds/*/*", last=10_000)
    assert [event["name"] for event in listener.events()] == ["handshake", "gap"]
    web.update("setBuildStateString", 1, "new")
    assert [body["state_string"] for _, body in listener.messages()] == ["new"]


def test_a_position_that_is_none_is_an_error(web: Web) -> None:
    assert web.client.get("/sse/listen/builds/*/*", last_event_id="x").status == 400


def test_nothing_is_kept_for_a_client_that_does_not_read(web: Web) -> None:
    listener = Listener(web, "/sse/listen/builds/*/update")
    listener.events()
    build = web.add_build()["buildid"]
    words = [f"{n} " + "x" * 1000 for n in range(300)]
    for word in words:
        web.update("setBuildStateString", build, word)
    web.kit.pump()
    assert len(listener.connection.wire.value()) < 80_000
    got: list[str] = []
    while messages := listener.messages():
        got += [body["state_string"] for _, body in messages]
    assert [text.split()[0] for text in got] == [word.split()[0] for word in words]


def test_an_idle_connection_is_kept_alive(web: Web) -> None:
    listener = Listener(web, "/sse/listen/builds/*/*")
    listener.events()
    web.kit.advance(KEEPALIVE_SECONDS)
    assert b": still here" in listener.connection.take()
    listener.connection.hang_up()
    web.kit.advance(KEEPALIVE_SECONDS * 2)


def test_a_stopping_master_does_not_wait_for_listeners(web: Web) -> None:
    listener = Listener(web, "/sse/listen/builds/*/*")
    listener.events()
    web.kit.call(web.master.www.stopService)
    assert listener.connection.take().endswith(b"0\r\n\r\n")
    web.master.www.startService()


# -- WebSocket ---------------------------------------------------------------------------------------------------------


class Socket:
    """A WebSocket client (RFC 6455)."""

    def __init__(self, web: Web, **headers: str) -> None:
        self.connection = Connection(web.kit)
        key = base64.b64encode(b"0123456789abcdef").decode()
        sent = {
            "Host": HOST,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.connection.send(f"GET /ws HTTP/1.1\r\n{lines}\r\n".encode())
        self.answer, _, self.rest = self.connection.take().partition(b"\r\n\r\n")
        digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.accepted = base64.b64encode(digest) in self.answer

    def say(self, **command: Any) -> None:
        self.say_raw(json.dumps(command).encode())

    def say_raw(self, data: bytes) -> None:
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
        self.connection.send(b"\x81" + length + b"\0\0\0\0" + data)

    def hear(self) -> list[Any]:
        data, self.rest = self.rest + self.connection.take(), b""
        found = []
        while data:
            length, at = data[1], 2
            if length == 126:
                length, at = struct.unpack("!H", data[2:4])[0], 4
            elif length == 127:
                length, at = struct.unpack("!Q", data[2:10])[0], 10
            if data[0] == 0x81:
                found.append(json.loads(data[at : at + length]))
            data = data[at + length :]
        return found


def test_commands_are_answered_under_their_id(web: Web) -> None:
    socket = Socket(web)
    assert socket.accepted
    socket.say(cmd="ping", _id=1)
    socket.say(cmd="startConsuming", path="builds/*/*", _id="x")
    socket.say(cmd="stopConsuming", path="builds/*/*", _id=3)
    assert socket.hear() == [
        {"_id": 1, "msg": "pong", "code": 200},
        {"_id": "x", "msg": "OK", "code": 200},
        {"_id": 3, "msg": "OK", "code": 200},
    ]


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ({"cmd": "poing"}, 404, "no such command 'poing'"),
        ({"cmd": "startConsuming"}, 400, "needs a path"),
        ({"cmd": "stopConsuming", "path": "a/b"}, 404, "'a/b' is not being consumed"),
        ({}, 404, "no such command None"),
    ],
)
def test_wrong_commands(web: Web, command: dict[str, Any], code: int, error: str) -> None:
    socket = Socket(web)
    socket.say(**command, _id=7)
    (answer,) = socket.hear()
    assert (answer["_id"], answer["code"]) == (7, code)
    assert error in answer["error"]


def test_what_is_no_json_is_told_and_survived(web: Web) -> None:
    socket = Socket(web)
    for data in (b"{", b"[1]", b'"x"'):
        socket.say_raw(data)
    assert [(one["_id"], one["code"]) for one in socket.hear()] == [(None, 400)] * 3
    socket.say(cmd="ping", _id=1)
    assert len(socket.hear()) == 1


def test_events_by_websocket(web: Web) -> None:
    socket = Socket(web)
    socket.say(cmd="startConsuming", path="builds/*/new", _id=1)
    socket.hear()
    web.add_build()
    (event,) = socket.hear()
    assert event["k"] == "builds/1/new"
    assert event["m"]["buildid"] == 1
    socket.say(cmd="stopConsuming", path="builds/*/new", _id=2)
    socket.hear()
    web.add_build()
    assert socket.hear() == []


def test_pages_of_other_sites_may_not_listen(web: Web) -> None:
    assert b" 403 " in Socket(web, Origin="http://evil.org").answer
    assert Socket(web, Origin=f"http://{HOST}").accepted


def test_a_websocket_that_goes_away_is_forgotten(web: Web) -> None:
    before = len(web.master.mq._qrefs)
    socket = Socket(web)
    socket.say(cmd="startConsuming", path="builds/*/*", _id=1)
    socket.hear()
    assert len(web.master.mq._qrefs) == before + 1
    socket.connection.hang_up()
    assert len(web.master.mq._qrefs) == before


def test_without_an_upgrade_there_is_no_websocket(web: Web) -> None:
    assert web.client.get("/ws").status == 426
