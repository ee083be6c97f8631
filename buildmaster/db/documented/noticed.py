"""The documented connectors for what was noticed: changes and source stamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.aio import deferred
from buildmaster.base.records import NewChange, Patch, SourceStamp
from buildmaster.db import changes, included, query, schema, sourcestamps, users, views
from buildmaster.db.documented.base import DBConnectorComponent, When, epoch, ids_of, moment
from buildmaster.db.documented.models import ChangeModel, PatchModel, SourceStampModel
from buildmaster.db.view import Row

_requests = schema.buildrequests


class ChangesConnectorComponent(DBConnectorComponent):
    """``master.db.changes``: every method returns a Deferred."""

    @deferred
    async def addChange(
        self,
        author: str | None = None,
        committer: str | None = None,
        files: Sequence[str] | None = None,
        comments: str | None = None,
        is_dir: None = None,
        revision: str | None = None,
        when_timestamp: When = None,
        branch: str | None = None,
        category: str | None = None,
        revlink: str | None = "",
        properties: Mapping[str, tuple[Any, str]] | None = None,
        repository: str = "",
        codebase: str = "",
        project: str = "",
        uid: int | None = None,
    ) -> int:
        """Store a change as it stands (``master.data.updates.addChange`` does more); gives its id.

        ``properties`` maps names to (value, source); ``is_dir`` has had no meaning for long and must be None.
        """
        if is_dir is not None:
            raise TypeError("addChange: is_dir is not stored with changes any more")
        new = NewChange(
            author=author or "",
            committer=committer,
            files=list(files or ()),
            comments=comments or "",
            revision=revision,
            when_timestamp=int(epoch(when_timestamp) or self.db.now()),
            branch=branch,
            category=category,
            revlink=revlink or "",
            properties=dict(properties or {}),
            repository=repository or "",
            codebase=codebase or "",
            project=project or "",
            uid=uid,
        )
        return await self.db.write(changes.add, new)

    @deferred
    async def getChange(self, changeid: int) -> ChangeModel | None:
        """The change with this id, or None."""
        row = await self._one(views.CHANGES, {"changeid": changeid})
        return None if row is None else _change(row)

    @deferred
    async def getChangeFromSSid(self, sourcestampid: int) -> ChangeModel | None:
        """The newest change with this source stamp, or None."""
        rows = await self._rows(views.CHANGES, {"ssid": sourcestampid})
        return _change(max(rows, key=lambda row: row["changeid"])) if rows else None

    @deferred
    async def getChanges(self, resultSpec: Any = None) -> list[ChangeModel]:
        """All changes, or those of a result specification."""
        return [_change(row) for row in await self._rows(views.CHANGES, {}, {}, resultSpec)]

    @deferred
    async def getChangesCount(self) -> int:
        """How many changes there are."""
        return await self.db.read(lambda conn: conn.execute(sa.select(sa.func.count(schema.changes.c.id))).scalar())

    @deferred
    async def getChangesForBuild(self, buildid: int) -> list[ChangeModel]:
        """The changes that a build includes."""
        return [_change(row) for row in await self.db.read(_changes_of_build, buildid)]

    @deferred
    async def getChangeUids(self, changeid: int) -> list[int]:
        """The ids of the users behind the change."""
        return await self.db.read(users.of_change, changeid)

    @deferred
    async def getLatestChangeid(self) -> int | None:
        """The id of the newest change, or None."""
        return await self.db.read(lambda conn: conn.execute(sa.select(sa.func.max(schema.changes.c.id))).scalar())

    @deferred
    async def getParentChangeIds(self, branch: str | None, repository: str, project: str, codebase: str) -> list[int]:
        """The newest change on this line of development, of which the next one is the child; at most one."""
        return await self.db.read(_newest_on_line, changes.line_key(codebase, project, repository, branch))

    @deferred
    async def pruneChanges(self, changeHorizon: int) -> None:
        """Delete all but the newest changes, and those that something still needs."""
        after: int | None = 0
        while changeHorizon and after is not None:
            _, after = await self.db.bulk(changes.prune, changeHorizon, after)


def _change(row: Row) -> ChangeModel:
    values = dict(row)
    stamp = values.pop("sourcestamp")
    values["when_timestamp"] = moment(values["when_timestamp"])
    return ChangeModel(sourcestampid=stamp["ssid"], **values)


def _changes_of_build(conn: sa.Connection, buildid: int) -> list[Row]:
    requestid = conn.execute(sa.select(schema.builds.c.buildrequestid).where(schema.builds.c.id == buildid)).scalar()
    if requestid is None:
        return []
    found = query.fetch_by_ids(conn, views.CHANGES, included.change_ids(conn, requestid))
    return [found[changeid] for changeid in sorted(found)]


def _newest_on_line(conn: sa.Connection, line: str) -> list[int]:
    column = schema.changes.c
    return ids_of(conn, sa.select(column.id).where(column.line_key == line).order_by(column.id.desc()).limit(1))


class SourceStampsConnectorComponent(DBConnectorComponent):
    """``master.db.sourcestamps``."""

    @deferred
    async def findOrCreateId(
        self,
        branch: str | None = None,
        revision: str | None = None,
        repository: str | None = None,
        project: str | None = None,
        codebase: str | None = None,
        patch_body: bytes | None = None,
        patch_level: int | None = None,
        patch_author: str | None = None,
        patch_comment: str | None = None,
        patch_subdir: str | None = None,
    ) -> tuple[int, bool]:
        """The id of the source stamp with this content, stored if it is new; and whether it was there before."""
        patch = None
        if patch_body is not None:
            patch = Patch(patch_body, patch_level or 0, patch_subdir or ".", patch_author or "", patch_comment or "")
        stamp = SourceStamp(codebase or "", repository or "", project or "", branch, revision, patch)
        ssid, fresh = await self.db.write(sourcestamps.find_or_create, stamp)
        return ssid, not fresh

    @deferred
    async def findSourceStampId(
        self,
        branch: str | None = None,
        revision: str | None = None,
        repository: str | None = None,
        project: str | None = None,
        codebase: str | None = None,
        patch_body: bytes | None = None,
        patch_level: int | None = None,
        patch_author: str | None = None,
        patch_comment: str | None = None,
        patch_subdir: str | None = None,
    ) -> int:
        """The id of the source stamp with this content, stored if it is new."""
        patch = (patch_body, patch_level, patch_author, patch_comment, patch_subdir)
        return (await self.findOrCreateId(branch, revision, repository, project, codebase, *patch))[0]

    @deferred
    async def getSourceStamp(self, ssid: int) -> SourceStampModel | None:
        """The source stamp with this id, or None."""
        row = await self._one(views.SOURCESTAMPS, {"ssid": ssid})
        return None if row is None else _stamp(row)

    @deferred
    async def getSourceStamps(self) -> list[SourceStampModel]:
        """All source stamps."""
        return [_stamp(row) for row in await self._rows(views.SOURCESTAMPS, {})]

    @deferred
    async def get_sourcestamps_for_buildset(self, buildsetid: int) -> list[SourceStampModel]:
        """The source stamps of a buildset."""
        return [_stamp(row) for row in await self._rows(views.SOURCESTAMPS, {"buildsetid": buildsetid})]

    @deferred
    async def getSourceStampsForBuild(self, buildid: int) -> list[SourceStampModel]:
        """The source stamps of a build."""
        buildsetid = await self.db.read(_buildset_of_build, buildid)
        return [] if buildsetid is None else await self.get_sourcestamps_for_buildset(buildsetid)


def _stamp(row: Row) -> SourceStampModel:
    values = dict(row)
    patch = values.pop("patch")
    return SourceStampModel(patch=None if patch is None else PatchModel(**patch), **values)


def _buildset_of_build(conn: sa.Connection, buildid: int) -> int | None:
    joined = sa.select(_requests.c.buildsetid).join(schema.builds, schema.builds.c.buildrequestid == _requests.c.id)
    return conn.execute(joined.where(schema.builds.c.id == buildid)).scalar()
