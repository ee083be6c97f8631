"""Requests to HTTP services, made by the master in the course of a build."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.endpoints import clientFromString
from twisted.web.client import ProxyAgent

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.net.httpclient import Requests
from buildmaster.process.buildstep import BuildStep

METHODS = ("POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS")
HIDDEN = "<HIDDEN>"


class HTTPStep(BuildStep):
    """Makes a request; a status below 400 is a success.

    ``method`` is POST, GET, PUT, DELETE, HEAD or OPTIONS.  ``params`` is a dictionary for the query, ``data`` the body
    (a dictionary becomes a form), ``json`` a body to be written as JSON, ``headers`` and ``cookies`` dictionaries;
    ``files`` is a dictionary of texts, bytes, open files or (file name, one of these[, content type]) for a form.
    ``auth`` is a pair of user name and password; ``timeout`` is in seconds (or a pair of them, for the connection and
    the answer); ``allow_redirects=False`` follows no redirections (HEAD does not by default); ``verify`` is False to
    believe any certificate, or the path of authorities'; ``cert`` a certificate of our own (a path, or a pair of
    certificate and key).  ``proxies`` is a dictionary with the proxy of addresses that begin with ``http``.  With
    ``stream`` the body is not read; ``hooks`` is a dictionary whose ``response`` is a function, or a list of them, that
    is called with the answer (``code``, ``url``, ``headers``, ``content()``, ``json()``).

    The log ``log`` has the request and the answer.  The values of ``hide_request_headers`` and
    ``hide_response_headers`` are not shown there.
    """

    name = "HTTPStep"
    description = "Requesting"
    descriptionDone = "Requested"
    requestsParams = (
        "params",
        "data",
        "json",
        "headers",
        "cookies",
        "files",
        "auth",
        "timeout",
        "allow_redirects",
        "proxies",
        "hooks",
        "stream",
        "verify",
        "cert",
    )
    renderables = [*requestsParams, "method", "url"]

    params: Any = None
    data: Any = None
    json: Any = None
    headers: Any = None
    cookies: Any = None
    files: Any = None
    auth: Any = None
    timeout: Any = None
    allow_redirects: Any = None
    proxies: Any = None
    hooks: Any = None
    stream: Any = None
    verify: Any = None
    cert: Any = None

    def __init__(
        self,
        url: Any,
        method: Any,
        hide_request_headers: Iterable[str] | None = None,
        hide_response_headers: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in self.requestsParams:
            setattr(self, name, kwargs.pop(name, getattr(type(self), name)))
        super().__init__(**kwargs)
        self.url = url
        self.method = method
        self._hidden_request = {name.lower() for name in hide_request_headers or ()}
        self._hidden_response = {name.lower() for name in hide_response_headers or ()}
        if not IRenderable.providedBy(method) and method not in METHODS:
            error(f"{type(self).__name__}: Wrong method given: {method!r} is not one of {', '.join(METHODS)}")

    @deferred
    async def run(self) -> int:
        log = await self.addLog("log")
        if self.method not in METHODS:
            raise ValueError(f"HTTPStep: {self.method!r} is not one of {', '.join(METHODS)}")
        await self._log_request(log)
        client = Requests(
            self.master.reactor, self.url, None, None, self.verify, self.cert, False, 1, agent=self._proxy()
        )
        try:
            response = await client.request(self.method, "", **self._arguments())
            for hook in _listed((self.hooks or {}).get("response")):
                await maybe(hook, response)
            await maybe(self.log_response, log, response)
        except Exception as e:  # whatever keeps the request from being answered fails the step, in the log's words
            await log.addStderr(f"An exception occurred while performing the request: {e or type(e).__name__}\n")
            self.descriptionDone = "Request failed"
            return FAILURE
        finally:
            await log.finish()
            await client.close()
        self.descriptionDone = f"Status code: {response.code}"
        return SUCCESS if response.code < 400 else FAILURE

    def _arguments(self) -> dict[str, Any]:
        """The request's arguments, without those that were not given."""
        timeout = sum(self.timeout) if isinstance(self.timeout, tuple | list) else self.timeout
        redirects = self.method != "HEAD" if self.allow_redirects is None else self.allow_redirects
        files = None if self.files is None else {name: _file(name, value) for name, value in self.files.items()}
        given = {
            "params": self.params,
            "data": self.data,
            "json": self.json,
            "headers": self.headers,
            "cookies": self.cookies,
            "files": files,
            "auth": _pair(self.auth),
            "timeout": timeout,
        }
        return {"allow_redirects": redirects, **{name: value for name, value in given.items() if value is not None}}

    def _proxy(self) -> Any:
        """The agent for a proxy; None for a direct connection."""
        parts = urlsplit(self.url)
        proxy = (self.proxies or {}).get(parts.scheme)
        if not proxy:
            return None
        if parts.scheme != "http":
            raise ValueError("proxies are for addresses that begin with http://; leave https out of proxies=")
        place = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        endpoint = clientFromString(self.master.reactor, f"tcp:{place.hostname}:{place.port or 80}")
        return ProxyAgent(endpoint, self.master.reactor)

    async def _log_request(self, log: Any) -> None:
        await log.addHeader(f"Performing {self.method} request to {self.url}\n")
        if self.params:
            await log.addHeader("Parameters:\n")
            await log.addHeader("".join(f"\t{name}: {value}\n" for name, value in sorted(self.params.items())))
        if self.data is not None:
            await log.addHeader("Data:\n")
            fields = sorted(self.data.items()) if isinstance(self.data, Mapping) else [(None, _text(self.data))]
            await log.addHeader("".join(f"\t{name}: {value}\n" if name else f"\t{value}\n" for name, value in fields))
        if self.headers:
            await log.addHeader("Request headers:\n")
            await log.addHeader(_header_lines(self.headers.items(), self._hidden_request))

    @deferred
    async def log_response(self, log: Any, response: Any) -> None:
        """Write an answer to the log."""
        await log.addHeader(f"URL: {response.url}\nStatus code: {response.code}\n")
        await log.addHeader("Response headers:\n" + _header_lines(response.headers.items(), self._hidden_response))
        if self.stream:
            await log.addHeader("The body was not read.\n")
            return
        body = await response.content()
        await log.addHeader(" ------ Content ------\n")
        await log.addStdout(body.decode("utf-8", "replace"))
        if body and not body.endswith(b"\n"):
            await log.addStdout("\n")


