"""All builders of a master, and what turns requests into builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.collapse import mode_of
from buildmaster.base.interfaces import ILatentWorker
from buildmaster.base.results import CANCELLED, RETRY
from buildmaster.db import builders as builder_rows
from buildmaster.db import ending
from buildmaster.db import projects as project_rows
from buildmaster.db import requests as request_rows
from buildmaster.db.txn import Txn
from buildmaster.process.builder import Builder
from buildmaster.process.collapse import Collapser
from buildmaster.process.distributor import Distributor
from buildmaster.process.lock_retriever import LockRetrieverMixin
from buildmaster.process.reconciler import Reconciler
from buildmaster.process.situation import situation_of
from buildmaster.process.waiting import Cause, why
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin

log = Logger()


class BotMaster(ReconfigurableServiceMixin, LockRetrieverMixin, AsyncMultiService):
    """The builders of a master.

    ``builders`` maps names to :class:`~buildmaster.process.builder.Builder`; ``builderNames`` lists them in the order
    of the configuration; ``distributor`` (also ``brd``) starts builds; ``reconciler`` mends.
    """

    debug = 0
    name: Any = "botmaster"
    reconfig_priority = 140  # before services, which may have builds made as soon as they start

    def __init__(self) -> None:
        super().__init__()
        self.builders: dict[str, Builder] = {}
        self.builderNames: list[str] = []
        self._by_id: dict[int, Builder] = {}
        self._ids: dict[str, int] = {}
        self._retired: dict[str, Builder] = {}  # not configured any more, with builds that still run
        self._control: Any = None
        self._shutting_down: defer.Deferred[None] | None = None
        self._in_progress: set[int] = set()
        self.distributor = self.brd = Distributor(lambda: self._by_id)
        self.collapser = Collapser(lambda: self._by_id)
        self.reconciler = Reconciler(self._runs, self._claims, self._cancel_request, self.distributor.wake_all)
        self.distributor.build_ended = self._build_ended
        for child in (self.collapser, self.distributor, self.reconciler):
            child.setServiceParent(self)

    # -- life ----------------------------------------------------------------------------------------------------------

    @deferred
    async def startService(self) -> None:
        """Start, without builders as yet; listen to wishes to cancel requests."""
        await super().startService()
        self._control = await self.master.mq.startConsuming(
            self._cancel_wanted, ("control", "buildrequests", None, "cancel")
        )

    @deferred
    async def stopService(self) -> None:
        """Stop the running builds, which are retried at the next start, and everything else."""
        control, self._control = self._control, None
        if control is not None:
            await maybe(control.stopConsuming)
        self.distributor.can_distribute = False
        await self._stop_builds("the master is stopping", RETRY)
        await super().stopService()

    async def _stop_builds(self, reason: str, results: int) -> None:
        starter = self.distributor.starter
        stopping = [
            as_deferred(maybe(build.stopBuild, reason, results))
            for build, _ in list(starter.running.values())
            if build is not None
        ]
        if stopping:
            await defer.DeferredList(stopping, consumeErrors=True)
        await starter.idle()

    # -- configuration -------------------------------------------------------------------------------------------------

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow a new configuration: builders that went, came and changed."""
        await self.reconfigProjects(new_config)
        await self.reconfig_codebases(new_config)
        await self.reconfigServiceBuilders(new_config)
        for builder in self.builders.values():
            await builder.reconfigServiceWithBuildbotConfig(new_config)
        await self._workers_follow()
        self.collapser.wake()
        self.distributor.wake_all()

    @deferred
    async def reconfigProjects(self, new_config: Any) -> None:
        """Store what the configuration says of projects."""
        updates = self.master.data.updates
        for project in getattr(new_config, "projects", ()):
            projectid = await updates.find_project_id(project.name)
            await updates.update_project_info(
                projectid,
                project.slug,
                project.description,
                project.description_format,
                None,
            )

    @deferred
    async def reconfig_codebases(self, new_config: Any) -> None:
        """Store what the configuration says of codebases."""
        updates = self.master.data.updates
        for codebase in getattr(new_config, "codebases", ()):
            projectid = await updates.find_project_id(codebase.project)
            codebaseid = await updates.find_codebase_id(projectid=projectid, name=codebase.name)
            await updates.update_codebase_info(codebaseid=codebaseid, projectid=projectid, slug=codebase.slug)

    @deferred
    async def reconfigServiceBuilders(self, new_config: Any) -> None:
        """Make the builders those of the configuration."""
        wanted = {config.name: config for config in new_config.builders}
        ids = await self.master.db.write(_store_builders, self.master.masterid, list(wanted.values()))
        self._ids.update(ids)
        for name in [name for name in self.builders if name not in wanted]:
            await self._remove(self.builders.pop(name))
        for name, config in wanted.items():
            builder = self.builders.get(name)
            if builder is None:
                builder = self._retired.pop(name, None) or Builder(name)
                self.builders[name] = builder
                builder.take_config(config, getattr(new_config, "generation", 0))
                builder.builderid = ids[name]
                if builder.parent is None:
                    await builder.setServiceParent(self)
        self.builderNames = list(wanted)
        self._by_id = {ids[name]: self.builders[name] for name in wanted}
        await self._learn_newest(list(self._by_id))

    async def _remove(self, builder: Builder) -> None:
        for wfb in list(builder.workers):
            if wfb.worker is not None and not wfb.isBusy():
                await maybe(builder.detached, wfb.worker)
        if builder.building:
            self._retired[builder.name] = builder
        else:
            await builder.disownServiceParent()

    def _build_ended(self, builder: Builder) -> None:
        if self._retired.get(builder.name) is builder and not builder.building:
            del self._retired[builder.name]
            builder.disownServiceParent()

    async def _learn_newest(self, builderids: Sequence[int]) -> None:
        unknown = [i for i in builderids if self._by_id[i].newest_complete is None]
        if unknown and self.master.config.prioritizeBuilders is not None:
            for builderid, at in (await self.master.db.read(builder_rows.newest_complete, unknown)).items():
                self._by_id[builderid].newest_complete = at

    async def _workers_follow(self) -> None:
        """Connected workers get to know their builders, and the builders their workers."""
        manager = self.master.workers
        await maybe(manager.configure_builders)
        for worker in list(manager):
            mine = {builder.name for builder in self.getBuildersForWorker(worker.workername)}
            for builder in self.builders.values():
                has = any(wfb.worker is worker for wfb in builder.workers)
                if has and builder.name not in mine:
                    await maybe(builder.detached, worker)
                elif not has and builder.name in mine:
                    builder.addLatentWorker(worker)
                    if worker.isConnected():
                        await maybe(worker.attachBuilder, builder)

    # -- builders ------------------------------------------------------------------------------------------------------

    def getBuildernames(self) -> list[str]:
        """The names of the builders, in the order of the configuration."""
        return self.builderNames

    def getBuilders(self) -> list[Builder]:
        """The builders."""
        return list(self.builders.values())

    @deferred
    async def getBuilderById(self, builderid: int) -> Builder | None:
        """A Deferred of the builder of this master with this id, or None."""
        return self._by_id.get(builderid)

    def getBuildersForWorker(self, workername: str) -> list[Builder]:
        """The builders that may use a worker."""
        return [b for b in self.builders.values() if b.config is not None and workername in b.config.workernames]

    @deferred
    async def find_builder_id(self, name: str) -> int:
        """A Deferred of the id of a builder, known to this master or not; it is stored if it is new."""
        if name not in self._ids:
            self._ids[name] = await self.master.db.write(builder_rows.find_id, name)
        return self._ids[name]

    @deferred
    async def find_project_id(self, name: str) -> int | None:
        """A Deferred of the id of a project."""
        return await self.master.db.write(project_rows.find_id, name)

    def collapse_modes(self, builderids: Iterable[int]) -> dict[int, str]:
        """How new requests of these builders are collapsed; builders that never collapse are left out.

        To be given to :class:`~buildmaster.base.records.NewBuildset` as ``collapse``.
        """
        modes = {}
        for builderid in builderids:
            builder = self._by_id.get(builderid)
            mode = None if builder is None else mode_of(builder.getCollapseRequestsFn())
            if mode is not None:
                modes[builderid] = mode
        return modes

    # -- workers -------------------------------------------------------------------------------------------------------

    @deferred
    async def worker_attached(self, worker: Any) -> None:
        """A worker is connected: its builders may use it."""
        for builder in self.getBuildersForWorker(worker.workername):
            await maybe(worker.attachBuilder, builder)

    @deferred
    async def worker_lost(self, worker: Any) -> None:
        """A worker is gone: the builds on it end as RETRY, and its builders do without it."""
        concerned = [*self.builders.values(), *self._retired.values()]
        for builder in concerned:
            for build in list(builder.building):
                wfb = getattr(build, "workerforbuilder", None)
                if wfb is not None and wfb.worker is worker:
                    await maybe(build.lostRemote)
        if ILatentWorker.providedBy(worker):
            return  # it can be started again
        for builder in concerned:
            await maybe(builder.detached, worker)

    def workerLost(self, bot: Any) -> defer.Deferred[None]:
        """The documented name of :meth:`worker_lost`."""
        return self.worker_lost(bot)

    # -- starting builds -----------------------------------------------------------------------------------------------

    def maybeStartBuildsForBuilder(self, buildername: str) -> None:
        """Something may have become possible for a builder."""
        builder = self.builders.get(buildername)
        if builder is not None and builder.builderid is not None:
            self.distributor.wake([builder.builderid])

    def maybeStartBuildsForWorker(self, worker_name: str) -> None:
        """Something may have become possible on a worker."""
        found = self.getBuildersForWorker(worker_name)
        self.distributor.wake([builder.builderid for builder in found if builder.builderid is not None])

    def maybeStartBuildsForAllBuilders(self) -> None:
        """Something may have become possible anywhere."""
        self.distributor.wake_all()

    def _runs(self, buildid: int, requestid: int) -> bool:
        starter = self.distributor.starter
        return buildid in starter.running or starter.is_starting(requestid)

    def running_build(self, buildid: int) -> Any:
        """The build with this id, if it runs on this master; else None."""
        return self.distributor.starter.running.get(buildid, (None,))[0]

    def _claims(self, requestid: int) -> bool:
        return requestid in self._in_progress or self.distributor.starter.is_starting(requestid)

    # -- cancelling ----------------------------------------------------------------------------------------------------

    def add_in_progress_buildrequest(self, brid: int) -> None:
        """Something outside of the distributor has claimed a request and is about to build it."""
        self._in_progress.add(brid)

    def remove_in_progress_buildrequest(self, brid: int) -> None:
        """That is over."""
        self._in_progress.discard(brid)

    def maybe_cancel_in_progress_buildrequest(self, brid: int, reason: str) -> None:
        """Have the build of a request stopped as soon as it runs, if the request is about to be built."""
        if self._claims(brid):
            self.distributor.starter.cancelled[brid] = reason

    @deferred
    async def _cancel_wanted(self, key: tuple[str, ...], body: Mapping[str, Any]) -> None:
        try:
            requestid = int(key[2])
        except ValueError:
            log.error("cannot cancel {what!r}: that is no build request's number", what=key[2])
            return
        await self.cancel_request(requestid, (body or {}).get("reason") or "no reason given")

    @deferred
    async def cancel_request(self, requestid: int, reason: str) -> bool:
        """Cancel a request: a waiting one at once, one that is built here by stopping its build.

        A Deferred of whether this master could do something about it.
        """
        if await self.master.db.write(ending.cancel, requestid, reason):
            return True
        found = self.distributor.starter.builds_of(requestid)
        for build in found:
            await maybe(build.stopBuild, reason, CANCELLED)
        if not found and self.distributor.starter.is_starting(requestid):
            self.maybe_cancel_in_progress_buildrequest(requestid, reason)
            return True
        return bool(found)

    async def _cancel_request(self, requestid: int, reason: str) -> None:
        """Cancel a request wherever it is built."""
        if not await self.cancel_request(requestid, reason):
            self.master.mq.produce(("control", "buildrequests", str(requestid), "cancel"), {"reason": reason})

    @deferred
    async def why_waiting(self, requestid: int) -> list[Cause]:
        """A Deferred of the reasons why a request is not built yet, the most telling first; empty if it is or was."""
        request = await self.master.db.read(request_rows.get, requestid)
        if request is None or request.state not in request_rows.OPEN:
            return []
        return why(situation_of(request, self._by_id.get(request.builderid), self.distributor))

    # -- shutting down -------------------------------------------------------------------------------------------------

    @deferred
    async def cleanShutdown(self, quickMode: bool = False, stopReactor: bool = True) -> None:
        """Start no more builds and wait for those that run; then stop the process.

        :param quickMode: stop the running builds, to be retried, instead of waiting for them
        :param stopReactor: whether the process ends when they have ended
        """
        if self._shutting_down is not None:
            return
        log.info("no more builds are started, and the master stops when those that run have ended")
        cancelled: defer.Deferred[None] = defer.Deferred()
        self._shutting_down = cancelled
        self.distributor.only_waited_for = True
        if quickMode:
            await self._stop_builds("the master is stopping", RETRY)
        await defer.DeferredList(
            [self.distributor.starter.idle(), cancelled], fireOnOneCallback=True, consumeErrors=True
        )
        if cancelled.called:
            return
        self._shutting_down = None
        self.distributor.can_distribute = False
        if stopReactor:
            self.master.stop_reactor()

    @property
    def shuttingDown(self) -> bool:
        """Whether the master waits for its builds to end and then stops."""
        return self._shutting_down is not None

    def cancelCleanShutdown(self) -> None:
        """Go on after all."""
        shutting_down, self._shutting_down = self._shutting_down, None
        if shutting_down is None:
            return
        log.info("the shutdown is cancelled")
        self.distributor.only_waited_for = False
        shutting_down.callback(None)
        self.distributor.wake_all()


def _store_builders(txn: Txn, masterid: int, configs: Sequence[Any]) -> dict[str, int]:
    """Make these the builders of a master, with what the configuration says of each."""
    ids = builder_rows.set_of_master(txn, masterid, [config.name for config in configs])
    for config in configs:
        projectid = None if config.project is None else project_rows.find_id(txn, config.project)
        builder_rows.update_info(
            txn, ids[config.name], config.description, config.description_format, None, projectid, config.tags
        )
    return ids
