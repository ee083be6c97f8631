"""``buildmaster dev-proxy``: the site of a master elsewhere, with the files and web plugins of this installation.

Everything that is not here is asked of the other master, a buildmaster or a Buildbot, and passed on as it comes: pages,
REST, streams of events and WebSockets.  Only this machine is answered, because the visitor may be given a session of
the other master, and no page of another site may use that.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import treq
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.websocket.types import ConnectionDeny
from twisted.internet import defer, endpoints
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web import client, resource, server
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from buildmaster.mq.failing import words
from buildmaster.net.httpclient import policy_for
from buildmaster.www.origins import OriginPolicy, header, is_this_machine
from buildmaster.www.resource import ErrorPage
from buildmaster.www.session import COOKIE, SECURE_COOKIE
from buildmaster.www.site import MAX_BODY_BYTES, BuildbotRequest
from buildmaster.www.static import StaticResource, files

log = Logger()

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
"""Headers about one connection, which are not passed on (RFC 9110, section 7.6.1)."""

_NOT_SENT = _HOP_BY_HOP | {b"host", b"content-length", b"cookie", b"origin", b"referer"}
_NOT_ANSWERED = _HOP_BY_HOP | {b"strict-transport-security", b"set-cookie", b"location"}
_CONNECT_SECONDS = 30


class Remote:
    """The other master's site.

    ``url`` is its address; ``verify`` False believes any certificate; ``cookie`` is the value of a session's cookie, or
    whole cookies as a browser's console shows them.
    """

    def __init__(self, url: str, reactor: Any, verify: bool = True, cookie: str | None = None) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path.rstrip("/")
        self.reactor = reactor
        self._policy = policy_for(verify, None)
        self._cookie = _cookies(cookie)
        pool = client.HTTPConnectionPool(reactor)
        self._agent = client.Agent(reactor, self._policy, connectTimeout=_CONNECT_SECONDS, pool=pool)

    def ask(self, request: Any, plain: bool = False) -> defer.Deferred[Any]:
        """Send a request as it came; ``plain`` asks for a body that is not compressed."""
        headers = Headers(dict(self._headers(request, _NOT_SENT | ({b"accept-encoding"} if plain else set()))))
        has_body = request.content.seek(0, io.SEEK_END) > 0
        request.content.seek(0)
        body: Any = client.FileBodyProducer(request.content) if has_body else None
        return self._agent.request(request.method, self.url.encode() + request.uri, headers, body)

    def connect(self, request: Any, near: _Near) -> defer.Deferred[Any]:
        """Open a WebSocket for the one that a browser opens here; ``request`` is autobahn's."""
        address = "ws" + self.url[len("http") :] + request.path
        cookie = self._cookies_of(request.headers.get("cookie", ""))
        factory: Any = WebSocketClientFactory(
            address, origin=self.origin, headers={"Cookie": cookie} if cookie else {}, reactor=self.reactor
        )
        factory.protocol = lambda: _Far(near)
        factory.noisy = False
        target: Any = endpoints.HostnameEndpoint(self.reactor, factory.host, factory.port, _CONNECT_SECONDS)
        if factory.isSecure:
            options = self._policy.creatorForNetloc(factory.host.encode(), factory.port)
            target = endpoints.wrapClientTLS(options, target)
        return target.connect(factory).addCallback(lambda far: far.opened)

    def _headers(self, request: Any, without: frozenset[bytes]) -> Any:
        for name, values in request.requestHeaders.getAllRawHeaders():
            if name.lower() not in without:
                yield name, values
        for name in (b"origin", b"referer"):
            if request.requestHeaders.hasHeader(name):
                yield name, [self.origin.encode() + (b"" if name == b"origin" else b"/")]
        cookie = self._cookies_of(header(request, b"cookie"))
        if cookie:
            yield b"cookie", [cookie.encode()]

    def _cookies_of(self, visitors: str) -> str:
        """The visitor's own cookies, with those that the command was given."""
        return "; ".join(filter(None, (visitors, self._cookie)))


def _cookies(given: str | None) -> str:
    if not given:
        return ""
    # a site with TLS has another name for it than the master behind it
    return given if "=" in given else "; ".join(f"{name.decode()}={given}" for name in (COOKIE, SECURE_COOKIE))


