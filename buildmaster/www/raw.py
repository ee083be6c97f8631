"""Raw content (logs, build data) sent piece by piece: memory stays the same however large a log is.

The next piece is only asked for when the browser has taken the last one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import maybe
from buildmaster.data.base import EndpointKind
from buildmaster.data.resultspec import ResultSpec
from buildmaster.www import headers

log = Logger()
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")


class NotFound(Exception):
    """There is no such log or value."""


async def send(request: Any, endpoint: Any, kwargs: dict[str, Any]) -> Any:
    """Answer a request with what a RAW or RAW_INLINE endpoint streams; raises :class:`NotFound`."""
    content = await maybe(endpoint.stream, ResultSpec(), kwargs)
    if content is None:
        raise NotFound()
    _describe(request, content, endpoint.kind)
    if request.method == b"HEAD":
        return b""
    await Writer(request).write_all(pieces(content["raw"]))
    return b""


def _describe(request: Any, content: dict[str, Any], kind: EndpointKind) -> None:
    mime = content["mime-type"]
    if mime.startswith("text/") and "charset" not in mime:
        mime += "; charset=utf-8"
    request.setHeader(b"content-type", mime.encode("ascii", "replace"))
    headers.foreign(request, embeddable=kind is EndpointKind.RAW_INLINE)
    if kind is EndpointKind.RAW:
        name = _UNSAFE.sub("_", content["filename"]) or "log"
        request.setHeader(b"content-disposition", f'attachment; filename="{name}"'.encode())


async def pieces(raw: Any) -> AsyncIterator[bytes]:
    """The content as bytes, whether it is one text or comes in parts, at once or later."""
    if isinstance(raw, (str, bytes)):
        yield _bytes(raw)
    elif hasattr(raw, "__aiter__"):
        async for piece in raw:
            yield _bytes(piece)
    else:
        parts: Iterable[Any] = raw
        for piece in parts:
            yield _bytes(piece)


def _bytes(piece: str | bytes) -> bytes:
    return piece.encode("utf-8", "replace") if isinstance(piece, str) else piece


class _Gone(Exception):
    """The browser went away."""


@implementer(IPushProducer)
class Writer:
    """Writes to a request no faster than it is read."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self._may_write: defer.Deferred[None] | None = None
        self._gone = False

    async def write_all(self, content: AsyncIterator[bytes]) -> None:
        """Write all pieces; ends early, without an error, when the browser goes away."""
        self.request.registerProducer(self, True)
        try:
            async for piece in content:
                if piece:
                    await self._ready()
                    self.request.write(piece)
        except _Gone:
            return
        finally:
            if not self._gone:
                self.request.unregisterProducer()

    async def _ready(self) -> None:
        if self._may_write is not None:
            await self._may_write
        if self._gone:
            raise _Gone()

    def pauseProducing(self) -> None:
        if self._may_write is None:
            self._may_write = defer.Deferred()

    def resumeProducing(self) -> None:
        waiting, self._may_write = self._may_write, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        self._gone = True
        self.resumeProducing()
