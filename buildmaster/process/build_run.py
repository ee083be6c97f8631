"""The life of one build, from the worker's preparation to the committed end.

Whatever happens the build ends, and its end is stored; a result says how.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded, as_deferred, maybe, sleep
from buildmaster.base.deadlines import deadlines_of
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerSubstantiatiationCancelled
from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, SKIPPED, SUCCESS
from buildmaster.db.batch import LeaseLost, Stopping
from buildmaster.locks import LockSet
from buildmaster.process.preparation import PreparationStep
from buildmaster.process.step_locks import resolve_locks
from buildmaster.properties import rendering_of

log = Logger()

AGAIN_AFTER = (1.0, 4.0, 15.0, 40.0)
"""Seconds between the attempts to store a build's end."""


class Stopped(Exception):
    """The build was told to end while it was being prepared."""


class BuildRun:
    """Runs a build.  :meth:`stop` makes whatever is being waited for before the first step end at once."""

    def __init__(self, build: Any) -> None:
        self._build = build
        self._stop: defer.Deferred[None] = defer.Deferred()
        self._disconnect: Any = None
        self._control: Any = None

    async def execute(self) -> None:
        """Run the build to its end; never raises."""
        build = self._build
        try:
            await self._listen()
            if await self._guarded(self._set_up, "setting_up") and await self._prepare():
                await self._guarded(build.startNextStep, "running_steps")
        except GeneratorExit:  # it is thrown away with its master, and there is nobody to tell
            raise
        except BaseException:  # policy: whatever a step raised, the build ends
            log.failure("in build {build!r}", build=build)
            build.results = EXCEPTION
        await self._end()

    def stop(self) -> None:
        """Do not wait for the worker or for locks any more."""
        if not self._stop.called:
            self._stop.callback(None)
        if self._build.lock_set is not None:
            self._build.lock_set.stop_waiting()

    async def _listen(self) -> None:
        build = self._build
        mq = getattr(build.master, "mq", None)
        if mq is not None:
            key = ("control", "builds", str(build.buildid), "stop")
            self._control = await as_deferred(mq.startConsuming(build.controlStopBuild, key))

    async def _guarded(self, function: Any, doing: str) -> bool:
        build = self._build
        try:
            await maybe(function)
            return True
        except Exception:
            failure = Failure()
            log.failure("while {doing} {build!r}", failure, doing=doing, build=build)
            await as_deferred(build.buildPreparationFailure(failure, doing))
            build.results = EXCEPTION
            return False

    # -- before the first step -------------------------------------------------------------------------------------

    async def _set_up(self) -> None:
        build = self._build
        await as_deferred(build.setupBuild())
        build.record.save_properties()

    async def _prepare(self) -> bool:
        """Make the worker ready and take the build's locks; False if the steps are not to be run."""
        build = self._build
        try:
            if await self._unless_stopped(self._skip()):
                build.results = SKIPPED
                return False
        except Stopped:
            return False
        build.setStateString("preparing worker")
        build.preparation = PreparationStep(build)
        try:
            await self._unless_stopped(self._worker_ready())
            await self._unless_stopped(self._locks_taken())
            await self._unless_stopped(self._tell_worker())
        except Stopped:
            build.preparation.finish(build.results if build.results is not None else CANCELLED, "not prepared")
            return False
        except Exception:
            failure = Failure()
            final = failure.check(LatentWorkerCannotSubstantiate) is not None
            log.failure("preparing the worker for {build!r}", failure, build=build)
            build.results = EXCEPTION if final else RETRY
            if failure.check(LatentWorkerSubstantiatiationCancelled) is None:
                self._quarantine(True)
            await as_deferred(build.buildPreparationFailure(failure, "worker_prepare"))
            return False
        self._quarantine(False)
        build.preparation.finish(SUCCESS, f"worker {build.getWorkerName()} ready")
        if build.stopped:
            return False
        build.setStateString("building")
        return True

    def _quarantine(self, failed: bool) -> None:
        """A worker that could not be prepared gets no build for a while; for one that could, the while begins anew."""
        worker = getattr(self._build.workerforbuilder, "worker", None)
        if worker is not None and failed:
            worker.putInQuarantine()
        elif worker is not None:
            worker.resetQuarantine()

    async def _skip(self) -> bool:
        build = self._build
        condition = getattr(build.config, "do_build_if", None)
        if condition is not None and not (await maybe(condition, build) if callable(condition) else condition):
            return True
        predicate = getattr(build, "skipBuildIf", None)
        if predicate is None:
            return False
        return bool(await maybe(predicate, build) if callable(predicate) else predicate)

    async def _unless_stopped(self, coroutine: Any) -> Any:
        """Wait for this, but not longer than until the build is told to end."""
        work = as_deferred(coroutine)
        result: defer.Deferred[Any] = defer.Deferred()

        def done(outcome: Any) -> None:
            if not result.called:
                result.callback(outcome)
            elif isinstance(outcome, Failure):
                log.debug("preparation of a build that was stopped: {why}", why=outcome.getErrorMessage())

        def stopped(_: Any) -> None:
            if not result.called:
                result.errback(Stopped())
                work.cancel()

        work.addBoth(done)
        self._stop.addCallback(stopped)
        return await result

    async def _worker_ready(self) -> None:
        build = self._build
        workerforbuilder = build.workerforbuilder
        if workerforbuilder is None:
            return
        if not await as_deferred(workerforbuilder.prepare(build)):
            raise WorkerNotReady(f"worker {build.getWorkerName()} could not be prepared for the build")
        conn = workerforbuilder.worker.conn
        if conn is None:
            raise WorkerNotReady(f"worker {build.getWorkerName()} is not connected")
        build.setup_connection(conn)
        self._disconnect = conn.notifyOnDisconnect(build.lostRemote)

    async def _locks_taken(self) -> None:
        build = self._build
        wanted = await as_deferred(rendering_of(build.locks, build.properties))
        build.lock_set = LockSet(build, resolve_locks(build, wanted))
        before = build.master.reactor.seconds()
        taking = as_deferred(build.lock_set.acquire())
        if not taking.called:
            build.setStateString("acquiring locks")
        if not await taking:
            raise Stopped
        build.add_locks_duration(build.master.reactor.seconds() - before)

    async def _tell_worker(self) -> None:
        conn = self._build.conn
        if conn is None:
            return
        telling = as_deferred(conn.remoteStartBuild(self._build.builder.name))
        patience = getattr(conn, "patience", None)
        if patience is not None:
            seconds = deadlines_of(self._build.master).command_start
            telling = patience.wait_for(telling, seconds, f"startBuild of worker {self._build.getWorkerName()}")
        try:
            await telling
        except DeadlineExceeded:
            conn.loseConnection()
            raise

    # -- after the last --------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        build = self._build
        if build.results is None:
            build.results = CANCELLED if build.stopped else SUCCESS
        build.finished = True
        for subscription in (self._disconnect, self._control):
            await _withdraw(subscription)
        if build.lock_set is not None:
            build.lock_set.stop_waiting()
            build.lock_set.release()
        build.learn_progress()
        if not self._stop.called:
            self._stop.callback(None)
        await self._store_end()

    async def _store_end(self) -> None:
        """A build that has ended is not built again because the database was in trouble just then."""
        build = self._build
        ids = [request.id for request in build.requests]
        for pause in (*AGAIN_AFTER, None):
            try:
                await build.record.finish(build.results, build.final_text(), ids)
                return
            except (LeaseLost, Stopping):
                log.failure("the end of {build!r} can't be stored by this master", build=build)
                return
            except Exception:  # policy: retry, then the request is built again
                then = "the reconciler will end it" if pause is None else f"it is tried again in {pause:g} s"
                log.failure("the end of {build!r} could not be stored; {then}", build=build, then=then)
            if pause is not None:
                await sleep(build.master.reactor, pause)


class WorkerNotReady(Exception):
    """The worker that was chosen for a build can't be used now; another one may."""


async def _withdraw(subscription: Any) -> None:
    for name in ("unsubscribe", "stopConsuming"):
        if hasattr(subscription, name):
            await maybe(getattr(subscription, name))
