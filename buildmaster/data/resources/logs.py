"""Logs of steps."""

from __future__ import annotations

import functools

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import hiding, logs, views
from buildmaster.db.log_text import Compression

OF_STEP = [
    "/steps/n:stepid/logs",
    "/builds/n:buildid/steps/i:step_name/logs",
    "/builds/n:buildid/steps/n:step_number/logs",
    "/builders/n:builderid/builds/n:build_number/steps/i:step_name/logs",
    "/builders/n:builderid/builds/n:build_number/steps/n:step_number/logs",
    "/builders/s:buildername/builds/n:build_number/steps/i:step_name/logs",
    "/builders/s:buildername/builds/n:build_number/steps/n:step_number/logs",
]
ONE_LOG = ["/logs/n:logid", *(pattern + "/i:log_slug" for pattern in OF_STEP)]


class LogEndpoint(base.ViewEndpoint):
    """One log."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ONE_LOG
    view = views.LOGS


class LogsEndpoint(base.ViewEndpoint):
    """The logs of a step."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = OF_STEP
    view = views.LOGS


class Log(base.ResourceType):
    """Text of a step.

    Its ``type`` is ``s`` (with channels: each line begins with ``o``, ``e`` or ``h``), ``t`` (text), ``h`` (HTML) or
    ``d`` (deleted).
    """

    name = "log"
    plural = "logs"
    endpoints = [LogEndpoint, LogsEndpoint]
    eventPathPatterns = ["/logs/:logid", "/steps/:stepid/logs/:slug"]
    events = ("new", "append", "finished")
    view = views.LOGS
    subresources = ["LogChunk"]

    class EntityType(types.Entity):
        logid = types.Integer()
        name = types.String()
        slug = types.Identifier(50)
        stepid = types.Integer()
        complete = types.Boolean()
        num_lines = types.Integer()
        type = types.Identifier(1)

    entityType = EntityType("log")

    @base.updateMethod
    @deferred
    async def addLog(self, stepid: int, name: str, type: str) -> int:
        """Store a new log, under the next free slug; returns its id."""
        row = await self.write_about("step", stepid, functools.partial(logs.add_unique, type=type), stepid, name)
        return row.logid

    @base.updateMethod
    @deferred
    async def appendLog(self, logid: int, content: str) -> tuple[int, int] | None:
        """Append whole lines, in the form of the log's type; returns the numbers of the first and last of them."""
        return await self.master.db.bulk(
            hiding.write_about,
            self.master.db.secrets,
            "log",
            logid,
            logs.append_text,
            logid,
            content,
            self._how(),
            size=len(content),
        )

    @base.updateMethod
    @deferred
    async def finishLog(self, logid: int) -> None:
        """No more lines come."""
        await self.master.db.bulk(logs.finish_by_id, logid)

    @base.updateMethod
    @deferred
    async def compressLog(self, logid: int) -> int:
        """Join the stored pieces of a log into full ones; returns how many bytes that saved."""
        return await self.master.db.bulk(logs.join_chunks, logid, self._how())

    def _how(self) -> Compression:
        return Compression.of(getattr(self.master, "config", None))
