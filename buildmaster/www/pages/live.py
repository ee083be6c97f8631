"""Pages that change while they are looked at.

A page's changing parts are the blocks ``live_*`` of its template.  When events come that concern it, the page is
loaded again, at most every :data:`EVERY_SECONDS` and not more often than can be afforded, and the parts that differ
are sent whole.  So what a browser shows depends on the state alone and not on having seen every event: after a lost
connection or a restart of the master the next message puts it right.  Visitors who see the same page share one
loading of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.web.error import Error

from buildmaster.mq.connector import Gap
from buildmaster.www.sse import Stream

log = Logger()

EVERY_SECONDS = 0.25
#: a page that takes long to load is loaded less often: it shall not take more than a twentieth of the time …
COST_FACTOR = 20.0
#: … but at least this often
AT_LATEST_SECONDS = 3.0

Filters = Sequence[tuple["str | None", ...]]


class Loaded:
    """A page as it was just now: its parts, and which events can change them."""

    def __init__(self, parts: Mapping[str, str], watch: Filters) -> None:
        self.parts = dict(parts)
        self.watch = [tuple(filter) for filter in watch]


class PageStream(Stream):
    """The connection of one browser that looks at a page."""

    def __init__(self, request: Any, clock: Any, view: LiveView) -> None:
        self._view = view
        self._shown: dict[str, str] = {}
        self._paused = False
        super().__init__(request, clock)

    def show(self, parts: Mapping[str, str], position: int) -> None:
        """Send the parts that this browser does not have yet; one that does not read gets the newest state later."""
        if self._paused:
            return
        for name, html in parts.items():
            if self._shown.get(name) != html:
                self._shown[name] = html
                self.send(name, html.encode(), position)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._view.show_again(self)

    def on_close(self) -> None:
        self._view.leave(self)


class LiveView:
    """A page that at least one browser looks at."""

    def __init__(self, master: Any, load: Callable[[], Any], forget: Callable[[], None]) -> None:
        self.master = master
        self._load = load
        self._forget = forget
        self._streams: list[PageStream] = []
        self._now: Loaded | None = None
        self._position = 0
        self._qref: Any = None
        self._timer: Any = None
        self._loading = False
        self._dirty = False
        self._last = float("-inf")
        self._cost = 0.0
        self._lock = defer.DeferredLock()

    async def join(self, request: Any) -> PageStream:
        """Begin to keep a browser's page up to date.

        It is sent every part once, whatever it has: what its page was made from may be older than what is known here,
        though both were read at the same position of the journal (a commit is seen before it is told of).
        """
        await self._lock.acquire()
        try:
            if self._now is None:
                await self._reload()
        finally:
            self._lock.release()
        stream = PageStream(request, self.master.reactor, self)
        self._streams.append(stream)
        assert self._now is not None
        stream.show(self._now.parts, self._position)
        return stream

    def leave(self, stream: PageStream) -> None:
        """A browser has gone; with the last one the page is forgotten."""
        if stream in self._streams:
            self._streams.remove(stream)
        if not self._streams:
            self._forget()
            if self._timer is not None and self._timer.active():
                self._timer.cancel()
            qref, self._qref = self._qref, None
            if qref is not None:
                defer.Deferred.fromCoroutine(_stop(qref))

    def show_again(self, stream: PageStream) -> None:
        """A browser reads again."""
        if self._now is not None:
            stream.show(self._now.parts, self._position)

    def close(self) -> None:
        """The master stops."""
        for stream in list(self._streams):
            stream.close()

    def _event(self, position: int, key: tuple[str, ...], body: Any) -> None:
        self._dirty = True
        self._schedule()

    def _schedule(self) -> None:
        if self._loading or (self._timer is not None and self._timer.active()):
            return
        pace = min(AT_LATEST_SECONDS, max(EVERY_SECONDS, COST_FACTOR * self._cost))
        due = max(0.0, self._last + pace - self.master.reactor.seconds())
        self._timer = self.master.reactor.callLater(due, self._due)

    def _due(self) -> None:
        done = defer.Deferred.fromCoroutine(self._refresh())
        done.addErrback(self._try_later)

    def _try_later(self, failure: Any) -> None:
        log.failure("a live page could not be loaded again, it will be tried in a moment", failure)
        if self._streams and not (self._timer is not None and self._timer.active()):
            self._timer = self.master.reactor.callLater(AT_LATEST_SECONDS, self._due)

    async def _refresh(self) -> None:
        await self._lock.acquire()
        try:
            if self._streams:
                await self._reload()
        except Error:  # what the page is about is gone, or may no longer be seen: the browser asks again and is told
            self.close()
            return
        finally:
            self._lock.release()
        assert self._now is not None
        for stream in list(self._streams):
            stream.show(self._now.parts, self._position)

    async def _reload(self) -> None:
        self._loading, self._dirty = True, False
        begun = self.master.reactor.seconds()
        try:
            position = self.master.mq.journal.head
            loaded: Loaded = await self._load()
            before, self._now, self._position = self._now, loaded, position
            if before is None or before.watch != loaded.watch:
                await self._watch(loaded.watch, position)
        finally:
            self._loading = False
            self._last = self.master.reactor.seconds()
            self._cost = self._last - begun
            if self._dirty:
                self._schedule()

    async def _watch(self, filters: Filters, after: int) -> None:
        old, self._qref = self._qref, None
        try:
            self._qref = await self.master.mq.subscribe(filters, self._event, after=after)
        except Gap:
            self._qref = await self.master.mq.subscribe(filters, self._event)
            self._dirty = True
        if old is not None:
            await _stop(old)


async def _stop(qref: Any) -> None:
    await qref.stopConsuming()
