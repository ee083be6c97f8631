"""The HTTP client: the documented ``HTTPClientService`` and ``HTTPSession``, on treq.

One connection pool an address, at most :attr:`HTTPClientService.MAX_THREADS` requests at a time, a deadline for each.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import Any

import treq.client
from twisted.internet import defer, ssl
from twisted.logger import Logger
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, with_deadline
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IHttpResponse
from buildmaster.base.strings import bytes2unicode
from buildmaster.base.times import toJson
from buildmaster.base.urls import stripUrlPassword
from buildmaster.service import SharedService

log = Logger()

DEADLINE = 300.0
"""Seconds that a request may take unless it is given a ``timeout``."""


@implementer(IHttpResponse)
class TreqResponseWrapper:
    """An answer."""

    def __init__(self, res: Any) -> None:
        self._res = res

    def content(self) -> defer.Deferred[bytes]:
        """The body."""
        body: defer.Deferred[bytes] = self._res.content()
        return body

    def json(self) -> defer.Deferred[Any]:
        """The body, read as JSON."""
        read: defer.Deferred[Any] = self._res.json()
        return read

    @property
    def code(self) -> int:
        """The status."""
        return int(self._res.code)

    @property
    def url(self) -> str:
        """The address that answered, after redirections."""
        return str(bytes2unicode(self._res.request.absoluteURI))

    @property
    def headers(self) -> dict[str, str]:
        """The headers; several of a name are joined by commas."""
        found = self._res.headers.getAllRawHeaders()
        return {name.decode("latin-1"): ", ".join(v.decode("latin-1") for v in values) for name, values in found}


@implementer(IPolicyForHTTPS)
class _TrustAnybody:
    """``verify=False``: whoever answers is believed."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return _NoVerification(hostname.decode("ascii"))


class _NoVerification:
    """A TLS connection that checks no certificate but says whom it wants to talk to."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._options = ssl.CertificateOptions(verify=False)

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        from OpenSSL import SSL

        connection = SSL.Connection(self._options.getContext(), None)
        connection.set_tlsext_host_name(self._hostname.encode("ascii"))
        return connection


@implementer(IPolicyForHTTPS)
class _OwnCertificate:
    """``cert`` or ``verify`` as a file: a certificate of our own, or authorities other than the system's."""

    def __init__(self, cert: Any, verify: Any) -> None:
        self._certificate = None if cert is None else ssl.PrivateCertificate.loadPEM(_pem(cert))
        self._trust = _authorities(verify) if isinstance(verify, str) else None

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return ssl.optionsForClientTLS(hostname.decode("ascii"), self._trust, self._certificate)


def _pem(cert: Any) -> bytes:
    """The content of a certificate's file and, if it has its own, the key's."""
    contents = []
    for path in [cert] if isinstance(cert, str) else cert:
        with open(path, "rb") as file:
            contents.append(file.read())
    return b"\n".join(contents)


def _authorities(path: str) -> Any:
    begin = b"-----BEGIN CERTIFICATE-----"
    parts = _pem(path).split(begin)[1:]
    return ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(begin + part) for part in parts])


def policy_for(verify: Any, cert: Any) -> Any:
    """How the other side is verified: by the system's authorities unless ``verify`` or ``cert`` say otherwise."""
    if verify is False and cert is None:
        return _TrustAnybody()
    if cert is not None or isinstance(verify, str):
        return _OwnCertificate(cert, verify)
    return BrowserLikePolicyForHTTPS()


