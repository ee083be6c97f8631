"""Latent workers: their instances are started when a build wants them, and stopped when none does.

:class:`AbstractLatentWorker` holds the documented names and hooks; an instance's life is in :mod:`.instance`.
"""

from __future__ import annotations

import enum
import secrets
import string
from collections.abc import Mapping
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import DeadlineExceeded, as_deferred, deferred, maybe, with_deadline
from buildmaster.base.errors import error
from buildmaster.base.interfaces import ILatentWorker, LatentWorkerFailedToSubstantiate
from buildmaster.base.sameness import same
from buildmaster.process.asking import ask
from buildmaster.process.workerforbuilder import LatentWorkerForBuilder
from buildmaster.worker import instance, options
from buildmaster.worker.base import AbstractWorker
from buildmaster.worker.instance_work import Instance

log = Logger()

STOP_DEADLINE = 60.0
"""Seconds that the instance has for being stopped when its worker leaves this master; then its record stays."""

OF_THE_MASTER = frozenset(
    {
        "max_builds",
        "notify_on_missing",
        "missing_timeout",
        "properties",
        "defaultProperties",
        "locks",
        "keepalive_interval",
        "build_wait_timeout",
        "check_instance_interval",
    }
)
"""Arguments that say nothing about the instance: changing them leaves a running one alone."""


class States(enum.Enum):
    """What a latent worker's instance is doing."""

    NOT_SUBSTANTIATED = 0  # there is none
    SUBSTANTIATING = 1  # it is wanted; start_instance has not been called
    SUBSTANTIATING_STARTING = 2  # start_instance has been called; the worker is not ready
    SUBSTANTIATED = 3  # the worker is ready
    INSUBSTANTIATING = 4  # it is being stopped
    INSUBSTANTIATING_SUBSTANTIATING = 5  # it is being stopped, and the next one is wanted
    SHUT_DOWN = 6  # there will be none any more


_SHOWN = {
    instance.ABSENT: States.NOT_SUBSTANTIATED,
    instance.PREPARING: States.SUBSTANTIATING,
    instance.STARTING: States.SUBSTANTIATING_STARTING,
    instance.AWAITED: States.SUBSTANTIATING_STARTING,
    instance.ARRIVED: States.SUBSTANTIATING_STARTING,
    instance.RUNNING: States.SUBSTANTIATED,
    instance.CLOSED: States.SHUT_DOWN,
}


