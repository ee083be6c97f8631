"""Requests and answers between the master and a worker: MessagePack maps in WebSocket messages.

The wire: HTTP Basic authentication in the handshake; each binary message is a map with ``seq_number`` and ``op``; the
answer to a request has the op ``response``, the same number and ``result``, with ``is_exception`` true if the result is
an error's text.  Documented by Buildbot as "Master-Worker connection with MessagePack over WebSocket protocol".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgpack
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import defer
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred, maybe
from buildmaster.net.pblogin import LOGIN_DEADLINE, Door, GoAway, Refused, User

log = Logger()

LARGEST = 16 * 1024 * 1024
"""Bytes of the longest message that is taken; a longer one ends the connection."""

REFUSED = 4001
"""The close code for a worker that is not wanted now; the reason is told with it."""

_LONGEST_REASON = 120  # of a close frame, in bytes of UTF-8 (RFC 6455, 5.5)


class RemoteError(Exception):
    """The worker answered a request with an error; the text is the worker's."""


class Peer(WebSocketServerProtocol):
    """One connection.

    Whoever serves it sets :attr:`on_request`, a function of the op and the message whose answer (value, Deferred or
    coroutine) is sent back, and :attr:`on_lost`.
    """

    user: User
    user_name = ""
    login_timer: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.on_request: Callable[[str, dict[str, Any]], Any] = _nobody
        self.on_lost: Callable[[], Any] = lambda: None
        self.lost = False
        self._number = 0
        self._waiting: dict[int, defer.Deferred[Any]] = {}

    # -- login -----------------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """A peer has connected."""
        super().connectionMade()
        transport: Any = self.transport
        if hasattr(transport, "setTcpKeepAlive"):
            transport.setTcpKeepAlive(True)
        self._set_login_timer()

    def _set_login_timer(self) -> None:
        self.login_timer = self.factory.reactor.callLater(LOGIN_DEADLINE, self._late)

    def _late(self) -> None:
        if self.factory.held():
            self._set_login_timer()
        else:
            self.abort()

    def onConnect(self, request: Any) -> Any:
        """The handshake has come: let nobody in who does not know a password."""
        return as_deferred(self._admit(request.headers.get("authorization", "")))

    async def _admit(self, authorization: str) -> None:
        self.user_name, password = _credentials(authorization)
        try:
            self.user = await self.factory.door.admit(self.user_name, password, lambda expected: expected)
        except UnauthorizedLogin:
            raise ConnectionDeny(401, "unknown name or wrong password") from None

    def onOpen(self) -> None:
        """The handshake is done."""
        if self.login_timer is not None and self.login_timer.active():
            self.login_timer.cancel()
        as_deferred(self._enter()).addErrback(lambda f: log.failure("letting {name!r} in", f, name=self.user_name))

    async def _enter(self) -> None:
        try:
            await maybe(self.user.factory, self, self.user_name)
        except Refused as e:
            if not self.lost:
                self.sendClose(REFUSED, str(e).encode()[:_LONGEST_REASON].decode("utf-8", "ignore"))
        except GoAway:
            self.abort()
        except Exception:
            log.failure("the login of {name!r} failed; it is disconnected and may come again", name=self.user_name)
            self.abort()

    # -- the end ---------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End the connection without more words."""
        if self.transport is not None:
            self.transport.abortConnection()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection has ended: first those hear of it who asked to be told, then those who wait for answers."""
        self.lost = True
        if self.login_timer is not None and self.login_timer.active():
            self.login_timer.cancel()
        self.on_lost()
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.errback(ConnectionLost(f"the connection of worker {self.user_name} was lost"))

    # -- requests of ours ------------------------------------------------------------------------------------------

    def ask(self, op: str, **fields: Any) -> defer.Deferred[Any]:
        """The worker's answer to a request.

        Fails with :class:`RemoteError` if that is an error, with ConnectionLost if the worker goes away first, and with
        TypeError or ValueError for fields that MessagePack can't carry.
        """
        if self.lost:
            return defer.fail(ConnectionLost(f"the connection of worker {self.user_name} was lost"))
        number = self._number
        try:
            message = msgpack.packb({"op": op, "seq_number": number, **fields})
        except Exception as e:
            return defer.fail(e)
        self._number += 1
        answer: defer.Deferred[Any] = defer.Deferred(lambda _: self._forget(number))
        self._waiting[number] = answer
        self.sendMessage(message, isBinary=True)
        return answer

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    # -- what comes ------------------------------------------------------------------------------------------------

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A request or an answer; what is neither ends the connection."""
        try:
            message = msgpack.unpackb(payload, unicode_errors="replace")
            number, op = message["seq_number"], message["op"]
            if not isinstance(op, str) or type(number) is not int:
                raise ValueError("op is no text or seq_number no number")
        except Exception as e:
            log.error("{name!r} sent what is no message: {why}; it is disconnected", name=self.user_name, why=str(e))
            self.abort()
            return
        if op == "response":
            self._answered(number, message)
        else:
            defer.maybeDeferred(self.on_request, op, message).addBoth(self._answer, number, op)

    def _answered(self, number: int, message: dict[str, Any]) -> None:
        answer = self._waiting.pop(number, None)
        if answer is None:
            return  # nobody waits for it any more
        if message.get("is_exception"):
            answer.errback(RemoteError(str(message.get("result"))))
        else:
            answer.callback(message.get("result"))

    def _answer(self, result: Any, number: int, op: str) -> None:
        answer: dict[str, Any] = {"op": "response", "seq_number": number, "result": result}
        if isinstance(result, Failure):
            name = result.type.__name__ if result.type else "error"
            answer |= {"result": f"{name}: {result.getErrorMessage()}", "is_exception": True}
        if self.lost:
            return
        try:
            message = msgpack.packb(answer)
        except Exception as e:
            log.failure("the answer to {op!r} can't be sent", op=op)
            answer |= {"result": f"{type(e).__name__}: {e}", "is_exception": True}
            message = msgpack.packb(answer)
        self.sendMessage(message, isBinary=True)


def _nobody(op: str, message: dict[str, Any]) -> Any:
    raise GoAway(f"nobody here does {op}")


def _credentials(authorization: str) -> tuple[str, bytes]:
    """Name and password of an ``Authorization`` header; nobody's if there are none in it."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return "", b""
    if scheme.lower() != "basic" or not colon:
        return "", b""
    return name.decode("utf-8", "replace"), password


class ServerFactory(WebSocketServerFactory):
    """Connections of one port; those that do not log in are dropped after :data:`LOGIN_DEADLINE`."""

    protocol = Peer
    noisy = False

    def __init__(self, door: Door, reactor: Any, held: Callable[[], bool]) -> None:
        super().__init__(reactor=reactor)
        self.door = door
        self.held = held
        # our own deadline waits while the master starts
        self.setProtocolOptions(openHandshakeTimeout=0, maxMessagePayloadSize=LARGEST, maxFramePayloadSize=LARGEST)
