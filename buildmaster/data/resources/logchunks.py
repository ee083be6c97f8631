"""The text of logs, by lines or as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from buildmaster.data import base, types
from buildmaster.data.resources.logs import ONE_LOG
from buildmaster.db import logs, query, views
from buildmaster.db.view import Row

_MOST_LINES = 2**62
_MIME = {"h": "text/html"}


class LogChunkEndpoint(base.ViewEndpoint):
    """Lines of a log: ``offset`` says the first one, ``limit`` how many; all without them."""

    kind = base.EndpointKind.SINGLE
    isPseudoCollection = True
    pathPatterns = ["/logchunks", *(pattern + "/contents" for pattern in ONE_LOG)]
    rootLinkName = "logchunks"
    view = views.LOGS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """At ``/logchunks`` the filter ``logid`` names the log."""
        if not kwargs:
            logid = resultSpec.popIntegerFilter("logid")
            if logid is None:
                return None
            kwargs = {"logid": logid}
        first = resultSpec.offset or 0
        last = _MOST_LINES if resultSpec.limit is None else first + resultSpec.limit - 1
        resultSpec.removePagination()
        return await self.reading(_read, kwargs, first, last)


def _read(conn: Any, where: Mapping[str, Any], first: int, last: int) -> Row | None:
    log = query.fetch_one(conn, views.LOGS, where)
    if log is None:
        return None
    content = logs.read_lines(conn, log["logid"], first, last) if last >= first else ""
    return Row(logid=log["logid"], firstline=first, content=content)


class _RawEndpoint(base.ViewEndpoint):
    view = views.LOG_PLACES
    without = ""

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """``raw`` (the whole text), ``mime-type`` and ``filename``; None if there is no such log."""
        found = await self.stream(resultSpec, kwargs)
        if found is not None:
            found["raw"] = "".join([piece async for piece in found["raw"]])
        return found

    async def stream(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """The same, but ``raw`` is an asynchronous iterator over the text, about a megabyte at a time."""
        place = await self.reading(query.fetch_one, self.view, kwargs)
        if place is None:
            return None
        name = f"{place['builder']}_build_{place['build']}_step_{place['step']}_log_{place['slug']}"
        mime = _MIME.get(place["type"], "text/plain")
        return {"raw": self._pieces(place["logid"]), "mime-type": mime, "filename": name}

    async def _pieces(self, logid: int) -> AsyncIterator[str]:
        line = 0
        while (piece := await self._piece(logid, line)) is not None:
            text, line = piece
            yield text

    def _piece(self, logid: int, line: int) -> Any:
        return self.master.db.read(logs.raw_piece, logid, line, 1 << 20, self.without)


class RawLogChunkEndpoint(_RawEndpoint):
    """The plain text of a log, to be saved."""

    kind = base.EndpointKind.RAW
    pathPatterns = [pattern + "/raw" for pattern in ONE_LOG]


class RawInlineLogChunkEndpoint(_RawEndpoint):
    """The plain text of a log, to be shown."""

    kind = base.EndpointKind.RAW_INLINE
    pathPatterns = [pattern + "/raw_inline" for pattern in ONE_LOG]


class OutputEndpoint(_RawEndpoint):
    """The text of stdout and stderr, without the headers; of a log without channels, all of it."""

    kind = base.EndpointKind.RAW_INLINE
    pathPatterns = [pattern + "/text" for pattern in ONE_LOG]
    without = "h"


class LogChunk(base.ResourceType):
    """Lines of a log; each ends with a newline, and in a log with channels begins with its channel's letter."""

    name = "logchunk"
    plural = "logchunks"
    endpoints = [LogChunkEndpoint, RawLogChunkEndpoint, RawInlineLogChunkEndpoint, OutputEndpoint]

    class EntityType(types.Entity):
        logid = types.Integer()
        firstline = types.Integer()
        content = types.String()

    entityType = EntityType("logchunk")
