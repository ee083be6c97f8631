"""The documented connectors for what was built: builds, steps, logs."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs

from buildmaster.base.aio import deferred
from buildmaster.db import build_properties, builds, hiding, logs, steps, views
from buildmaster.db.builds import BuildRow
from buildmaster.db.documented.base import DBConnectorComponent, When, epoch, moment
from buildmaster.db.documented.models import BuildModel, LogModel, StepModel, UrlModel
from buildmaster.db.logs import LogSlugExistsError
from buildmaster.db.steps import StepRow
from buildmaster.db.txn import Txn
from buildmaster.db.view import Row

LINES_READ = 1000
"""How many lines of a log are read at a time."""


class BuildsConnectorComponent(DBConnectorComponent):
    """``master.db.builds``: every method returns a Deferred."""

    @deferred
    async def getBuild(self, buildid: int) -> BuildModel | None:
        """The build with this id, or None."""
        return _build(await self.db.read(builds.get, buildid))

    @deferred
    async def getBuildByNumber(self, builderid: int, number: int) -> BuildModel | None:
        """The builder's build with this number, or None."""
        return _build(await self.db.read(builds.get_by_number, builderid, number))

    @deferred
    async def getPrevSuccessfulBuild(self, builderid: int, number: int, ssBuild: Sequence[Any]) -> BuildModel | None:
        """The newest successful build before ``number`` that was of the same branches as these source stamps."""
        sources = {(stamp["repository"], stamp["branch"], stamp["codebase"]) for stamp in ssBuild}
        return _build(await self.db.read(builds.previous_successful, builderid, number, sources))

    @deferred
    async def getBuilds(
        self,
        builderid: int | None = None,
        buildrequestid: int | None = None,
        workerid: int | None = None,
        complete: bool | None = None,
        resultSpec: Any = None,
    ) -> list[BuildModel]:
        """The builds for which all that is given holds.

        ``resultSpec`` has filters, order, limit and offset, with the names of fields that the data API has.
        """
        fields = {"builderid": builderid, "buildrequestid": buildrequestid, "workerid": workerid, "complete": complete}
        return [_build_of(row) for row in await self._rows(views.BUILDS, {}, fields, resultSpec)]

    @deferred
    async def getBuildsForChange(self, changeid: int) -> list[BuildModel]:
        """The builds of a change."""
        return [_build_of(row) for row in await self.db.read(builds.for_change, changeid)]

    @deferred
    async def get_triggered_builds(self, buildid: int) -> list[BuildModel]:
        """The builds that this build has triggered."""
        return [_build_of(row) for row in await self.db.read(builds.triggered, buildid)]

    @deferred
    async def getBuildProperties(self, bid: int, resultSpec: Any = None) -> dict[str, tuple[Any, str]]:
        """Name → (value, source) of the build's properties; ``resultSpec`` may choose by ``name`` and ``source``."""
        found = await self.db.read(build_properties.get, bid) or {}
        if resultSpec is None:
            return found
        items = [{"name": name, "value": value, "source": source} for name, (value, source) in found.items()]
        return {item["name"]: found[item["name"]] for item in resultSpec.apply(items)}

    @deferred
    async def addBuild(
        self, builderid: int, buildrequestid: int, workerid: int | None, masterid: int, state_string: str
    ) -> tuple[int, int]:
        """Store a new build; gives its id and its number."""
        row = await self.db.write(builds.add, builderid, buildrequestid, workerid, masterid, state_string)
        return row.buildid, row.number

    @deferred
    async def setBuildStateString(self, buildid: int, state_string: str) -> None:
        """Store what the build is doing."""
        await self._write_about("build", buildid, _set_state_string, buildid, state_string)

    @deferred
    async def finishBuild(self, buildid: int, results: int) -> None:
        """The build ends now; its request is left as it is."""
        await self.db.write(builds.finish_by_id, buildid, results)

    @deferred
    async def setBuildProperty(self, bid: int, name: str, value: Any, source: str) -> None:
        """Set one of the build's properties."""
        await self._write_about("build", bid, build_properties.set_one, bid, name, value, source)

    @deferred
    async def add_build_locks_duration(self, buildid: int, duration_s: int) -> None:
        """Add to the seconds that the build has waited for locks."""
        await self.db.write(builds.add_locks_duration, buildid, duration_s)


