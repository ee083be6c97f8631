"""A builder of this master: its configuration, its workers, and what it builds now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import RETRY  # noqa: F401  documented as process.builder.RETRY
from buildmaster.base.sameness import same, same_class
from buildmaster.locks import LockPair
from buildmaster.process.asking import ask, describe
from buildmaster.process.awaitable import NEVER, Moment, Number
from buildmaster.process.buildrequest import BuildRequest
from buildmaster.process.workerforbuilder import WorkerForBuilder
from buildmaster.properties import Properties
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin

log = Logger()


def enforceChosenWorker(bldr: Builder, workerforbuilder: Any, breq: BuildRequest) -> bool:
    """For ``canStartBuild``: a request with the property ``workername`` is built on that worker only."""
    wanted = breq.properties.getProperty("workername") if "workername" in breq.properties else None
    if isinstance(wanted, str):
        return wanted == workerforbuilder.worker.workername
    return True


def _same_config(old: Any, new: Any) -> bool:
    """Whether two BuilderConfigs mean the same, wherever they stand in their files."""
    parts = [{key: value for key, value in vars(one).items() if key != "config_place"} for one in (old, new)]
    return same_class(type(old), type(new)) and same(*parts)


class Builder(ReconfigurableServiceMixin, AsyncMultiService):
    """One builder.

    ``name``; ``config`` (its BuilderConfig); ``builderid``; ``botmaster``; ``workers`` (WorkerForBuilder objects of the
    workers that are attached); ``building`` (running builds, newest last); ``old_building`` (those started under an
    earlier configuration).
    """

    name: str

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.config: Any = None
        self.config_version: int | None = None
        self.builderid: int | None = None
        self.projectid: int | None = None
        self.project_name: str | None = None
        self.workers: list[Any] = []
        self.attaching_workers: list[Any] = []
        self.building: list[Any] = []
        self.old_building: dict[Any, None] = {}
        self.newest_complete: float | None = None  # epoch seconds
        self.old_generation_locks: list[Any] = []

    @property
    def botmaster(self) -> Any:
        """The service that holds all builders."""
        return self.parent

    def __repr__(self) -> str:
        return f"<Builder {self.name!r}>"

    # -- configuration -------------------------------------------------------------------------------------------------

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Take over this builder's part of a new configuration; running builds keep the old one."""
        for config in new_config.builders:
            if config.name == self.name:
                self.take_config(config, getattr(new_config, "generation", 0))
                return
        raise AssertionError(f"builder {self.name!r} is not in the new configuration")

    def take_config(self, config: Any, generation: int) -> None:
        """Take over a BuilderConfig.

        It is a new object after each loading; running builds are old ones only if it says something else.
        """
        if self.config is not None and self.building and not _same_config(self.config, config):
            self.old_building.update(dict.fromkeys(self.building))
        self.config = config
        self.config_version = generation
        self.project_name = config.project

    @deferred
    async def getBuilderId(self) -> int:
        """A Deferred of the id under which all masters know this builder."""
        if self.builderid is None:
            self.builderid = await self.getBuilderIdForName(self.name)
        return self.builderid

    @deferred
    async def getBuilderIdForName(self, name: str) -> int:
        """A Deferred of the id of any builder."""
        return await self.botmaster.find_builder_id(name)

    @deferred
    async def find_project_id(self, project: str | None) -> int | None:
        """A Deferred of the id of a project, None for None."""
        return None if project is None else await self.botmaster.find_project_id(project)

    def getCollapseRequestsFn(self) -> Any:
        """What decides whether requests are collapsed: True, False or a function of the configuration."""
        own = getattr(self.config, "collapseRequests", None)
        if own is None:
            own = getattr(self.master.config, "collapseRequests", None)
        return True if own is None else own

    def setup_properties(self, props: Properties) -> Any:
        """Set the properties that every build of this builder has."""
        props.setProperty("buildername", self.name, "Builder")
        for name, value in (self.config.properties or {}).items():
            props.properties[name] = (value, "Builder")
        for name, value in (self.config.defaultProperties or {}).items():
            if name not in props:
                props.properties[name] = (value, "Builder")
        return defer.succeed(None)

    # -- workers -------------------------------------------------------------------------------------------------------

    @deferred
    async def attached(self, worker: Any, commands: dict[str, str]) -> Builder:
        """A worker of this builder is connected."""
        for wfb in [*self.attaching_workers, *self.workers]:
            if wfb.worker is worker:
                return self
        wfb = WorkerForBuilder(self)
        self.attaching_workers.append(wfb)
        try:
            await maybe(wfb.attached, worker, commands)
            self.workers.append(wfb)
        except Exception:  # policy: this pair is left out until the worker connects again
            log.failure("worker {w} can't be used by builder {b}", w=worker.workername, b=self.name)
        finally:
            self.attaching_workers.remove(wfb)
        return self

    def addLatentWorker(self, worker: Any) -> None:
        """Make a worker that is started when it is needed one of this builder's."""
        if any(wfb.worker is worker for wfb in self.workers):
            return
        factory = getattr(worker, "worker_for_builder", None)
        if factory is not None:
            self.workers.append(factory(self))

    @deferred
    async def detached(self, worker: Any) -> None:
        """A worker is gone, or is not this builder's any more."""
        for wfb in [*self.attaching_workers, *self.workers]:
            if wfb.worker is worker:
                if wfb in self.workers:
                    self.workers.remove(wfb)
                await maybe(wfb.detached)

    def getAvailableWorkers(self) -> list[Any]:
        """The WorkerForBuilder objects on which a build could be started now."""
        return [wfb for wfb in self.workers if wfb.isAvailable()]

    # -- requests ------------------------------------------------------------------------------------------------------

    def getOldestRequestTime(self) -> Moment | None:
        """When the oldest waiting request was submitted; None if none waits.  May be awaited, too."""
        oldest = self.botmaster.distributor.oldest_of(self.builderid)
        return None if oldest is None else Moment.at(oldest)

    def getNewestCompleteTime(self) -> Moment:
        """When the last build of this builder ended; before all times if there was none.  May be awaited, too."""
        return NEVER if self.newest_complete is None else Moment.at(self.newest_complete)

    def get_highest_priority(self) -> Number | None:
        """The highest priority among the waiting requests; None if none waits.  May be awaited, too."""
        highest = self.botmaster.distributor.highest_priority_of(self.builderid)
        return None if highest is None else Number(highest)

    def lock_pairs(self, accesses: Sequence[Any], workername: str) -> list[LockPair]:
        """The real locks, on this worker, that these accesses mean."""
        return self.master.locks.resolve(accesses, workername, self.config_version or 0)

    @deferred
    async def blocking_lock(self, workerforbuilder: Any, buildrequest: BuildRequest | None) -> Any:
        """A Deferred of the lock that keeps a build of this request from starting on this worker, or None."""
        accesses = self.config.locks
        if accesses and not isinstance(accesses, list | tuple):
            properties = await self.properties_for(buildrequest, workerforbuilder)
            accesses = await ask(self.master, f"locks of builder {self.name!r}", properties.render, accesses)
        for lock, access in self.lock_pairs(accesses or (), workerforbuilder.worker.workername):
            if not lock.isAvailable(self, access):
                return lock
        return None

    async def properties_for(self, buildrequest: BuildRequest | None, workerforbuilder: Any) -> Properties:
        """What is known of a build's properties before it starts."""
        properties = Properties()
        properties.master = self.master
        if buildrequest is not None:
            properties.updateFromProperties(buildrequest.properties)
        await maybe(self.setup_properties, properties)
        if workerforbuilder is not None and workerforbuilder.worker is not None:
            workerforbuilder.worker.setupProperties(properties)
        return properties

    @deferred
    async def canStartBuild(self, workerforbuilder: Any, buildrequest: BuildRequest) -> bool:
        """A Deferred of whether a build of this request may be started on this worker now.

        Asks the worker whether it is compatible, looks at the builder's locks, then asks the user's
        ``canStartBuild``; raises what that raises.
        """
        worker = workerforbuilder.worker
        if getattr(worker, "builds_may_be_incompatible", False):
            properties = await self.properties_for(buildrequest, workerforbuilder)
            what = f"isCompatibleWithBuild of worker {worker.workername!r}"
            if not await ask(self.master, what, worker.isCompatibleWithBuild, properties):
                if hasattr(worker, "wanted_otherwise"):
                    worker.wanted_otherwise()
                return False
        if self.config.locks:
            blocking = await self.blocking_lock(workerforbuilder, buildrequest)
            if blocking is not None:
                self.botmaster.distributor.wake_on_release(blocking, self)
                return False
        function = self.config.canStartBuild
        if function is None:
            return True
        what = f"canStartBuild of builder {self.name!r}, {describe(function)},"
        return bool(await ask(self.master, what, function, self, workerforbuilder, buildrequest))

    @deferred
    async def maybeStartBuild(self, workerforbuilder: Any, breqs: Sequence[BuildRequest]) -> bool:
        """Start a build of these requests on this worker; a Deferred of whether one was started."""
        return await self.botmaster.distributor.start_on(self, workerforbuilder, breqs)

    # -- builds --------------------------------------------------------------------------------------------------------

    def getBuild(self, number: int) -> Any:
        """The running build with this number, or None."""
        return next((build for build in self.building if build.number == number), None)

    def build_started(self, build: Any) -> None:
        """A build begins."""
        self.building.append(build)

    @deferred
    async def buildFinished(self, build: Any, wfb: Any) -> None:
        """A build has ended and its worker is free; calling it again does nothing."""
        self.old_building.pop(build, None)
        if build not in self.building:
            return
        self.building.remove(build)
        self.newest_complete = self.master.db.now()
        if wfb is not None:
            await maybe(wfb.buildFinished)
