"""The documented connectors for what is configured: builders, workers, schedulers, change sources, projects …"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.aio import deferred
from buildmaster.db import builders, masters, projects, schedulers, schema, sources, views, workers
from buildmaster.db.documented.base import DBConnectorComponent
from buildmaster.db.documented.models import (
    BuilderMasterModel,
    BuilderModel,
    ChangeSourceModel,
    MasterModel,
    ProjectModel,
    SchedulerModel,
    WorkerModel,
)
from buildmaster.db.txn import Txn
from buildmaster.db.view import Row

_ANY = -1
"""Stands for any value of a change, where None is one."""


class SchedulerAlreadyClaimedError(Exception):
    """Another active master runs the scheduler."""


class ChangeSourceAlreadyClaimedError(Exception):
    """Another active master runs the change source."""


class BuildersConnectorComponent(DBConnectorComponent):
    """``master.db.builders``: every method returns a Deferred."""

    @deferred
    async def findBuilderId(self, name: str, autoCreate: bool = True) -> int | None:
        """The id of the builder of this name, stored if it is new unless ``autoCreate`` is false."""
        if autoCreate:
            return await self.db.write(builders.find_id, name)
        row = await self._one(views.BUILDERS, {"buildername": name})
        return None if row is None else row["builderid"]

    @deferred
    async def getBuilder(self, builderid: int) -> BuilderModel | None:
        """The builder with this id, or None."""
        row = await self._one(views.BUILDERS, {"builderid": builderid})
        return None if row is None else _builder(row)

    @deferred
    async def getBuilders(
        self, masterid: int | None = None, projectid: int | None = None, workerid: int | None = None
    ) -> list[BuilderModel]:
        """The builders of a master, of a project, of a worker; of all that are given."""
        scopes = {"masterid": masterid, "projectid": projectid, "workerid": workerid}
        return [_builder(row) for row in await self._rows(views.BUILDERS, scopes)]

    @deferred
    async def addBuilderMaster(self, builderid: int, masterid: int) -> None:
        """The builder is configured on the master."""
        await self.db.write(_set_builder_master, builderid, masterid, True)

    @deferred
    async def removeBuilderMaster(self, builderid: int, masterid: int) -> None:
        """It is not any more."""
        await self.db.write(_set_builder_master, builderid, masterid, False)

    @deferred
    async def updateBuilderInfo(
        self,
        builderid: int,
        description: str | None,
        description_format: str | None,
        description_html: str | None,
        projectid: int | None,
        tags: Sequence[str],
    ) -> None:
        """Store what is said of the builder."""
        info = (description, description_format, description_html, projectid, tags)
        await self.db.write(builders.update_info, builderid, *info)


def _builder(row: Row) -> BuilderModel:
    return BuilderModel(id=row.pop("builderid"), **row)


def _set_builder_master(txn: Txn, builderid: int, masterid: int, wanted: bool) -> None:
    txn.flush()
    table, links = schema.builders, schema.builder_masters
    name = txn.execute(sa.select(table.c.name).where(table.c.id == builderid)).scalar()
    query = sa.select(table.c.name).join(links, links.c.builderid == table.c.id).where(links.c.masterid == masterid)
    names = list(txn.execute(query).scalars())
    if name is not None and (name in names) != wanted:
        builders.set_of_master(txn, masterid, [*names, name] if wanted else [n for n in names if n != name])


class MastersConnectorComponent(DBConnectorComponent):
    """``master.db.masters``."""

    @deferred
    async def findMasterId(self, name: str) -> int:
        """The id of the master of this name, stored as an inactive one if it is new."""
        return await self.db.write(_find_master, name)

    @deferred
    async def getMaster(self, masterid: int) -> MasterModel | None:
        """The master with this id, or None."""
        row = await self._one(views.MASTERS, {"masterid": masterid})
        return None if row is None else _master(row)

    @deferred
    async def getMasters(self) -> list[MasterModel]:
        """All masters."""
        return [_master(row) for row in await self._rows(views.MASTERS, {})]

    @deferred
    async def setMasterState(self, masterid: int, active: bool) -> bool:
        """A master lives, or its life ends and all that it holds is free; gives whether that was news."""
        return await self.db.write(_set_master_state, masterid, active)

    @deferred
    async def setAllMastersActiveLongTimeAgo(self) -> None:
        """Let all masters look as if they had been silent for ages."""
        await self.db.write(lambda txn: txn.execute(sa.update(schema.masters).values(last_active=0)))


def _master(row: Row) -> MasterModel:
    return MasterModel(id=row["masterid"], name=row["name"], active=row["active"], last_active=row["last_active"])


def _find_master(txn: Txn, name: str) -> int:
    table = schema.masters
    found = txn.execute(sa.select(table.c.id).where(table.c.name == name), touches=(table,)).scalar()
    if found is None:
        found = txn.new_id("masters")
        txn.insert(table, id=found, name=name, active=0, last_active=txn.now(), epoch=0, last_batch=0)
    return found


def _set_master_state(txn: Txn, masterid: int, active: bool) -> bool:
    if not active:
        return masters.stop(txn, masterid)
    table = schema.masters
    name = txn.execute(sa.select(table.c.name).where(table.c.id == masterid), touches=(table,)).scalar()
    return name is not None and masters.beat(txn, name, masterid)


class SchedulersConnectorComponent(DBConnectorComponent):
    """``master.db.schedulers``."""

    @deferred
    async def findSchedulerId(self, name: str) -> int:
        """The id of the scheduler of this name, stored if it is new."""
        return await self.db.write(schedulers.find_id, name)

    @deferred
    async def getScheduler(self, schedulerid: int) -> SchedulerModel | None:
        """The scheduler with this id, or None."""
        row = await self.db.read(schedulers.get, schedulerid)
        return None if row is None else _scheduler(row)

    @deferred
    async def getSchedulers(self, active: bool | None = None, masterid: int | None = None) -> list[SchedulerModel]:
        """All schedulers; those that a master runs (``active``) or none does; those that this master runs."""
        found = [_scheduler(row) for row in await self.db.read(schedulers.get_all)]
        if masterid is not None:
            found = [one for one in found if one.masterid == masterid]
        return [one for one in found if active is None or (one.masterid is not None) == active]

    @deferred
    async def get_scheduler_master(self, schedulerid: int) -> int | None:
        """The id of the master that runs the scheduler, or None."""
        row = await self.db.read(schedulers.get, schedulerid)
        return None if row is None else row.masterid

    @deferred
    async def setSchedulerMaster(self, schedulerid: int, masterid: int | None) -> None:
        """Take the scheduler for a master, or let go of it; raises SchedulerAlreadyClaimedError."""
        if not await self.db.write(schedulers.set_master, schedulerid, masterid):
            raise SchedulerAlreadyClaimedError(schedulerid)

    @deferred
    async def enable(self, schedulerid: int, v: bool) -> None:
        """Let the scheduler work, or not."""
        await self.db.write(schedulers.enable, schedulerid, v)

    @deferred
    async def classifyChanges(self, schedulerid: int, classifications: Mapping[int, bool]) -> None:
        """Keep changes (id → important) for the scheduler; a change that is kept already is classified anew."""
        await self.db.write(_classify, schedulerid, dict(classifications))

    @deferred
    async def flushChangeClassifications(self, schedulerid: int, less_than: int | None = None) -> None:
        """Drop the changes kept for the scheduler, or those with a lower id."""
        await self.db.write(_flush, schedulerid, less_than)

    @deferred
    async def getChangeClassifications(
        self, schedulerid: int, branch: Any = _ANY, repository: Any = _ANY, project: Any = _ANY, codebase: Any = _ANY
    ) -> dict[int, bool]:
        """The changes kept for the scheduler (id → important), those with these values; -1 stands for any."""
        given = {"branch": branch, "repository": repository, "project": project, "codebase": codebase}
        wanted = {name: value for name, value in given.items() if value != _ANY}
        return await self.db.read(_classified, schedulerid, wanted)


def _scheduler(row: schedulers.SchedulerRow) -> SchedulerModel:
    return SchedulerModel(row.schedulerid, row.name, row.enabled, row.masterid)


def _classify(txn: Txn, schedulerid: int, important: Mapping[int, bool]) -> None:
    schedulers.forget_classified(txn, schedulerid, list(important))
    for changeid, value in important.items():
        schedulers.classify(txn, schedulerid, changeid, "", value)


def _flush(txn: Txn, schedulerid: int, less_than: int | None) -> None:
    table = schema.scheduler_changes
    statement = sa.delete(table).where(table.c.schedulerid == schedulerid)
    txn.execute(statement if less_than is None else statement.where(table.c.changeid < less_than))


def _classified(conn: sa.Connection, schedulerid: int, wanted: Mapping[str, Any]) -> dict[int, bool]:
    table, changes = schema.scheduler_changes, schema.changes
    query = sa.select(table.c.changeid, table.c.important).where(table.c.schedulerid == schedulerid)
    if wanted:
        query = query.join(changes, changes.c.id == table.c.changeid)
        query = query.where(*(changes.c[name] == value for name, value in wanted.items()))
    return {row.changeid: bool(row.important) for row in conn.execute(query.order_by(table.c.changeid))}


class ChangeSourcesConnectorComponent(DBConnectorComponent):
    """``master.db.changesources``."""

    @deferred
    async def findChangeSourceId(self, name: str) -> int:
        """The id of the change source of this name, stored if it is new."""
        return await self.db.write(sources.find_id, name)

    @deferred
    async def getChangeSource(self, changesourceid: int) -> ChangeSourceModel | None:
        """The change source with this id, or None."""
        row = await self._one(views.CHANGESOURCES, {"changesourceid": changesourceid})
        return None if row is None else _source(row)

    @deferred
    async def getChangeSources(
        self, active: bool | None = None, masterid: int | None = None
    ) -> list[ChangeSourceModel]:
        """All change sources; those that a master runs (``active``) or none does; those that this master runs."""
        found = [_source(row) for row in await self._rows(views.CHANGESOURCES, {"masterid": masterid})]
        return [one for one in found if active is None or (one.masterid is not None) == active]

    @deferred
    async def setChangeSourceMaster(self, changesourceid: int, masterid: int | None) -> None:
        """Take the change source for a master, or let go of it; raises ChangeSourceAlreadyClaimedError."""
        if not await self.db.write(sources.set_master, changesourceid, masterid):
            raise ChangeSourceAlreadyClaimedError(changesourceid)


def _source(row: Row) -> ChangeSourceModel:
    master = row["master"]
    return ChangeSourceModel(row["changesourceid"], row["name"], None if master is None else master["masterid"])


class ProjectsConnectorComponent(DBConnectorComponent):
    """``master.db.projects``."""

    @deferred
    async def find_project_id(self, name: str, auto_create: bool = True) -> int | None:
        """The id of the project of this name, stored if it is new unless ``auto_create`` is false."""
        return await self.db.write(projects.find_id, name, auto_create)

    @deferred
    async def get_project(self, projectid: int) -> ProjectModel | None:
        """The project with this id, or None."""
        row = await self._one(views.PROJECTS, {"projectid": projectid})
        return None if row is None else _project(row)

    @deferred
    async def get_projects(self) -> list[ProjectModel]:
        """All projects."""
        return [_project(row) for row in await self._rows(views.PROJECTS, {})]

    @deferred
    async def get_active_projects(self) -> list[ProjectModel]:
        """The projects that a builder of an active master belongs to."""
        return [_project(row) for row in await self._rows(views.PROJECTS, {}) if row["active"]]

    @deferred
    async def update_project_info(
        self,
        projectid: int,
        slug: str,
        description: str | None,
        description_format: str | None,
        description_html: str | None,
    ) -> None:
        """Store what is said of the project."""
        await self.db.write(projects.update_info, projectid, slug, description, description_format, description_html)


def _project(row: Row) -> ProjectModel:
    names = ("name", "slug", "description", "description_format", "description_html")
    return ProjectModel(row["projectid"], *(row[name] for name in names))


class WorkersConnectorComponent(DBConnectorComponent):
    """``master.db.workers``."""

    @deferred
    async def findWorkerId(self, name: str) -> int:
        """The id of the worker of this name, stored if it is new."""
        return await self.db.write(workers.find_id, name)

    @deferred
    async def getWorker(
        self,
        workerid: int | None = None,
        name: str | None = None,
        masterid: int | None = None,
        builderid: int | None = None,
    ) -> WorkerModel | None:
        """The worker with this id or name, or None.

        With ``masterid`` or ``builderid`` it has to be configured there, and only what concerns them is shown.
        """
        if workerid is None and name is None:
            raise TypeError("getWorker takes workerid or name")
        found = await self._find({"workerid": workerid, "name": name}, {}, masterid, builderid)
        return found[0] if found else None

    @deferred
    async def getWorkers(
        self,
        masterid: int | None = None,
        builderid: int | None = None,
        paused: bool | None = None,
        graceful: bool | None = None,
    ) -> list[WorkerModel]:
        """The workers for which all that is given holds; see :meth:`getWorker`."""
        return await self._find({}, {"paused": paused, "graceful": graceful}, masterid, builderid)

    async def _find(
        self, scopes: Mapping[str, Any], fields: Mapping[str, Any], masterid: int | None, builderid: int | None
    ) -> list[WorkerModel]:
        found = [_worker(row, masterid, builderid) for row in await self._rows(views.WORKERS, scopes, fields)]
        if masterid is None and builderid is None:
            return found
        return [worker for worker in found if worker.configured_on]

    @deferred
    async def workerConfigured(self, workerid: int, masterid: int, builderids: Iterable[int]) -> None:
        """On this master the worker serves exactly these builders."""
        await self.db.write(workers.configure, masterid, {workerid: list(builderids)})

    @deferred
    async def deconfigureAllWorkersForMaster(self, masterid: int) -> None:
        """No worker serves any builder on this master."""
        await self.db.write(workers.deconfigure_all, masterid)

    @deferred
    async def workerConnected(self, workerid: int, masterid: int, workerinfo: Mapping[str, Any]) -> None:
        """The worker has connected to this master."""
        await self.db.write(workers.connect, workerid, masterid, workerinfo)

    @deferred
    async def workerDisconnected(self, workerid: int, masterid: int) -> None:
        """Its connection has ended."""
        await self.db.write(workers.disconnect, workerid, masterid)

    @deferred
    async def set_worker_paused(self, workerid: int, paused: bool, pause_reason: str | None = None) -> None:
        """Store whether the worker is paused, and why."""
        await self.db.write(workers.set_paused, workerid, paused, pause_reason)

    @deferred
    async def set_worker_graceful(self, workerid: int, graceful: bool) -> None:
        """Store whether the worker is to be shut down when it is idle."""
        await self.db.write(workers.set_graceful, workerid, graceful)


def _worker(row: Row, masterid: int | None, builderid: int | None) -> WorkerModel:
    return WorkerModel(
        id=row["workerid"],
        name=row["name"],
        workerinfo=row["workerinfo"],
        paused=row["paused"],
        pause_reason=row["pause_reason"],
        graceful=row["graceful"],
        configured_on=[
            BuilderMasterModel(place["builderid"], place["masterid"])
            for place in row["configured_on"]
            if masterid in (None, place["masterid"]) and builderid in (None, place["builderid"])
        ],
        connected_to=[place["masterid"] for place in row["connected_to"] if masterid in (None, place["masterid"])],
    )