def _build(row: BuildRow | None) -> BuildModel | None:
    return None if row is None else _build_of(row)


def _build_of(row: BuildRow | Row) -> BuildModel:
    return BuildModel(
        id=row.buildid,
        number=row.number,
        builderid=row.builderid,
        buildrequestid=row.buildrequestid,
        workerid=row.workerid,
        masterid=row.masterid,
        started_at=moment(row.started_at),  # type: ignore[arg-type]  # every build has begun
        complete_at=moment(row.complete_at),
        locks_duration_s=row.locks_duration_s,
        state_string=row.state_string,
        results=row.results,
    )


def _set_state_string(txn: Txn, buildid: int, text: str) -> None:
    txn.flush()
    row = builds.get(txn.conn, buildid)
    if row is not None:
        builds.set_state_string(txn, attrs.evolve(row, state_string=text))


class StepsConnectorComponent(DBConnectorComponent):
    """``master.db.steps``."""

    @deferred
    async def getStep(
        self, stepid: int | None = None, buildid: int | None = None, number: int | None = None, name: str | None = None
    ) -> StepModel | None:
        """The step with this id, or a build's step with this number or name; None if there is none."""
        if stepid is not None:
            row = await self.db.read(steps.get, stepid)
            return None if row is None else _step(row)
        if buildid is None or (number is None) == (name is None):
            raise TypeError("getStep takes stepid, or buildid with either number or name")
        found = await self.db.read(steps.find, buildid, number, name)
        return _step(found[0]) if found else None

    @deferred
    async def getSteps(self, buildid: int) -> list[StepModel]:
        """The build's steps in their order."""
        return [_step(row) for row in await self.db.read(steps.find, buildid)]

    @deferred
    async def addStep(self, buildid: int, name: str, state_string: str) -> tuple[int, int, str]:
        """Store a new step, under a name that is unique in its build; gives its id, number and name."""
        row = await self.db.write(steps.add_next, buildid, name, state_string)
        return row.stepid, row.number, row.name

    @deferred
    async def startStep(self, stepid: int, started_at: When, locks_acquired: bool) -> None:
        """The step begins; ``locks_acquired``: it has no locks to wait for."""
        at = epoch(started_at)
        values = {"started_at": at, **({"locks_acquired_at": at} if locks_acquired else {})}
        await self.db.write(steps.change, stepid, "started", **values)

    @deferred
    async def set_step_locks_acquired_at(self, stepid: int, locks_acquired_at: When) -> None:
        """The step has got its locks."""
        await self.db.write(steps.change, stepid, "updated", locks_acquired_at=epoch(locks_acquired_at))

    @deferred
    async def setStepStateString(self, stepid: int, state_string: str) -> None:
        """Store what the step is doing."""
        await self._write_about("step", stepid, steps.set_state_string, stepid, state_string)

    @deferred
    async def addURL(self, stepid: int, name: str, url: str) -> None:
        """Add a link; the same one twice is one."""
        await self._write_about("step", stepid, steps.add_url, stepid, name, url)

    @deferred
    async def finishStep(self, stepid: int, results: int, hidden: bool) -> None:
        """The step ends now."""
        await self.db.write(_finish_step, stepid, results, hidden)


def _step(row: StepRow) -> StepModel:
    return StepModel(
        id=row.stepid,
        number=row.number,
        name=row.name,
        buildid=row.buildid,
        started_at=moment(row.started_at),
        locks_acquired_at=moment(row.locks_acquired_at),
        complete_at=moment(row.complete_at),
        state_string=row.state_string,
        results=row.results,
        urls=[UrlModel(name, url) for name, url in row.urls],
        hidden=row.hidden,
    )