def _header_lines(headers: Iterable[tuple[str, Any]], hidden: set[str]) -> str:
    return "".join(f"\t{name}: {HIDDEN if name.lower() in hidden else value}\n" for name, value in sorted(headers))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _pair(auth: Any) -> tuple[str, str] | None:
    """User name and password, from a pair or an object that has both."""
    if auth is None:
        return None
    if isinstance(auth, tuple | list):
        user, password = auth
    else:
        user, password = auth.username, auth.password
    return (user, password)


def _file(name: str, value: Any) -> Any:
    """A file of a form as treq takes it: (file name, content type, open file)."""
    file_name, content, kind = name, value, "application/octet-stream"
    if isinstance(value, tuple | list):
        file_name, content = value[0], value[1]
        kind = value[2] if len(value) > 2 else kind
    if isinstance(content, str):
        content = content.encode()
    return (file_name, kind, io.BytesIO(content) if isinstance(content, bytes) else content)


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)


class POST(HTTPStep):
    """A POST request; the parameters are those of :class:`HTTPStep`, without ``method``."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="POST", **kwargs)


class GET(HTTPStep):
    """A GET request."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="GET", **kwargs)


class PUT(HTTPStep):
    """A PUT request."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="PUT", **kwargs)


class DELETE(HTTPStep):
    """A DELETE request."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="DELETE", **kwargs)


class HEAD(HTTPStep):
    """A HEAD request."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="HEAD", **kwargs)


class OPTIONS(HTTPStep):
    """An OPTIONS request."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        super().__init__(url, method="OPTIONS", **kwargs)
