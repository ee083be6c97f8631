"""A client that talks HTTP, byte for byte, to the web server of a :class:`MemoryMaster`: no socket, no mock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from buildmaster.testing.master import MemoryMaster

HOST = "ci.example:8010"


FULL = 64 * 1024


class Wire(StringTransport):
    """A connection that can be cut from either side, with a buffer that is full at 64 KiB as a socket's is."""

    def __init__(self) -> None:
        super().__init__(
            hostAddress=IPv4Address("TCP", "10.0.0.1", 8010), peerAddress=IPv4Address("TCP", "10.0.0.2", 50000)
        )
        self.lost = False
        self.full = False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.producer is not None and not self.full and len(self.value()) > FULL:
            self.full = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def drain(self) -> bytes:
        """The other side reads what is there."""
        data = self.value()
        self.clear()
        if self.full:
            self.full = False
            if self.producer is not None:
                self.producer.resumeProducing()
        return data

    def loseConnection(self) -> None:
        super().loseConnection()
        self.lost = True

    def abortConnection(self) -> None:
        super().abortConnection()
        self.lost = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As a socket's transport has it."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """As a socket's transport has it."""


@attrs.frozen
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The last value of a header."""
        return self.headers.get(name, [None])[-1]  # type: ignore[list-item]


class Connection:
    """One open connection; for answers that never end, and for WebSockets."""

    def __init__(self, kit: MemoryMaster) -> None:
        self.kit = kit
        self.wire = Wire()
        self.protocol = kit.master.www.site.buildProtocol(self.wire.getPeer())
        self.wire.protocol = self.protocol
        self.protocol.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        """Bytes from the client."""
        self.wire.protocol.dataReceived(data)
        self.kit.pump()

    def take_some(self) -> bytes:
        """What the buffer holds; there may be more behind it."""
        self.kit.pump()
        return self.wire.drain()

    def take(self) -> bytes:
        """All that has come since the last call."""
        data = b""
        while some := self.take_some():
            data += some
        return data

    def hang_up(self) -> None:
        """The client goes away."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        self.wire.protocol.connectionLost(Failure(ConnectionDone()))
        self.kit.pump()


class Client:
    """Asks, keeps cookies, and reads answers."""

    def __init__(self, kit: MemoryMaster) -> None:
        self.kit = kit
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, b"", headers)

    def post(self, path: str, body: bytes = b"", **headers: str) -> Answer:
        return self.ask("POST", path, body, headers)

    def call(self, path: str, method: str, **params: Any) -> Answer:
        """An action by JSON-RPC."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return self.post("/api/v2/" + path, body, content_type="application/json")

    def form(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """A form of one of our pages."""
        from urllib.parse import urlencode

        headers = {"origin": f"http://{HOST}", "content_type": "application/x-www-form-urlencoded", **headers}
        return self.post(path, urlencode(fields or {}).encode(), **headers)

    def ask(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """One request and its whole answer."""
        connection = self.open(verb, path, body, headers)
        data = connection.take()
        answer = parse(data, verb)
        for cookie in answer.headers.get("set-cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def open(self, verb: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Connection:
        """Send a request and leave the connection open."""
        connection = Connection(self.kit)
        sent = {"host": HOST, **{name.replace("_", "-"): value for name, value in (headers or {}).items()}}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if "content-length" not in sent and (body or verb == "POST"):
            sent["content-length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        connection.send(f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return connection


def parse(data: bytes, verb: str = "GET") -> Answer:
    """The answer in these bytes; fails if it is not complete."""
    head, found, rest = data.partition(b"\r\n\r\n")
    assert found, f"no answer but {data!r}"
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    body = rest
    if headers.get("transfer-encoding") == ["chunked"] and verb != "HEAD":
        body = whole(rest)
    return Answer(int(first.split()[1]), headers, body)


def whole(data: bytes) -> bytes:
    """The content of a chunked body, which must have its end."""
    content, ended = chunks(data)
    assert ended, f"the answer has no end: {data!r}"
    return content


def chunks(data: bytes) -> tuple[bytes, bool]:
    """(content, whether the end was seen) of a chunked body."""
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return content, True
        content += data[:length]
        data = data[length + 2 :]
    return content, False