def _finish_step(txn: Txn, stepid: int, results: int, hidden: bool) -> None:
    values = {"complete": True, "complete_at": txn.now(), "results": results, "hidden": bool(hidden)}
    steps.change(txn, stepid, "finished", **values)


class LogsConnectorComponent(DBConnectorComponent):
    """``master.db.logs``.

    The lines of a log of type ``s`` begin with the letter of their channel (``o``, ``e``, ``h``); each ends with a
    newline.
    """

    @deferred
    async def getLog(self, logid: int) -> LogModel | None:
        """The log with this id, or None."""
        return _log(await self.db.read(logs.get, logid))

    @deferred
    async def getLogBySlug(self, stepid: int, slug: str) -> LogModel | None:
        """The step's log with this slug, or None."""
        return _log(await self.db.read(logs.get_by_slug, stepid, slug))

    @deferred
    async def getLogs(self, stepid: int | None = None) -> list[LogModel]:
        """The step's logs; without a step all there are."""
        return [_log_of(row) for row in await self.db.read(logs.find, stepid)]

    @deferred
    async def getLogLines(self, logid: int, first_line: int, last_line: int) -> str:
        """The lines from one number to another, both included, as far as there are such."""
        return await self.db.read(logs.read_lines, logid, first_line, last_line)

    async def iter_log_lines(self, logid: int, first_line: int = 0, last_line: int | None = None) -> AsyncIterator[str]:
        """The lines one by one, read in portions."""
        while last_line is None or first_line <= last_line:
            end = first_line + LINES_READ - 1
            text = await self.db.read(
                logs.read_lines, logid, first_line, end if last_line is None else min(end, last_line)
            )
            lines = text.split("\n")[:-1]
            for line in lines:
                yield line + "\n"
            if len(lines) < LINES_READ:
                return
            first_line = end + 1

    @deferred
    async def addLog(self, stepid: int, name: str, slug: str, type: str) -> int:
        """Store a new log; gives its id.  Raises LogSlugExistsError (a KeyError) if the step has that slug."""
        return await self._write_about("step", stepid, functools.partial(_add_log, slug=slug, type=type), stepid, name)

    @deferred
    async def appendLog(self, logid: int, content: str) -> tuple[int, int] | None:
        """Add whole lines; gives the numbers of the first and the last, or None if there is no such log."""
        return await self.db.bulk(
            hiding.write_about, self.db.secrets, "log", logid, logs.append_text, logid, content, size=len(content)
        )

    @deferred
    async def finishLog(self, logid: int) -> None:
        """The log is complete."""
        await self.db.bulk(logs.finish_by_id, logid)

    @deferred
    async def compressLog(self, logid: int, force: bool = False) -> int:
        """Join the pieces of a complete log, or with ``force`` of any; gives the bytes saved."""
        row = await self.db.read(logs.get, logid)
        if row is None or not (row.complete or force):
            return 0
        return await self.db.bulk(logs.join_chunks, logid)

    @deferred
    async def deleteOldLogChunks(self, older_than_timestamp: float) -> int:
        """Delete the text of logs of steps that began before that (epoch seconds); gives how many logs had some."""
        deleted, last = 0, 0
        while last is not None:
            count, last = await self.db.bulk(logs.delete_old, older_than_timestamp, last)
            deleted += count
        return deleted


def _log(row: logs.LogRow | None) -> LogModel | None:
    return None if row is None else _log_of(row)


def _log_of(row: logs.LogRow) -> LogModel:
    return LogModel(
        id=row.logid,
        name=row.name,
        slug=row.slug,
        stepid=row.stepid,
        complete=row.complete,
        num_lines=row.num_lines,
        type=row.type,
    )


def _add_log(txn: Txn, stepid: int, name: str, slug: str, type: str) -> int:
    txn.flush()
    if logs.get_by_slug(txn.conn, stepid, slug) is not None:
        raise LogSlugExistsError(slug)
    row = logs.LogRow(txn.new_id("logs"), stepid, name, slug, type)
    logs.add(txn, row)
    return row.logid