class Front(resource.Resource):
    """The root: what is of this installation, and for the rest the other master.

    ``plugins`` are the web plugins that are served from here, by name; ``options`` is what ``/config`` says of plugins
    beside what the other master says.
    """

    def __init__(self, remote: Remote, plugins: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        self._plugins = {name: plugin for name, plugin in plugins.items() if plugin.resource is not None}
        self._origins = OriginPolicy(local_only=True)
        self._passed_on = PassedOn(remote)
        self._config = Config(remote, options)
        self._sockets = Sockets(remote)

    def getChild(self, path: bytes, request: Any) -> Any:
        """Chosen by the first part of the path."""
        if not is_this_machine(urlsplit("//" + header(request, b"host")).hostname or ""):
            return ErrorPage(403, "This site is for visitors from its own machine, under the name localhost")
        if header(request, b"upgrade").lower() == "websocket":
            origin = header(request, b"origin")
            if origin and not self._origins.is_own(origin, header(request, b"host")):
                return ErrorPage(403, "This page may not connect here")
            return self._sockets
        if request.method not in (b"GET", b"HEAD") and self._origins.refuses(request):
            return ErrorPage(403, "This page may not send anything here")
        plugin = self._plugins.get(path.decode("latin-1"))
        if plugin is not None:
            return plugin.resource
        if path == b"static" and b"/".join(request.postpath[1:]).decode("latin-1") in files():
            return StaticResource()
        return self._config if path == b"config" and not request.postpath else self._passed_on


class PassedOn(resource.Resource):
    """Whatever the other master answers."""

    isLeaf = True
    plain = False
    """Whether the answer may not be compressed."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self._remote = remote

    def render(self, request: Any) -> int:
        """Any method."""
        asked = self._remote.ask(request, self.plain)
        request.notifyFinish().addErrback(lambda _: asked.cancel())
        asked.addCallback(self._answer, request).addErrback(_bad_gateway, request)
        return server.NOT_DONE_YET

    def _answer(self, response: Any, request: Any) -> Any:
        request.setResponseCode(response.code, response.phrase)
        for name, values in response.headers.getAllRawHeaders():
            if name.lower() not in _NOT_ANSWERED:
                request.responseHeaders.setRawHeaders(name, values)
        if response.length is not UNKNOWN_LENGTH and not request.responseHeaders.hasHeader(b"content-encoding"):
            request.responseHeaders.setRawHeaders(b"content-length", [b"%d" % response.length])
        for value in response.headers.getRawHeaders(b"location", []):
            request.responseHeaders.addRawHeader(b"location", self._here(value))
        for value in response.headers.getRawHeaders(b"set-cookie", []):
            request.responseHeaders.addRawHeader(b"set-cookie", _for_localhost(value))
        response.deliverBody(_Relay(request))

    def _here(self, location: bytes) -> bytes:
        """A redirection to the other site leads here."""
        remote = self._remote.url.encode()
        if location == remote or location.startswith(remote + b"/"):
            return location[len(remote) :] or b"/"
        path = self._remote.path.encode()
        return location[len(path) :] if path and location.startswith(path + b"/") else location


def _for_localhost(cookie: bytes) -> bytes:
    """A cookie without what binds it to the other site: its domain, and a connection by TLS."""
    parts = [part.strip() for part in cookie.split(b";")]
    return b"; ".join(part for part in parts if part.lower() != b"secure" and not part.lower().startswith(b"domain="))


def _bad_gateway(failure: Any, request: Any) -> None:
    if failure.check(defer.CancelledError):
        return  # the browser has gone
    log.warn("{method} {uri}: {why}", method=request.method, uri=request.uri, why=words(failure.value))
    request.write(ErrorPage(502, f"The other master can't be asked: {words(failure.value)}").render(request))
    request.finish()


class _Relay(Protocol):
    """Hands a body on as it comes, as fast as the browser reads."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._gone = False

    def connectionMade(self) -> None:
        """The body begins."""
        self._request.registerProducer(self.transport, True)
        self._request.notifyFinish().addErrback(self._browser_gone)
        self._request.write(b"")  # an event stream's headers do not wait for its first event

    def dataReceived(self, data: bytes) -> None:
        """A piece."""
        if not self._gone:
            self._request.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        """The body has ended, or was cut off: then so is the browser's."""
        if self._gone:
            return
        self._request.unregisterProducer()
        if reason.check(client.ResponseDone, client.PotentialDataLoss):
            self._request.finish()
        else:
            self._request.transport.abortConnection()

    def _browser_gone(self, _: Any) -> None:
        self._gone = True
        transport: Any = self.transport
        transport.loseConnection()


class Config(PassedOn):
    """``/config``: the other master's, which learns of the plugins that are here."""

    plain = True

    def __init__(self, remote: Remote, plugins: Mapping[str, Any]) -> None:
        super().__init__(remote)
        self._plugins = plugins

    @defer.inlineCallbacks
    def _answer(self, response: Any, request: Any) -> Any:
        pieces: list[bytes] = []
        yield treq.collect(response, pieces.append)
        body = b"".join(pieces)
        if response.code == 200:
            found = json.loads(body)
            found["plugins"] = {**(found.get("plugins") or {}), **self._plugins}
            found["buildbotURL"] = f"http://{header(request, b'host')}/"
            body = json.dumps(found).encode()
        request.setResponseCode(response.code, response.phrase)
        for value in response.headers.getRawHeaders(b"content-type", []):
            request.setHeader(b"content-type", value)
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()


class Sockets(WebSocketResource):
    """A WebSocket at any path, joined to one of the other master."""

    def __init__(self, remote: Remote) -> None:
        factory: Any = WebSocketServerFactory(reactor=remote.reactor)
        factory.protocol = lambda: _Near(remote)
        factory.setProtocolOptions(webStatus=False)
        factory.startFactory()
        super().__init__(factory)


class _Near(WebSocketServerProtocol):
    """The browser's end: accepted when the other master has accepted ours."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self._remote = remote
        self._early: list[tuple[bytes, bool]] = []
        self.far: _Far | None = None

    @defer.inlineCallbacks
    def onConnect(self, request: Any) -> Any:  # type: ignore[override]  # autobahn waits for Deferreds
        """The browser asks; :class:`ConnectionDeny` is the answer if the other master can't be joined."""
        try:
            yield self._remote.connect(request, self)
        except Exception as error:  # policy: the browser is told, whatever it is
            log.warn("WebSocket {path}: {why}", path=request.path, why=words(error))
            raise ConnectionDeny(502, words(error)) from None
        if self.state == self.STATE_CLOSED and self.far is not None:
            self.far.sendClose(1000)  # the browser did not wait

    def onOpen(self) -> None:
        """Both ends stand; each is read only as fast as the other takes it."""
        assert self.far is not None
        near: Any = self.transport
        far: Any = self.far.transport
        near.unregisterProducer()  # the HTTP channel's, whose connection this was
        near.registerProducer(far, True)
        far.registerProducer(near, True)
        for payload, binary in self._early:
            self.sendMessage(payload, binary)

    def tell(self, payload: bytes, binary: bool) -> None:
        """A message of the other master."""
        if self.state == self.STATE_OPEN:
            self.sendMessage(payload, binary)
        else:
            self._early.append((payload, binary))

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message of the browser."""
        if self.far is not None:
            self.far.sendMessage(payload, isBinary)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        """The browser has left."""
        if self.far is not None:
            self.far.sendClose(1000)


class _Far(WebSocketClientProtocol):
    """The other master's end; ``opened`` fires when it stands."""

    def __init__(self, near: _Near) -> None:
        super().__init__()
        self._near = near
        self.opened: defer.Deferred[None] = defer.Deferred()

    def onOpen(self) -> None:
        """The other master has accepted."""
        self._near.far = self
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hand it on."""
        self._near.tell(payload, isBinary)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        """The other master has closed, or never accepted."""
        if not self.opened.called:
            self.opened.errback(ConnectionError(reason or "the other master closed the connection"))
        elif self._near.far is self:
            self._near.far = None
            self._near.sendClose(code if code and (code == 1000 or 3000 <= code < 5000) else 1000, reason)


class Site(server.Site):
    """Serves a :class:`Front`."""

    requestFactory = BuildbotRequest
    max_body_bytes = MAX_BODY_BYTES
    noisy = False
