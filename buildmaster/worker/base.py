"""The documented worker classes: a worker's life on this master.

What a configuration says about it is :class:`~.described.DescribedWorker`'s; its connection is a
:class:`~.session.Session`; who may connect is decided by the manager; what it may build is asked here
(:meth:`AbstractWorker.canStartBuild`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.deadlines import deadlines_of
from buildmaster.base.interfaces import IWorker
from buildmaster.db import workers
from buildmaster.process.workerforbuilder import IN_QUARANTINE
from buildmaster.properties import Properties
from buildmaster.worker.absence import Absence
from buildmaster.worker.builder_list import BuilderList
from buildmaster.worker.described import DescribedWorker
from buildmaster.worker.locking import WorkerLocks
from buildmaster.worker.quarantine import Quarantine
from buildmaster.worker.session import ABSENT, PRESENT, Session
from buildmaster.worker.standing import Standing

log = Logger()

SHOWN_INFO = ("admin", "host", "access_uri", "version")
"""What is stored and shown to everybody of what a worker tells; its environment, say, may hold secrets."""


@implementer(IWorker)
class AbstractWorker(DescribedWorker):
    """A worker of the configuration.

    ``name`` and ``password`` are its login (None as the password: nothing can connect as it); ``max_builds`` is how
    many builds it takes at a time (None: any number); ``notify_on_missing`` (mail addresses) are told when it has been
    away for ``missing_timeout`` seconds; ``properties`` are set on its builds, ``defaultProperties`` where the build
    has none of the name; ``locks`` are taken by each of its builds; ``keepalive_interval`` (seconds) is how long it
    may be silent before it is asked for a sign of life; ``machine_name`` names the machine that hosts it.
    """

    builds_may_be_incompatible: bool = False
    """Whether :meth:`isCompatibleWithBuild` has to be asked before a build is given to it."""

    start_missing_on_startup = True
    """Whether a worker that has not connected since the master's start counts as missing."""

    quarantine_timer: Any = None
    quarantine_timeout: float = 10
    quarantine_initial_timeout: float = 10
    quarantine_max_timeout: float = 60 * 60

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._manager: Any = None  # also while it leaves, when it has no parent any more
        self.workerid: int | None = None
        self.conn: Any = None
        self.registration: Any = None
        self.workerforbuilders: dict[str, Any] = {}
        self.absence = Absence(self)
        self.taken = WorkerLocks(self)
        self.lastMessageReceived: float = 0
        self.last_connection: float | None = None
        self.master_session = Session(self.workername, self._attach, self._attached, self._detach)
        self.quarantine = Quarantine(self)
        self._standing = Standing(self)
        self._told = BuilderList(self)

    # -- who it is -------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def master(self) -> Any:
        """The master, until the worker has left it for good."""
        return super().master if self._manager is None else self._manager.master

    @property
    def botmaster(self) -> Any:
        """The master's builders; None while the worker belongs to no master."""
        return None if self.master is None else self.master.botmaster

    # -- following the configuration -------------------------------------------------------------------------------

    async def _description_changed(self, others_miss_it: bool) -> None:
        self.updateLocks()
        if self.registration is not None:
            await self.registration.update(self, self.master.config)
        if self.master_session.state == PRESENT:
            self.conn.start_keepalive(self.keepalive_interval)
        elif others_miss_it and self.master_session.state == ABSENT:
            self.startMissingTimer()

    @deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Take the arguments of a new description over, and register anew where the port or password changed."""
        await super().reconfigServiceWithSibling(sibling)
        if self is not sibling and self.registration is not None:
            await self.registration.update(self, self.master.config)
        self.updateLocks()

    # -- life ------------------------------------------------------------------------------------------------------

    @deferred
    async def startService(self) -> None:
        """Become live: known in the database, allowed to log in."""
        manager: Any = self.parent
        self._manager = manager
        row = await manager.row_of(self)
        self.workerid = row.workerid
        self.last_connection = row.last_connection
        self._standing.recall(row)
        await super().startService()
        self.registration = await maybe(manager.register, self)
        if self.registration is not None:
            await self.registration.update(self, self.master.config)
        if self.start_missing_on_startup:
            self.startMissingTimer()

    @deferred
    async def stopService(self) -> None:
        """Stop: nobody logs in any more, and a connection is ended."""
        registration, self.registration = self.registration, None
        if registration is not None:
            await registration.unregister()
        self.stopMissingTimer()
        self.stopQuarantineTimer()
        if self.machine is not None:
            self.machine.unregisterWorker(self)
            self.machine = None
        if self.conn is not None:
            await self.disconnect()
        await self.master_session.over()
        self.stopMissingTimer()
        await super().stopService()

    # -- the session -----------------------------------------------------------------------------------------------

    def isConnected(self) -> bool:
        """Whether the worker is connected."""
        return self.conn is not None

    @deferred
    async def attached(self, conn: Any) -> None:
        """The worker has logged in: learn what it is and tell it its builders.

        Subclasses that override this call it.  Raising ends the connection.
        """
        self.conn = conn
        name = f"worker {self.workername}"
        info = await conn.patience.wait_for(
            conn.remoteGetWorkerInfo(), deadlines_of(self.master).attach, f"info of {name}"
        )
        self.take_info(info)
        self._told.forget()
        await conn.patience.wait_for(self.sendBuilderList(), deadlines_of(self.master).attach, f"builders of {name}")
        if self._standing.graceful:  # it was meant for the process that has ended
            await self._standing.set_graceful(False)

    @deferred
    async def detached(self) -> None:
        """The connection is lost.  Subclasses that override this call it."""
        self.conn = None
        self._told.forget()
        await self._detach_builders()

    async def _detach_builders(self) -> None:
        for wfb in list(self.workerforbuilders.values()):
            await maybe(wfb.detached)

    async def _attach(self, conn: Any) -> None:
        self.stopMissingTimer()
        await as_deferred(self.attached(conn))
        shown = {key: self.workerinfo.get(key) for key in SHOWN_INFO}
        await self._manager.attendance.arrived(self.workerid, self.workername, shown)

    async def _attached(self, conn: Any) -> None:
        """The session is whole: builds may come."""
        log.info("worker {name!r} attached from {peer}", name=self.workername, peer=conn.get_peer())
        conn.start_keepalive(self.keepalive_interval)
        # "buildbot-worker start" waits for this line in the worker's log
        as_deferred(conn.remotePrint("attached")).addErrback(lambda _: None)
        self.last_connection = self.master.reactor.seconds()
        await maybe(self.botmaster.worker_attached, self)
        if self.conn is conn:
            await maybe(self.botmaster.maybeStartBuildsForWorker, self.workername)

    async def _detach(self, conn: Any) -> None:
        log.info("worker {name!r} detached", name=self.workername)
        self.last_connection = self.master.reactor.seconds()
        self.conn = None
        try:
            await maybe(self.botmaster.worker_lost, self)
        finally:
            await as_deferred(self.detached())
            self.startMissingTimer()
            if self.workerid is not None:
                await self._manager.attendance.left(self.workerid, self.workername)

    @deferred
    async def sendBuilderList(self) -> None:
        """Tell the worker its builders, if they are others than those it was told last."""
        if self.conn is not None:
            await self._told.tell(self.botmaster.getBuildersForWorker(self.workername))

    @deferred
    async def updateWorker(self) -> None:
        """The builders have changed: store whom this worker serves, and tell it if it is connected."""
        builderids = [await maybe(b.getBuilderId) for b in self.botmaster.getBuildersForWorker(self.workername)]
        await self.master.db.write(workers.configure, self.master.masterid, {self.workerid: builderids})
        await as_deferred(self.sendBuilderList())

    @deferred
    async def attachBuilder(self, builder: Any) -> None:
        """Give this worker to a builder; nothing happens before the worker knows its builders."""
        if self.master_session.state == PRESENT:
            await maybe(builder.attached, self, self.worker_commands)

    @deferred
    async def disconnect(self) -> None:
        """End the connection; fires when everything that depended on it has been told."""
        if self.conn is not None:
            conn = self.conn
            conn.loseConnection()
            await self.master_session.over()

    def messageReceivedFromWorker(self) -> None:
        """Something has come from the worker."""
        self.lastMessageReceived = self.master.reactor.seconds()

    # -- its builders ----------------------------------------------------------------------------------------------

    def addWorkerForBuilder(self, wfb: Any) -> None:
        """A builder has taken this worker."""
        self.workerforbuilders[wfb.builder_name] = wfb

    def removeWorkerForBuilder(self, wfb: Any) -> None:
        """A builder has let this worker go."""
        name = wfb.builder_name
        if self.workerforbuilders.get(name) is wfb:
            del self.workerforbuilders[name]

    @property
    def building(self) -> list[Any]:
        """The builders' ends that build here now."""
        return [wfb for wfb in self.workerforbuilders.values() if wfb.isBusy()]

    def buildStarted(self, wfb: Any) -> None:
        """A build begins here."""

    @deferred
    async def buildFinished(self, wfb: Any) -> None:
        """A build has ended here: the next may come, or a graceful shutdown."""
        await as_deferred(self.maybeShutdown())
        if self.botmaster is not None and not self._standing.graceful:
            await maybe(self.botmaster.maybeStartBuildsForWorker, self.workername)

    # -- whether it takes builds -----------------------------------------------------------------------------------

    def canStartBuild(self) -> bool:
        """Whether this worker takes one more build now; :meth:`why_not` tells why not."""
        return self.why_not() is None

    def why_not(self) -> str | None:
        """Why this worker takes no build now, in words; None if it does.  A quarantine is told if nothing else is."""
        if (why := self._standing.why_not()) is not None:
            return why
        if self.max_builds and len(self.building) >= self.max_builds:
            return f"busy with {self.max_builds} of {self.max_builds} builds"
        if not self.locksAvailable():
            return "waiting for its locks"
        return IN_QUARANTINE if self.quarantine_timer is not None else None

    def isCompatibleWithBuild(self, build_props: Properties) -> Any:
        """Whether a build with these properties may run here; asked if :attr:`builds_may_be_incompatible`."""
        return defer.succeed(True)

    def updateLocks(self) -> None:
        """Find the locks of this worker anew, with the counts of the present configuration."""
        generation = getattr(self.master.config, "generation", 0)
        self.taken.follow(self.master.locks, self.access, generation)

    @property
    def locks(self) -> list[Any]:
        """The real locks, each with the access that builds here need."""
        return self.taken.pairs

    def locksAvailable(self) -> bool:
        """Whether all locks of this worker could be taken now."""
        return self.taken.available()

    def acquireLocks(self) -> bool:
        """Take the locks of this worker for one build; False, taking none, if one is not free."""
        return self.taken.acquire()

    def releaseLocks(self) -> None:
        """Give the locks of one build back."""
        self.taken.release()

    # -- pause, quarantine, shutdown -------------------------------------------------------------------------------

    def isPaused(self) -> bool:
        """Whether it is paused."""
        return self._standing.paused

    @deferred
    async def pause(self, reason: str | None) -> None:
        """Give it no new builds; running ones go on.  Outlasts a restart of the master."""
        await self._standing.pause(reason)

    @deferred
    async def unpause(self) -> None:
        """Give it builds again, also when it is in quarantine."""
        self.stopQuarantineTimer()
        self.resetQuarantine()
        await self._standing.unpause()
        await maybe(self.botmaster.maybeStartBuildsForWorker, self.workername)

    def putInQuarantine(self) -> None:
        """Give it no builds for ``quarantine_timeout`` seconds; each time twice as long, up to the maximum."""
        self.quarantine.enter()

    def exitQuarantine(self) -> Any:
        """Give it builds again."""
        self.stopQuarantineTimer()
        return as_deferred(maybe(self.botmaster.maybeStartBuildsForWorker, self.workername))

    def resetQuarantine(self) -> None:
        """Make the next quarantine a short one again; a present one goes on."""
        self.quarantine.reset()

    def stopQuarantineTimer(self) -> None:
        """End a present quarantine without looking for builds."""
        self.quarantine.stop()

    @deferred
    async def shutdownRequested(self) -> None:
        """It shall end when it is idle: no new builds from now on."""
        await self._standing.set_graceful(True)
        await as_deferred(self.maybeShutdown())

    @deferred
    async def maybeShutdown(self) -> None:
        """Shut it down if that was asked for and it is idle."""
        if self._standing.graceful and not self.building:
            await as_deferred(self.shutdown())

    @deferred
    async def shutdown(self) -> None:
        """Have the worker's process end now."""
        if self.conn is None:
            log.info("worker {name!r} is not connected: nothing to shut down", name=self.workername)
            return
        await self.conn.remoteShutdown()

    def waitForCompleteShutdown(self) -> defer.Deferred[None]:
        """Fires when the worker is gone."""
        return self.master_session.over()

    @deferred
    async def controlWorker(self, key: Iterable[str], params: dict[str, Any] | None) -> None:
        """Somebody asks for ``stop``, ``kill``, ``pause`` or ``unpause``, the last word of ``key``."""
        action = list(key)[-1]
        if action == "stop":
            await as_deferred(self.shutdownRequested())
        elif action == "pause":
            await as_deferred(self.pause((params or {}).get("reason")))
        elif action == "unpause":
            await as_deferred(self.unpause())
        elif action == "kill":
            await as_deferred(self.shutdown())

    # -- missing ---------------------------------------------------------------------------------------------------

    def startMissingTimer(self) -> None:
        """From now on it is missed, and after ``missing_timeout`` seconds somebody is told."""
        self.absence.begin()

    def stopMissingTimer(self) -> None:
        """It is not missed any more."""
        self.absence.end()


class Worker(AbstractWorker):
    """A worker that connects by itself."""

    @deferred
    async def detached(self) -> None:
        """The connection is lost."""
        await super().detached()
        for wfb in list(self.workerforbuilders.values()):
            self.removeWorkerForBuilder(wfb)