@implementer(ILatentWorker)
class AbstractLatentWorker(AbstractWorker):
    """Base of the workers whose instances the master starts and stops.

    A subclass has :meth:`start_instance` and :meth:`stop_instance`.  Within a process of the master,
    ``start_instance`` is never called before each earlier start and stop has come to its end, and each start is
    followed by exactly one stop, also when it failed.  A stop is called before the end of its start only if the worker
    has not connected ``missing_timeout`` seconds after the start began (30 seconds when the master stops).

    ``build_wait_timeout`` is how many seconds an idle instance is kept for the next build: 0 stops it after each
    build, a negative number keeps it until the master stops.  ``missing_timeout`` (seconds, 20 minutes by default) is
    how long the worker may take to connect; those in ``notify_on_missing`` are told when it did not.  Every
    ``check_instance_interval`` seconds until then :meth:`check_instance` is asked.  The other arguments are those of
    :class:`~buildmaster.worker.base.AbstractWorker`.

    A class may also define ``recover_instance(saved)``.  After a crash of the master it is called with what was given
    to :meth:`save_instance` (None if nothing was) and finds the instance that the last process left; False, or a
    Deferred of it, means that there is none, anything else that :meth:`stop_instance` is to be called for it.  It is
    called again if it fails or has not answered after five minutes, three times in all.  For a class without it the
    log names the record of what may be left.
    """

    DEFAULT_MISSING_TIMEOUT = 20 * 60
    start_missing_on_startup = False

    starts_without_substantiate = False
    """Whether the worker may connect when nobody has asked for it: ``start_instance`` is then called all the same."""

    build_wait_timer: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.latent_instance = Instance(self)
        self._outdated = False  # the instance was started from arguments that are not in force any more
        self._present = False  # the instance has been told that the worker is here

    # -- what the configuration says ---------------------------------------------------------------------------------

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        build_wait_timeout: float = 60 * 10,
        check_instance_interval: float = 10,
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, password, **kwargs)
        place = f"worker {self.name!r}"
        if not isinstance(build_wait_timeout, int | float) or isinstance(build_wait_timeout, bool):
            error(f"{place}: build_wait_timeout must be a number of seconds, not {build_wait_timeout!r}")
        options.check_number(place, "check_instance_interval", check_instance_interval)
        self.build_wait_timeout = build_wait_timeout
        self.check_instance_interval = check_instance_interval

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        build_wait_timeout: float = 60 * 10,
        check_instance_interval: float = 10,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over; an idle instance waits anew."""
        self.build_wait_timeout = build_wait_timeout
        self.check_instance_interval = check_instance_interval
        await super().reconfigService(name, password, **{"missing_timeout": None, **kwargs})
        self._wait_for_builds()

    @deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Take the arguments of a new description over; if they are others, the instance goes when it is idle."""
        other = self is not sibling and not same(_instance_arguments(self), _instance_arguments(sibling))
        await super().reconfigServiceWithSibling(sibling)
        if other and self.state is not States.NOT_SUBSTANTIATED:
            self._outdated = True
            self._wait_for_builds()

    # -- what a subclass defines -------------------------------------------------------------------------------------

    def start_instance(self, build: Any) -> Any:
        """Start the instance, which then connects by itself; returns a Deferred.

        It fires with None or with short strings for the log, or False if nothing was started.  Raise
        LatentWorkerFailedToSubstantiate to have the build tried again elsewhere, LatentWorkerCannotSubstantiate to
        have it end as EXCEPTION.
        """
        raise LatentWorkerFailedToSubstantiate(f"{type(self).__name__} does not define start_instance(self, build)")

    def stop_instance(self, fast: bool = False) -> Any:
        """Stop the instance; returns a Deferred.  ``fast`` if it should fire as soon as it is safe."""
        raise LatentWorkerFailedToSubstantiate(f"{type(self).__name__} does not define stop_instance(self, fast)")

    def check_instance(self) -> Any:
        """Whether the instance, which has been started and has not connected, is good; may return a Deferred.

        Returns a tuple: whether it is, and what is wrong with it.
        """
        return (True, "")

    def save_instance(self, saved: Any) -> defer.Deferred[None]:
        """For use in ``start_instance``: what ``recover_instance`` is to be given after a crash (a JSON value).

        Fires when it is stored; wait for that before making anything that has to be found again.
        """
        return as_deferred(self.latent_instance.record.save(saved))

    def getRandomPass(self) -> str:
        """A password that nobody can guess, for a worker that is given a new one with each instance."""
        letters = string.ascii_letters + string.digits
        return "".join(secrets.choice(letters) for _ in range(20))

    def failed_to_start(self, instance_id: Any, instance_state: Any) -> None:
        """For use in ``start_instance``: raises LatentWorkerFailedToSubstantiate with these in its words."""
        log.error(
            "worker {name!r}: instance {id} did not start, it is {state}",
            name=self.workername,
            id=instance_id,
            state=instance_state,
        )
        raise LatentWorkerFailedToSubstantiate(instance_id, instance_state)

    # -- what it is doing --------------------------------------------------------------------------------------------

    @property
    def state(self) -> States:
        """What the instance is doing."""
        shown = _SHOWN.get(self.latent_instance.state)
        if shown is not None:
            return shown
        return States.INSUBSTANTIATING_SUBSTANTIATING if self.latent_instance.wanted else States.INSUBSTANTIATING

    @property
    def substantiated(self) -> bool:
        """Whether the worker is ready for builds."""
        return self.latent_instance.state == instance.RUNNING and self.conn is not None

    @property
    def substantiation_build(self) -> Any:
        """The build that the instance was started for."""
        return self.latent_instance.build

    def why_not(self) -> str | None:
        """Why this worker takes no build now, in words; None if it does."""
        if self.latent_instance.state == instance.CLOSED or not self.running:
            return "shut down"
        if self.latent_instance.state == instance.DANGLING:
            return "waiting for the end of a start_instance that took too long"
        if self.builds_may_be_incompatible and self.building and not self.substantiated:
            return "starting an instance for another build"
        return super().why_not()

    # -- substantiating ----------------------------------------------------------------------------------------------

    def substantiate(self, wfb: Any, build: Any) -> defer.Deferred[bool]:
        """Have an instance for this build: fires with True when the worker is ready.

        Fails with LatentWorkerFailedToSubstantiate, LatentWorkerCannotSubstantiate or
        LatentWorkerSubstantiatiationCancelled.  Cancelling it gives the wish up.
        """
        self._stop_waiting()
        if self.builds_may_be_incompatible and self.substantiated:
            return as_deferred(self._substantiate_compatible(build))
        return self.latent_instance.demand(build)

    async def _substantiate_compatible(self, build: Any) -> bool:
        """The instance may be another than the one that was there when this build was given to this worker."""
        what = f"isCompatibleWithBuild of worker {self.workername!r}"
        if not await ask(self.master, what, self.isCompatibleWithBuild, build.getProperties()):
            if len(self.building) > 1:
                raise LatentWorkerFailedToSubstantiate(f"worker {self.workername!r} runs for another kind of builds")
            self.latent_instance.release("it was started for another kind of builds")
        return await self.latent_instance.demand(build)

    @deferred
    async def insubstantiate(self, fast: bool = False, force_substantiation_build: Any = None) -> None:
        """Let the instance go; fires when it is gone.

        With ``force_substantiation_build`` another one is then started for that build, and this fires when it is
        ready.
        """
        self._stop_waiting()
        self.latent_instance.release("the instance is stopped", fast)
        if force_substantiation_build is not None:
            await self.latent_instance.demand(force_substantiation_build)
            return
        await self.latent_instance.over()

    def wanted_otherwise(self) -> None:
        """A request that could be built here is not compatible with the instance that is here.

        One that is kept for good would keep the request waiting for good.
        """
        if self.substantiated and not self.building and self.build_wait_timeout < 0:
            self.latent_instance.release("another kind of builds waits")

    def instance_runs(self) -> None:
        """Called by the instance: builds may come."""
        self._wait_for_builds()

    def instance_missed(self) -> None:
        """Called by the instance: the worker has not connected in time."""
        if self.notify_on_missing:
            self.absence.tell()

    def instance_ended(self) -> None:
        """Called by the instance: it is gone."""
        self._outdated = False
        if self.running and self._standing.graceful:
            as_deferred(self._standing.set_graceful(False)).addErrback(
                lambda f: log.failure("the end of a shutdown could not be stored", f)
            )
        if self.running and self.botmaster is not None:
            self.botmaster.maybeStartBuildsForWorker(self.workername)

    # -- waiting for builds ------------------------------------------------------------------------------------------

    def _wait_for_builds(self) -> None:
        """If it is idle, keep the instance as long as the configuration says."""
        self._stop_waiting()
        if self.latent_instance.state != instance.RUNNING or self.building:
            return
        if self.build_wait_timeout == 0 or self._outdated or self._standing.graceful:
            self.latent_instance.release("no build wants it")
        elif self.build_wait_timeout > 0:
            self.build_wait_timer = self.master.reactor.callLater(self.build_wait_timeout, self._waited)

    def _waited(self) -> None:
        self.build_wait_timer = None
        if not self.building:
            self.latent_instance.release("no build has wanted it")

    def _stop_waiting(self) -> None:
        timer, self.build_wait_timer = self.build_wait_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def buildStarted(self, wfb: Any) -> None:
        """A build begins here."""
        self._stop_waiting()
        if hasattr(self.machine, "notifyBuildStarted"):
            self.machine.notifyBuildStarted()
        super().buildStarted(wfb)

    @deferred
    async def buildFinished(self, wfb: Any) -> None:
        """A build has ended here: the instance waits for the next, or is let go."""
        self._wait_for_builds()
        if hasattr(self.machine, "notifyBuildFinished"):
            self.machine.notifyBuildFinished()
        await super().buildFinished(wfb)

    # -- the session -------------------------------------------------------------------------------------------------

    @deferred
    async def attached(self, conn: Any) -> None:
        """The worker has logged in; raises RuntimeError, which sends it away, if it was not asked for."""
        if self.starts_without_substantiate and self.latent_instance.state == instance.ABSENT:
            self._start_unasked()
            await self.latent_instance.begun()
        elif self.latent_instance.state not in instance.TAKES_CONNECTIONS:
            raise RuntimeError(f"worker {self.workername!r} has come although its instance is not being started")
        await super().attached(conn)

    def _start_unasked(self) -> None:
        self.latent_instance.demand(None).addErrback(
            lambda f: log.warn("worker {name!r}: {why}", name=self.workername, why=f.getErrorMessage())
        )

    async def _attached(self, conn: Any) -> None:
        await super()._attached(conn)
        if self.conn is conn and not self._present:
            if self.latent_instance.state in instance.TAKES_CONNECTIONS:
                self._present = True
                self.latent_instance.arrive()
            else:
                conn.loseConnection()

    async def _detach(self, conn: Any) -> None:
        try:
            await super()._detach(conn)
        finally:
            if self._present:
                self._present = False
                self.latent_instance.leave()

    async def _detach_builders(self) -> None:
        """Its builders keep it: it can be started again."""

    def startMissingTimer(self) -> None:
        """It is missed only when it was started and does not come."""

    @deferred
    async def attachBuilder(self, builder: Any) -> None:
        """Give this worker to a builder; nothing happens before the worker knows its builders."""
        builder.addLatentWorker(self)
        if self.worker_commands:
            await maybe(self.workerforbuilders[builder.name].attached, self, self.worker_commands)

    def worker_for_builder(self, builder: Any) -> LatentWorkerForBuilder:
        """A builder's end of this worker."""
        return LatentWorkerForBuilder(self, builder)

    @deferred
    async def updateWorker(self) -> None:
        """The builders have changed: they all have this worker, whether it is connected or not."""
        for builder in self.botmaster.getBuildersForWorker(self.workername):
            builder.addLatentWorker(self)
        await super().updateWorker()

    # -- life --------------------------------------------------------------------------------------------------------

    @deferred
    async def startService(self) -> None:
        """Become live; an instance that an earlier process has left is looked for meanwhile."""
        await super().startService()
        if self._standing.graceful:  # it was meant for an instance that is gone
            await self._standing.set_graceful(False)
        record = await self.latent_instance.record.load()
        if record is not None:
            self.latent_instance.find(record)

    @deferred
    async def stopService(self) -> None:
        """Stop the instance, fast, then let nobody in."""
        self.running = 0
        self._stop_waiting()
        self.latent_instance.release("the master has no more use for it", fast=True)
        self.latent_instance.hurry()
        limit = STOP_DEADLINE + self.latent_instance.remaining()
        try:
            await with_deadline(self.latent_instance.over(), limit, self.master.reactor, f"worker {self.workername}")
        except DeadlineExceeded:  # policy: its record stays, and the next process looks for it
            log.error("the instance of worker {name!r} could not be stopped in time", name=self.workername)
        self.latent_instance.close()
        await super().stopService()
        for wfb in list(self.workerforbuilders.values()):
            await maybe(wfb.builder.detached, self)

    @deferred
    async def shutdown(self) -> None:
        """Stop the instance; builds on it are done again."""
        if self.latent_instance.state == instance.ABSENT:
            self.instance_ended()
        else:
            await self.insubstantiate()


def _instance_arguments(worker: AbstractLatentWorker) -> tuple[Any, Mapping[str, Any]]:
    kwargs = {name: value for name, value in worker._config_kwargs.items() if name not in OF_THE_MASTER}
    return worker._config_args, kwargs


class LocalLatentWorker(AbstractLatentWorker):
    """A worker on a machine that is switched on and off (``machine_name`` names a latent machine).

    The worker is started by the machine itself, so it may also come when nobody has asked for it.
    """

    starts_without_substantiate = True

    def checkConfig(self, name: str, password: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, password, build_wait_timeout=-1, **kwargs)

    @deferred
    async def reconfigService(self, name: str, password: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take these arguments over."""
        await super().reconfigService(name, password, build_wait_timeout=-1, **kwargs)

    def start_instance(self, build: Any) -> Any:
        """The machine does it."""
        return defer.succeed(True)

    def stop_instance(self, fast: bool = False) -> Any:
        """The machine does it."""
        return defer.succeed(True)