@implementer(IBodyProducer)
class _Body:
    """A body that is in memory: written in one go, by no clock's turns."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: Any) -> defer.Deferred[None]:
        consumer.write(self._data)
        return defer.succeed(None)

    def pauseProducing(self) -> None:
        """There is nothing left to pause."""

    def resumeProducing(self) -> None:
        """Nor to resume."""

    def stopProducing(self) -> None:
        """Nor to stop."""


class Requests:
    """Makes the requests for one address; service and session are two doors to it."""

    def __init__(
        self,
        reactor: Any,
        base_url: str,
        auth: tuple[str, str] | None,
        headers: Mapping[str, str] | None,
        verify: Any,
        cert: Any,
        debug: bool,
        at_once: int,
        agent: Any = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = dict(headers or {})
        self._auth = auth
        self._debug = debug
        self._reactor = reactor
        self._places = defer.DeferredSemaphore(at_once)
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = at_once
        real: Any = Agent(reactor, policy_for(verify, cert), connectTimeout=30, pool=self._pool)
        body: Any = _Body
        self._http: Any = treq.client.HTTPClient(agent or real, data_to_body_producer=body)

    def close(self) -> defer.Deferred[None]:
        """Close the connections that are kept."""
        closed: defer.Deferred[None] = self._pool.closeCachedConnections()
        return closed

    def request(self, method: str, ep: str, **kwargs: Any) -> defer.Deferred[TreqResponseWrapper]:
        """A request for the address with ``ep`` appended; waits its turn while too many are under way.

        Fails with :class:`~buildmaster.base.aio.DeadlineExceeded` when no answer begins within ``timeout`` seconds.
        """
        if ep and not ep.startswith(("/", "http://", "https://")):
            raise ValueError(f"the endpoint {ep!r} must begin with '/'")
        answered: defer.Deferred[TreqResponseWrapper] = self._places.run(
            lambda: as_deferred(self._request(method, ep, **kwargs))
        )
        return answered

    async def _request(
        self,
        method: str,
        ep: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        timeout: float = DEADLINE,
        **kwargs: Any,
    ) -> TreqResponseWrapper:
        url = ep if ep.startswith(("http://", "https://")) else self.base_url + ep
        all_headers = {**self.headers, **(headers or {})}
        if json is not None:
            if data is not None:
                raise ValueError("json and data cannot be used at the same time")
            data = jsonlib.dumps(json, default=toJson).encode("utf-8")
            all_headers.setdefault("Content-Type", "application/json")
        if self._debug:
            log.debug("http {method} {url} {params}", method=method, url=url, params=sorted(kwargs.get("params") or ()))
        sent = self._http.request(
            method,
            url,
            headers={name: str(value) for name, value in all_headers.items()},
            data=data,
            auth=kwargs.pop("auth", None) or self._auth,
            **kwargs,
        )
        response = await with_deadline(sent, timeout, self._reactor, f"{method} {stripUrlPassword(url)}")
        if self._debug:
            log.debug("http {code} <- {method} {url}", code=response.code, method=method, url=url)
        return TreqResponseWrapper(response)


class HTTPClientService(SharedService):
    """A client for one address, shared by all who ask for it with the same arguments.

    ``base_url`` is the address to which endpoints are appended; ``auth`` a pair (user, password); ``headers`` go with
    every request; ``verify=False`` believes any certificate, a path names authorities; ``cert`` is a client certificate
    (a path, or a pair of paths); ``debug`` logs requests.
    """

    MAX_THREADS = 20
    """How many requests are made at a time."""
    PREFER_TREQ = True

    def __init__(
        self,
        base_url: str,
        auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        verify: Any = None,
        cert: Any = None,
        debug: bool = False,
        skipEncoding: bool = False,
    ) -> None:
        super().__init__()
        check_auth(type(self), auth)
        self._base_url = base_url
        self._arguments = (auth, headers, verify, cert, debug)
        self._requests: Requests | None = None

    @staticmethod
    def checkAvailable(from_module: str) -> None:
        """Report it if there is no HTTP library; it is installed with this package."""

    def updateHeaders(self, headers: Mapping[str, str]) -> None:
        """Send these with every later request."""
        self._client().headers.update(headers)

    def _client(self) -> Requests:
        if self._requests is None:
            self._requests = Requests(
                self.master.reactor, self._base_url, *self._arguments, at_once=self.MAX_THREADS, agent=self._agent()
            )
        return self._requests

    def _agent(self) -> Any:
        """The agent that makes connections; None: a real one."""
        return None

    @deferred
    async def stopService(self) -> None:
        """Close the connections."""
        if self._requests is not None:
            await self._requests.close()
        await super().stopService()

    def get(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``GET``; ``params`` is a dictionary for the query, ``timeout`` is in seconds."""
        return self._client().request("GET", ep, **kwargs)

    def put(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``PUT``; ``json`` or ``data`` is the body."""
        return self._client().request("PUT", ep, **kwargs)

    def delete(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``DELETE``."""
        return self._client().request("DELETE", ep, **kwargs)

    def post(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``POST``; ``json`` or ``data`` is the body."""
        return self._client().request("POST", ep, **kwargs)


class HTTPSession:
    """A client for one address that belongs to one service; ``http`` is any service of the master."""

    MAX_REQUESTS = 20
    agent: Any = None
    """The agent that makes connections; None: a real one."""

    def __init__(
        self,
        http: Any,
        base_url: str,
        auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        verify: Any = None,
        cert: Any = None,
        debug: bool = False,
        skip_encoding: bool = False,
    ) -> None:
        check_auth(type(self), auth)
        self.http = http
        self.base_url = base_url
        self._requests = Requests(
            http.master.reactor,
            base_url,
            auth,
            headers,
            verify,
            cert,
            debug,
            at_once=self.MAX_REQUESTS,
            agent=self.agent,
        )

    def update_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with every later request."""
        self._requests.headers.update(headers)

    def close(self) -> defer.Deferred[None]:
        """Close the connections that are kept."""
        return self._requests.close()

    def get(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``GET``."""
        return self._requests.request("GET", ep, **kwargs)

    def put(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``PUT``."""
        return self._requests.request("PUT", ep, **kwargs)

    def delete(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``DELETE``."""
        return self._requests.request("DELETE", ep, **kwargs)

    def post(self, ep: str, **kwargs: Any) -> defer.Deferred[Any]:
        """``POST``."""
        return self._requests.request("POST", ep, **kwargs)


def check_auth(kind: type, auth: Any) -> None:
    """Report an ``auth`` that is neither None nor a pair."""
    if auth is not None and not (isinstance(auth, tuple | list) and len(auth) == 2):
        error(f"{kind.__name__}: auth must be a pair (user, password), not an object of {type(auth).__name__}")
