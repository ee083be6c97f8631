"""A hosting service's HTTP interface, played by a real server on the real reactor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet import defer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.support.real_reactor import reactor, run

HANGS = object()
"""An answer that never comes."""


@attrs.frozen
class Asked:
    """A request as it came."""

    method: str
    path: str
    args: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


class Service(Resource):
    """Answers what ``answers`` says for "METHOD /path", or for "METHOD *".

    An answer is a JSON value (200), a pair (status, JSON value or bytes), :data:`HANGS`, or a function of the request.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {}
        self.url = ""
        self._waiting: list[tuple[Callable[[], bool], defer.Deferred[None]]] = []

    def render(self, request: Any) -> Any:
        asked = Asked(
            request.method.decode(),
            request.path.decode(),
            {name.decode(): values[0].decode() for name, values in request.args.items()},
            {name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()},
            request.content.read(),
        )
        self.asked.append(asked)
        for wait in [wait for wait in self._waiting if wait[0]()]:
            self._waiting.remove(wait)
            wait[1].callback(None)
        answer = self.answers.get(asked.line, self.answers.get(f"{asked.method} *", (404, {"message": "Not Found"})))
        return self._send(request, answer(asked) if isinstance(answer, Callable) else answer)  # type: ignore[arg-type]

    def _send(self, request: Any, answer: Any) -> Any:
        if answer is HANGS:
            request.notifyFinish().addErrback(lambda _: None)
            return NOT_DONE_YET
        status, value = answer if isinstance(answer, tuple) else (200, answer)
        request.setResponseCode(status)
        if isinstance(value, bytes):
            return value
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(value).encode()

    def below(self, path: str, matches: Callable[[Asked], bool] = lambda _: True) -> list[Asked]:
        """The requests so far whose paths begin so, and that match."""
        return [asked for asked in self.asked if asked.path.startswith(path) and matches(asked)]

    def wait_for(self, count: int, path: str = "/", matches: Callable[[Asked], bool] = lambda _: True) -> list[Asked]:
        """The first such requests, once so many have come."""
        if len(self.below(path, matches)) < count:
            come: defer.Deferred[None] = defer.Deferred()
            self._waiting.append((lambda: len(self.below(path, matches)) >= count, come))
            run(come, timeout=10)
        return self.below(path, matches)[:count]

    @property
    def lines(self) -> list[str]:
        return [asked.line for asked in self.asked]


@contextmanager
def serving() -> Iterator[Service]:
    """A running service; ``url`` is its address."""
    service = Service()
    port = reactor.listenTCP(0, Site(service), interface="127.0.0.1")
    service.url = f"http://127.0.0.1:{port.getHost().port}"
    try:
        yield service
    finally:
        run(defer.maybeDeferred(port.stopListening))
