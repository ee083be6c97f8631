"""WebSocket: events and little else, as JSON messages.

The client sends ``{"cmd": "startConsuming", "path": "builds/*/*", "_id": 1}`` (or ``stopConsuming``, ``ping``); each
command is answered under its ``_id`` and events come as ``{"k": "builds/3/new", "m": {…}}``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny
from twisted.internet import defer
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.error import Error
from zope.interface import implementer

from buildmaster.base.strings import bytes2unicode
from buildmaster.www.encoding import to_json
from buildmaster.www.events import Feed, TooManyFilters, parse_filter

log = Logger()

#: a command is short; a larger message closes the connection
MAX_MESSAGE_BYTES = 64 * 1024
#: the close code for a client that read so little that events are lost to it
TOO_FAR_BEHIND = 4000


class CommandError(Exception):
    """A command can't be done; becomes its answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@implementer(IPushProducer)
class EventProtocol(WebSocketServerProtocol):
    """One client's connection."""

    feed: Feed | None = None

    @property
    def master(self) -> Any:
        """The master whose events these are."""
        return self.factory.master

    def onConnect(self, request: Any) -> None:
        """Refuse pages of other sites: the browser would send the visitor's cookie for them."""
        origin = request.headers.get("origin", "")
        origins = self.master.www.origins
        host = request.headers.get("host", "")
        if origin and not origins.is_own(origin, host) and not origins.may_cross(origin):
            raise ConnectionDeny(403, "this page may not connect here: see c['www']['allowed_origins']")
        self.user_info = self.master.www.user_of_cookies(request.headers.get("cookie", ""))

    def onOpen(self) -> None:
        """The handshake is done."""
        self.feed = Feed(self.master.mq, self._event, self._gap)
        self.factory.connections.add(self)
        transport: Any = self.transport
        transport.unregisterProducer()  # the HTTP channel's, whose connection this was
        transport.registerProducer(self, True)
        started = defer.Deferred.fromCoroutine(self.feed.start([]))
        started.addErrback(lambda failure: log.failure("a WebSocket could not begin", failure))

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A command."""
        done = defer.Deferred.fromCoroutine(self._answer(payload))
        done.addErrback(lambda failure: log.failure("answering a WebSocket command", failure))

    async def _answer(self, payload: bytes) -> None:
        answer: dict[str, Any] = {"_id": None}
        try:
            command = msgspec.json.decode(payload)
            if not isinstance(command, dict):
                raise CommandError(400, "a command is a JSON object")
            answer["_id"] = command.get("_id")
            answer["msg"] = await self._do(command)
            answer["code"] = 200
        except msgspec.DecodeError as error:
            answer |= {"code": 400, "error": f"not JSON: {error}"}
        except CommandError as error:
            answer |= {"code": error.code, "error": str(error)}
        except Error as error:
            answer |= {"code": int(error.status), "error": bytes2unicode(error.message or b"")}
        self._tell(answer)

    async def _do(self, command: dict[str, Any]) -> str:
        name = command.get("cmd")
        if name == "ping":
            return "pong"
        if name not in ("startConsuming", "stopConsuming"):
            raise CommandError(404, f"no such command {name!r}")
        path = command.get("path")
        if not isinstance(path, str):
            raise CommandError(400, f"{name} needs a path such as 'builds/*/*'")
        assert self.feed is not None
        if name == "stopConsuming":
            if not self.feed.remove(parse_filter(path)):
                raise CommandError(404, f"{path!r} is not being consumed")
            return "OK"
        words = tuple(path.strip("/").split("/"))
        await self.master.www.assert_user_info_allowed(self.user_info, words, "get", {})
        try:
            if parse_filter(path) not in self.feed.filters:
                self.feed.add(parse_filter(path))
        except TooManyFilters as error:
            raise CommandError(400, str(error))
        return "OK"

    def _event(self, position: int, key: tuple[str, ...], body: Any) -> None:
        self._tell({"k": "/".join(key), "m": body})

    def _gap(self, after: int) -> None:
        """Events were lost to a client that did not read for very long: it has to begin anew."""
        self.sendClose(TOO_FAR_BEHIND, "too far behind")

    def _tell(self, message: dict[str, Any]) -> None:
        if self.state == self.STATE_OPEN:
            self.sendMessage(to_json(message))

    def pauseProducing(self) -> None:
        """The client does not read."""
        if self.feed is not None:
            self.feed.pause()

    def resumeProducing(self) -> None:
        """The client reads again."""
        if self.feed is not None:
            self.feed.resume()

    def stopProducing(self) -> None:
        """The connection is gone; :meth:`onClose` tells that too."""

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        """The connection is gone."""
        self.factory.connections.discard(self)
        if self.feed is not None:
            defer.Deferred.fromCoroutine(self.feed.close())


class EventFactory(WebSocketServerFactory):
    """Makes a protocol for each connection."""

    protocol = EventProtocol

    def __init__(self, master: Any) -> None:
        super().__init__(reactor=master.reactor)
        self.master = master
        self.connections: set[EventProtocol] = set()
        self.setProtocolOptions(
            maxMessagePayloadSize=MAX_MESSAGE_BYTES,
            maxFramePayloadSize=MAX_MESSAGE_BYTES,
            webStatus=False,
            openHandshakeTimeout=30,
        )
        self.startFactory()

    def close_all(self) -> None:
        """Say goodbye to all clients."""
        for connection in list(self.connections):
            connection.sendClose(1000, "the master is stopping")


class WsResource(WebSocketResource):
    """``/ws``."""

    def __init__(self, master: Any) -> None:
        self.factory = EventFactory(master)
        super().__init__(self.factory)
        master.www.resourceNeedsReconfigs(self)

    def reconfigResource(self, new_config: Any) -> None:
        """Send pings at the configured interval in seconds to clients that connect from now on; 0 sends none."""
        self.factory.setProtocolOptions(autoPingInterval=new_config.www.get("ws_ping_interval") or 0)

    def close_all(self) -> None:
        """Say goodbye to all clients."""
        self.factory.close_all()
