"""The documented connectors for what is to be built: buildsets and build requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.aio import deferred
from buildmaster.base.moves import RequestState
from buildmaster.base.records import NewBuildset, SourceStamp
from buildmaster.db import buildsets, claiming, ending, query, requests, schema, views
from buildmaster.db.documented.base import DBConnectorComponent, When, asked, epoch, ids_of, moment
from buildmaster.db.documented.models import BuildRequestModel, BuildSetModel
from buildmaster.db.txn import Txn
from buildmaster.db.view import Row

_requests, _buildsets, _stamps = schema.buildrequests, schema.buildsets, schema.sourcestamps
_links = schema.buildset_sourcestamps


class AlreadyClaimedError(Exception):
    """One of the requests is not free to be claimed."""


class NotClaimedError(Exception):
    """One of the requests is not claimed, or has ended."""


class AlreadyCompleteError(RuntimeError):
    """The buildset has ended before."""


class BuildsetsConnectorComponent(DBConnectorComponent):
    """``master.db.buildsets``."""

    @deferred
    async def addBuildset(
        self,
        sourcestamps: Iterable[int | Mapping[str, Any]],
        reason: str,
        properties: Mapping[str, tuple[Any, str]],
        builderids: Sequence[int],
        waited_for: bool,
        external_idstring: str | None = None,
        submitted_at: When = None,
        rebuilt_buildid: int | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
        priority: int = 0,
    ) -> tuple[int, dict[int, int]]:
        """Store a buildset with a request for each builder; gives its id, and builder id → request id.

        Requests added here are not collapsed (``master.data.updates.addBuildset`` does that).  Source stamps are ids,
        or dictionaries of branch, revision, repository, project and codebase.
        """
        new = NewBuildset(
            builderids=list(builderids),
            sourcestamps=[_stamp_of(stamp) for stamp in sourcestamps],
            scheduler=None,
            reason=reason,
            properties=dict(properties),
            waited_for=waited_for,
            external_idstring=external_idstring,
            rebuilt_buildid=rebuilt_buildid,
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
            priority=priority,
        )
        return await self.db.write(_add_buildset, new, epoch(submitted_at))

    @deferred
    async def completeBuildset(self, bsid: int, results: int, complete_at: When = None) -> None:
        """The buildset ends; raises AlreadyCompleteError if it had."""
        await self.db.write(_complete_buildset, bsid, results, epoch(complete_at))

    @deferred
    async def getBuildset(self, bsid: int) -> BuildSetModel | None:
        """The buildset with this id, or None."""
        row = await self._one(views.BUILDSETS, {"bsid": bsid})
        return None if row is None else _buildset(row)

    @deferred
    async def getBuildsets(self, complete: bool | None = None, resultSpec: Any = None) -> list[BuildSetModel]:
        """All buildsets; those that have ended or have not; those of a result specification."""
        return [_buildset(row) for row in await self._rows(views.BUILDSETS, {}, {"complete": complete}, resultSpec)]

    @deferred
    async def getRecentBuildsets(
        self,
        count: int | None = None,
        branch: str | None = None,
        repository: str | None = None,
        complete: bool | None = None,
    ) -> list[BuildSetModel]:
        """The newest buildsets, at most ``count``, with a source stamp of this branch and repository; oldest first."""
        found = await self.db.read(_recent, count, branch, repository, complete)
        return [_buildset(row) for row in found]

    @deferred
    async def getBuildsetProperties(self, buildsetid: int) -> dict[str, tuple[Any, str]]:
        """Name → (value, source); empty if there is no such buildset."""
        return await self.db.read(buildsets.properties, buildsetid)


def _stamp_of(given: int | Mapping[str, Any]) -> int | SourceStamp:
    if isinstance(given, int):
        return given
    codebase, repository, project = (given.get(name) or "" for name in ("codebase", "repository", "project"))
    return SourceStamp(codebase, repository, project, given.get("branch"), given.get("revision"))


def _add_buildset(txn: Txn, new: NewBuildset, at: float | None) -> tuple[int, dict[int, int]]:
    buildsetid, requestids = buildsets.add(txn, new)
    if at is not None:
        txn.update(_buildsets, buildsetid, submitted_at=at)
        for requestid in requestids.values():
            txn.update(_requests, requestid, submitted_at=at)
    return buildsetid, requestids


def _complete_buildset(txn: Txn, buildsetid: int, results: int, at: float | None) -> None:
    txn.flush()
    row = buildsets.get(txn.conn, buildsetid)
    if row is None or row.complete:
        raise AlreadyCompleteError(buildsetid)
    ending.end_buildsets(txn, {buildsetid: results}, txn.now() if at is None else at)


def _recent(
    conn: sa.Connection, count: int | None, branch: str | None, repository: str | None, complete: bool | None
) -> list[Row]:
    statement = sa.select(_buildsets.c.id).order_by(_buildsets.c.submitted_at.desc(), _buildsets.c.id.desc())
    if complete is not None:
        statement = statement.where(_buildsets.c.complete == int(complete))
    wanted = _of_source(branch, repository)
    if wanted is not None:
        statement = statement.where(_buildsets.c.id.in_(wanted))
    ids = ids_of(conn, statement if count is None else statement.limit(count))
    found = query.fetch_by_ids(conn, views.BUILDSETS, ids)
    return [found[buildsetid] for buildsetid in reversed(ids)]


def _of_source(branch: str | None, repository: str | None) -> Any:
    """The ids of buildsets with a source stamp of this branch and repository; None if neither is given."""
    given = {"branch": branch, "repository": repository}
    conditions = [_stamps.c[name] == value for name, value in given.items() if value is not None]
    if not conditions:
        return None
    return sa.select(_links.c.buildsetid).join(_stamps, _stamps.c.id == _links.c.sourcestampid).where(*conditions)


def _buildset(row: Row) -> BuildSetModel:
    values = dict(row)
    values["sourcestamps"] = [stamp["ssid"] for stamp in values["sourcestamps"]]
    for name in ("submitted_at", "complete_at"):
        values[name] = moment(values[name])
    return BuildSetModel(**values)


class BuildRequestsConnectorComponent(DBConnectorComponent):
    """``master.db.buildrequests``."""

    @deferred
    async def getBuildRequest(self, brid: int) -> BuildRequestModel | None:
        """The request with this id, or None."""
        found = await self.db.read(_requests_of, {"buildrequestid": brid}, None, None, None)
        return found[0] if found else None

    @deferred
    async def getBuildRequests(
        self,
        builderid: int | None = None,
        complete: bool | None = None,
        claimed: bool | int | None = None,
        bsid: int | None = None,
        branch: str | None = None,
        repository: str | None = None,
        resultSpec: Any = None,
    ) -> list[BuildRequestModel]:
        """The requests for which all that is given holds.

        ``claimed``: whether some master has it, or the id of the one that has.  ``branch`` and ``repository`` are those
        of one of its source stamps.
        """
        fields: dict[str, Any] = {"builderid": builderid, "complete": complete, "buildsetid": bsid}
        fields["claimed" if isinstance(claimed, bool) else "claimed_by_masterid"] = claimed
        return await self.db.read(_requests_of, fields, branch, repository, resultSpec)

    @deferred
    async def claimBuildRequests(self, brids: Iterable[int], claimed_at: When = None) -> None:
        """Take pending requests for this master, all or none; raises AlreadyClaimedError."""
        if not await self.db.write(claiming.claim_exactly, list(brids), self.db.masterid, epoch(claimed_at)):
            raise AlreadyClaimedError

    @deferred
    async def unclaimBuildRequests(self, brids: Iterable[int]) -> None:
        """Put requests that this master has claimed back into the queue."""
        await self.db.write(claiming.unclaim, list(brids), self.db.masterid)

    @deferred
    async def completeBuildRequests(self, brids: Iterable[int], results: int, complete_at: When = None) -> None:
        """End claimed requests, all or none, and the buildsets that end with them; raises NotClaimedError."""
        await self.db.write(_complete_requests, sorted(set(brids)), results, epoch(complete_at))

    @deferred
    async def set_build_requests_priority(self, brids: Iterable[int], priority: int) -> None:
        """Give requests that have not ended another priority."""
        await self.db.write(requests.set_priority, list(brids), priority)


def _complete_requests(txn: Txn, requestids: Sequence[int], results: int, at: float | None) -> None:
    ended = ending.complete_in(txn, requestids, results, at, states=(RequestState.CLAIMED,))
    if len(ended) != len(requestids):
        raise NotClaimedError(sorted(set(requestids) - set(ended)))


def _requests_of(
    conn: sa.Connection, fields: Mapping[str, Any], branch: str | None, repository: str | None, spec: Any
) -> list[BuildRequestModel]:
    wanted = asked({name: value for name, value in fields.items() if value is not None}, spec)
    of_source = _of_source(branch, repository)
    if of_source is None:
        rows = query.fetch(conn, views.BUILDREQUESTS, {}, wanted).rows
    else:
        keys = ids_of(conn, sa.select(_requests.c.id).where(_requests.c.buildsetid.in_(of_source)))
        rows = query.fetch_among(conn, views.BUILDREQUESTS, keys, wanted).rows
    builders = query.fetch_by_ids(conn, views.BUILDERS, {row["builderid"] for row in rows})
    return [_request(row, builders[row["builderid"]]["name"]) for row in rows]


def _request(row: Row, buildername: str) -> BuildRequestModel:
    names = ("buildrequestid", "buildsetid", "builderid", "submitted_at", "complete_at", "complete", "results")
    more = ("waited_for", "priority", "claimed_at", "claimed_by_masterid")
    return BuildRequestModel(buildername=buildername, **{name: row[name] for name in (*names, *more)})
