"""Server-sent events: ``/sse/listen/PATH``, ``/sse/add/UUID/PATH`` and ``/sse/remove/UUID/PATH``.

Every event carries the journal position as its id, so a browser that reconnects (``Last-Event-ID``) goes on without a
gap, after a restart of the master too.  ``since=POSITION`` in the URL does the same for a first connection.  If what
came in between is no longer kept the client gets one ``gap`` event and should read the state anew.
"""

from __future__ import annotations

import uuid
from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IPushProducer
from twisted.web import server
from zope.interface import implementer

from buildmaster.base.aio import deferred
from buildmaster.base.strings import bytes2unicode
from buildmaster.www.encoding import to_json
from buildmaster.www.events import Feed, TooManyFilters, parse_filter
from buildmaster.www.resource import Error, Resource

#: seconds between comments that keep proxies from closing an idle connection
KEEPALIVE_SECONDS = 20.0
#: how long a browser waits before it connects again, in milliseconds
RETRY_MS = 1000


def frame(event: str, data: bytes, position: int | None = None) -> bytes:
    """One event as it stands on the wire."""
    lines = [b"event: " + event.encode()]
    if position is not None:
        lines.append(b"id: %d" % position)
    lines.extend(b"data: " + line for line in data.split(b"\n"))
    return b"\n".join(lines) + b"\n\n"


@implementer(IPushProducer)
class Stream:
    """An open answer of type ``text/event-stream``."""

    def __init__(self, request: Any, clock: Any) -> None:
        self.request = request
        self.clock = clock
        self.closed = False
        self._timer: Any = None
        request.setHeader(b"content-type", b"text/event-stream")
        request.setHeader(b"cache-control", b"no-cache")
        request.setHeader(b"x-accel-buffering", b"no")
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(self._finished)
        request.write(b"retry: %d\n\n" % RETRY_MS)
        self._keep_alive()

    def send(self, event: str, data: bytes, position: int | None = None) -> None:
        """Write one event."""
        if not self.closed:
            self.request.write(frame(event, data, position))

    def close(self) -> None:
        """End the answer; the browser will connect again."""
        if not self.closed:
            self.request.unregisterProducer()
            self.request.finish()

    def on_close(self) -> None:
        """The browser has gone, or the answer was ended."""

    def pauseProducing(self) -> None:
        """The browser does not read."""

    def resumeProducing(self) -> None:
        """The browser reads again."""

    def stopProducing(self) -> None:
        """The connection is gone; ``notifyFinish`` tells that too."""

    def _finished(self, _: Any) -> None:
        self.closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.on_close()

    def _keep_alive(self) -> None:
        if not self.closed:
            self._timer = self.clock.callLater(KEEPALIVE_SECONDS, self._keep_alive)
            self.request.write(b": still here\n\n")


class EventStream(Stream):
    """One browser's events."""

    def __init__(self, request: Any, master: Any, closed: Any) -> None:
        self.uuid = str(uuid.uuid4())
        self.feed = Feed(master.mq, self._event, self._gap)
        self._forget = closed
        super().__init__(request, master.reactor)

    async def open(self, filters: list[Any], after: int | None) -> None:
        """Say hello with the id that later adds and removes name, then begin."""
        start = self.feed._mq.journal.head if after is None else after
        self.send("handshake", self.uuid.encode(), start)
        await self.feed.start(filters, start)

    def pauseProducing(self) -> None:
        self.feed.pause()

    def resumeProducing(self) -> None:
        self.feed.resume()

    def on_close(self) -> None:
        self._forget(self.uuid)
        defer.Deferred.fromCoroutine(self.feed.close())

    def _event(self, position: int, key: tuple[str, ...], body: Any) -> None:
        self.send("event", to_json({"key": list(key), "message": body}), position)

    def _gap(self, after: int) -> None:
        self.send("gap", to_json({"after": after, "newest": self.feed.position}), self.feed.position)


class EventResource(Resource):
    """``/sse``."""

    isLeaf = True

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.streams: dict[str, EventStream] = {}

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self._answer)

    async def _answer(self, request: Any) -> Any:
        words = [bytes2unicode(word, errors="replace") for word in request.postpath if word]
        self.www.check_cross_origin(request)
        verb, rest = (words[0], words[1:]) if words else ("listen", [])
        if verb == "listen":
            return await self._listen(request, rest)
        if verb in ("add", "remove") and rest:
            return await self._change(request, verb, rest[0], rest[1:])
        raise Error(404, b"use /sse/listen/PATH, /sse/add/UUID/PATH or /sse/remove/UUID/PATH")

    async def _listen(self, request: Any, words: list[str]) -> int:
        paths = [bytes2unicode(path, errors="replace") for path in request.args.get(b"path", [])]
        if words:
            paths.append("/".join(words))
        for path in paths:
            await self._assert_allowed(request, path)
        after = resume_position(request)
        stream = EventStream(request, self.master, lambda name: self.streams.pop(name, None))
        self.streams[stream.uuid] = stream
        await stream.open([parse_filter(path) for path in paths], after)
        return server.NOT_DONE_YET

    async def _change(self, request: Any, verb: str, name: str, words: list[str]) -> bytes:
        stream = self.streams.get(name)
        if stream is None:
            raise Error(400, b"unknown uuid")
        path = "/".join(words)
        if verb == "add":
            await self._assert_allowed(request, path)
            try:
                stream.feed.add(parse_filter(path))
            except TooManyFilters as error:
                raise Error(400, str(error).encode())
        elif not stream.feed.remove(parse_filter(path)):
            raise Error(404, b"this path was not listened to")
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b""

    @deferred
    async def _assert_allowed(self, request: Any, path: str) -> None:
        await self.www.assertUserAllowed(request, tuple(path.strip("/").split("/")), "get", {})

    def close_all(self) -> None:
        """End all answers, so that a stopping master does not wait for browsers."""
        for stream in list(self.streams.values()):
            stream.close()


def resume_position(request: Any) -> int | None:
    """The position behind which a client wants to go on, or None."""
    given = request.getHeader(b"last-event-id") or request.args.get(b"since", [b""])[0]
    if not given:
        return None
    try:
        return max(0, int(given))
    except ValueError:
        raise Error(400, b"Last-Event-ID and since are numbers that this server gave as an event's id")
