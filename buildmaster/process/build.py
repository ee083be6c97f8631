"""Builds: the documented class.

A build holds names and hooks.  Its life is in :mod:`.build_run`, its rows in :mod:`.build_record`, its properties in
:mod:`.build_properties`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet import defer, error
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    computeResultAndTermination,
)
from buildmaster.db.builds import BuildRow
from buildmaster.db.steps import StepRow
from buildmaster.locks import LockSet
from buildmaster.process import build_properties
from buildmaster.process.build_record import BuildRecord
from buildmaster.process.build_run import BuildRun
from buildmaster.process.build_sources import BuildSources
from buildmaster.process.expectations import ExpectationStore
from buildmaster.process.preparation import PreparationStep
from buildmaster.process.step_factory import create_step_from_step_or_factory
from buildmaster.process.step_record import StepRecord
from buildmaster.process.summary import build_words
from buildmaster.process.urls import getURLForBuild
from buildmaster.properties import Properties, PropertiesMixin, rendering_of

__all__ = ["CANCELLED", "EXCEPTION", "FAILURE", "RETRY", "SKIPPED", "SUCCESS", "WARNINGS", "Build"]

log = Logger()

NO_REASON = "<no reason given>"
MAX_STEP_NAME = 50


class Build(BuildSources, PropertiesMixin):
    """One run of a builder's steps for one or more requests.

    Whoever starts it sets ``buildid``, ``number`` and, if at hand, ``row`` (the stored
    :class:`~buildmaster.db.builds.BuildRow`), calls :meth:`setBuilder` and then :meth:`startBuild`.
    """

    VIRTUAL_BUILDERNAME_PROP = "virtual_builder_name"
    VIRTUAL_BUILDERDESCRIPTION_PROP = "virtual_builder_description"
    VIRTUAL_BUILDER_PROJECT_PROP = "virtual_builder_project"
    VIRTUAL_BUILDERTAGS_PROP = "virtual_builder_tags"

    workdir: Any = "build"
    reason = "changes"
    finished = False
    stopped = False
    results: int | None = None
    set_runtime_properties = True
    useProgress = True
    subs: Any = None
    skipBuildIf: Any = None

    builder: Any = None
    config: Any = None  # the builder's, as it was when the build began
    master: Any = None
    workerforbuilder: Any = None
    workername: str | None = None
    buildid: int | None = None
    number: int | None = None
    row: BuildRow | None = None
    conn: Any = None
    currentStep: Any = None
    lock_set: LockSet | None = None
    progress: Any = None
    record: BuildRecord

    def __init__(self, requests: Sequence[Any], builder: Any = None) -> None:
        self.requests = list(requests)
        self.locks: Any = []
        self.env: dict[str, Any] = {}
        self.workerEnvironment: dict[str, Any] = {}
        self.terminate = False
        self.steps: list[Any] = []
        self.executedSteps: list[Any] = []
        self.stepFactories: list[Any] = []
        self.text: list[str] = []
        self.stopBuildReason = NO_REASON
        self.sources: list[Any] = []
        self.properties = Properties()
        self.properties.build = self
        self._step_names: dict[str, int] = {}
        self.preparation: PreparationStep | None = None
        self._lost = False
        self._stop_results: int | None = None
        self._final_text: list[str] | None = None
        self._waiters: list[defer.Deferred] = []
        self._run: BuildRun | None = None
        if self.requests:
            self.sources = self.requests[0].mergeSourceStampsWith(self.requests[1:])
            self.reason = self.requests[0].mergeReasons(self.requests[1:])
        if builder is not None:
            self.setBuilder(builder)

    def __repr__(self) -> str:
        name = getattr(self.builder, "name", None)
        return f"<{type(self).__name__} {self.buildid}: number {self.number} of {name!r}>"

    # -- set by whoever starts it ----------------------------------------------------------------------------------

    def setBuilder(self, builder: Any) -> None:
        """The builder whose steps are run."""
        self.builder = builder
        self.config = builder.config
        self.master = getattr(builder, "master", None) or builder.botmaster.master
        self.properties.master = self.master
        if not self.locks:
            self.setLocks(getattr(builder.config, "locks", None) or [])

    def setLocks(self, lockList: Iterable[Any]) -> None:
        """The locks that the build holds while it runs: locks, accesses, or a renderable of these."""
        self.locks = lockList if not isinstance(lockList, (list, tuple)) else list(lockList)

    def setWorkerEnvironment(self, env: Mapping[str, Any]) -> None:
        """Environment variables for all commands of the build."""
        self.workerEnvironment = dict(env)

    def setStepFactories(self, step_factories: Iterable[Any]) -> None:
        """What the steps are made from."""
        self.stepFactories = list(step_factories)

    def setupWorkerForBuilder(self, workerforbuilder: Any) -> None:
        """The worker that runs the build."""
        self.workerforbuilder = workerforbuilder
        if workerforbuilder is not None and workerforbuilder.worker is not None:
            self.workername = workerforbuilder.worker.workername

    def setup_connection(self, conn: Any) -> None:
        """The worker is ready; commands go over this connection."""
        self.conn = conn

    # -- who it is -------------------------------------------------------------------------------------------------

    def getProperties(self) -> Properties:
        """The build's properties."""
        return self.properties

    def getBuild(self) -> Build:
        """Itself."""
        return self

    def get_buildid(self) -> int | None:
        """The build's id."""
        return self.buildid

    @deferred
    async def getBuilderId(self) -> int:
        """A Deferred of the id of its builder."""
        if self.row is not None:
            return self.row.builderid
        return await maybe(self.builder.getBuilderId)

    @deferred
    async def getUrl(self) -> str:
        """A Deferred of the address of its page."""
        return getURLForBuild(self.master, await self.getBuilderId(), self.number or 0)

    def getWorkerName(self) -> str | None:
        """The name of its worker."""
        return self.workername

    @property
    def path_module(self) -> Any:
        """How paths are written on its worker: :mod:`posixpath` or :mod:`ntpath`."""
        return self.workerforbuilder.worker.path_module

    def getWorkerInfo(self) -> Any:
        """What the worker tells about itself, as Properties."""
        return self.workerforbuilder.worker.info

    def getWorkerCommandVersion(self, command: str, oldversion: str | None = None) -> str | None:
        """The version of a worker's command, None if it does not know it."""
        return self.workerforbuilder.getWorkerCommandVersion(command, oldversion)

    # -- setting up ------------------------------------------------------------------------------------------------

    @staticmethod
    @deferred
    async def setup_properties_known_before_build_starts(
        props: Properties, requests: Sequence[Any], builder: Any, workerforbuilder: Any = None
    ) -> None:
        """Set what is known before there is a build; see :mod:`.build_properties`."""
        await build_properties.known_before_start(props, requests, builder, workerforbuilder)

    @staticmethod
    def setupBuildProperties(
        props: Properties, requests: Sequence[Any], sources: Sequence[Any] | None = None, number: int | None = None
    ) -> None:
        """Set what belongs to the build itself: its number, its source."""
        build_properties.of_build(props, requests, sources or [], number)

    def setupWorkerProperties(self, workerforbuilder: Any) -> None:
        """Set the worker's name, directories and own properties."""
        build_properties.of_worker(self.properties, workerforbuilder)

    @deferred
    async def setupBuild(self) -> None:
        """Make properties and steps; override to make other steps."""
        await self.setup_properties_known_before_build_starts(
            self.properties, self.requests, self.builder, self.workerforbuilder
        )
        self.setupBuildProperties(self.properties, self.requests, self.sources, self.number)
        if callable(self.workdir):
            self.workdir = self.workdir(self.sources)
        if self.useProgress:
            self.progress = ExpectationStore.of(self.master).progress_for(self.builder.name)
        self.steps = await maybe(self.setupBuildSteps, self.stepFactories)
        for step in self.steps:
            step.setupProgress()

    def setupBuildSteps(self, step_factories: Iterable[Any]) -> Any:
        """The steps made from factories, not yet named or stored."""
        steps = [create_step_from_step_or_factory(factory) for factory in step_factories]
        worker = self.workerforbuilder.worker if self.workerforbuilder is not None else None
        for step in steps:
            step.setBuild(self)
            step.setWorker(worker)
            step.setDefaultWorkdir(self.workdir)
        return steps

    def add_step_row(self, step: Any) -> None:
        """Called by a step that has its name: give it a row."""
        row = self.record.new_step(step.name)
        step.stepid = row.stepid
        step.record = StepRecord(self.master.db, self.master.reactor, row, self.properties)
        self.record.add_step(row)

    def new_step_row(self, name: str) -> StepRow:
        """The row of a step that is not the build's own: some other code tells of work of its own in the build."""
        return self.record.new_step(self.setUniqueStepName(name))

    def setUniqueStepName(self, name: str) -> str:
        """Take a name for a step that no other step of the build has: ``name``, ``name_1``, ``name_2`` …"""
        name = name[:MAX_STEP_NAME]
        count = self._step_names.get(name, -1) + 1
        while count and f"{name[: MAX_STEP_NAME - 1 - len(str(count))]}_{count}" in self._step_names:
            count += 1
        self._step_names[name] = count
        if count:
            name = f"{name[: MAX_STEP_NAME - 1 - len(str(count))]}_{count}"
            self._step_names[name] = 0
        return name

    def addStepsAfterCurrentStep(self, step_factories: Iterable[Any]) -> Any:
        """Run more steps, made from these factories, right after the running one.  A Deferred, which fires at once."""
        return self._add_steps(step_factories, lambda: 0)

    def addStepsAfterLastStep(self, step_factories: Iterable[Any]) -> Any:
        """Run more steps, made from these factories, at the end.  A Deferred, which fires at once."""
        return self._add_steps(step_factories, lambda: len(self.steps))

    def _add_steps(self, step_factories: Iterable[Any], place: Callable[[], int]) -> defer.Deferred[None]:
        def insert(steps: Any) -> None:
            for step in steps:
                step.setupProgress()
            self.steps[place() : place()] = steps

        made = self.setupBuildSteps(step_factories)
        if isinstance(made, (list, tuple)):
            insert(made)  # mistakes are raised where the call stands
            return defer.succeed(None)
        return as_deferred(made).addCallback(insert)

    # -- running ---------------------------------------------------------------------------------------------------

    @deferred
    async def startBuild(self, workerforbuilder: Any) -> Build:
        """Run the build on a worker.  The Deferred fires when its end is committed, and never fails."""
        self.setupWorkerForBuilder(workerforbuilder)
        if self.row is None:
            self.row = self._make_row()
        self.master.db.secrets.watch(self.row.buildid, self.properties)
        self.record = BuildRecord(self.master.db, self.master.reactor, self.row, self.properties)
        self._run = BuildRun(self)
        await self._run.execute()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(self)
        return self

    def _make_row(self) -> BuildRow:
        assert self.buildid is not None and self.number is not None
        return BuildRow(
            buildid=self.buildid,
            number=self.number,
            builderid=self.builder.builderid,
            buildrequestid=self.requests[0].id,
            workerid=getattr(getattr(self.workerforbuilder, "worker", None), "workerid", None),
            masterid=self.master.masterid,
            started_at=self.master.reactor.seconds(),
            state_string="created",
        )

    def getNextStep(self) -> Any:
        """The step to be run next, taken off ``steps``; None if there is none.

        After a failure that halts the build, or a stop, only steps with ``alwaysRun`` are left; after the loss of the
        worker, none.
        """
        if self._lost:
            return None
        while self.steps:
            step = self.steps.pop(0)
            if not self.terminate or step.alwaysRun:
                return step
        return None

    @deferred
    async def startNextStep(self) -> None:
        """Run the steps that are left, one after the other, and end."""
        if self.results is None:
            self.results = SUCCESS
        while True:
            step = await maybe(self.getNextStep)
            if step is None:
                break
            if self.terminate and not await self._always_runs(step):
                continue
            self.currentStep = step
            await maybe(step.addStep)
            self.executedSteps.append(step)
            results = await step.startStep(self.conn)
            await maybe(self.stepDone, results, step)
            self.currentStep = None
            self.record.save_properties()
        await maybe(self.allStepsDone)

    async def _always_runs(self, step: Any) -> bool:
        return bool(await as_deferred(rendering_of(step.alwaysRun, self.properties)))

    @deferred
    async def stepDone(self, results: int, step: Any) -> bool:
        """A step has ended; returns whether only ``alwaysRun`` steps are to be run from now on."""
        assert self.results is not None
        self.results, terminate = computeResultAndTermination(step, results, self.results)
        summary = await maybe(step.getBuildResultSummary)
        if summary.get("build"):
            self.text.append(summary["build"])
        self.terminate = self.terminate or terminate
        return self.terminate

    def allStepsDone(self) -> Any:
        """No step is left: the build ends with its results and a text."""
        assert self.results is not None
        if self._stop_results is not None:
            self.results = self._stop_results
        return self.buildFinished([*build_words(self.results), *self.text], self.results)

    def buildFinished(self, text: Sequence[str], results: int) -> Any:
        """The build ends with this text and these results; override to change them."""
        self.results = results
        self._final_text = list(text)

    def final_text(self) -> str:
        """The text the build ends with."""
        if self._final_text is None:
            assert self.results is not None
            self._final_text = [*build_words(self.results), *self.text]
        return " ".join(self._final_text)

    @deferred
    async def buildPreparationFailure(self, why: Failure, state_string: str) -> None:
        """The build could not be prepared: the step ``worker_preparation`` tells why."""
        self.text.append(f"error while {state_string}")
        if self.preparation is None:
            self.preparation = PreparationStep(self)
        await self.preparation.fail(why, f"error while {state_string}")

    def setStateString(self, text: str) -> None:
        """What the build is doing."""
        self.record.set_state_string(text)

    def add_locks_duration(self, seconds: float) -> None:
        """The build, or a step of it, has waited for locks."""
        self.record.add_locks_duration(seconds)

    @deferred
    async def acquireLocks(self, res: Any = None) -> None:
        """The build's locks are taken before its first step; nothing is left to be done."""

    def releaseLocks(self) -> None:
        """Give the build's locks back before its end."""
        if self.lock_set is not None:
            self.lock_set.release()

    # -- ending before its time ------------------------------------------------------------------------------------

    def lostRemote(self, conn: Any = None) -> None:
        """The worker is lost: the running step ends at once and the build with RETRY."""
        if self.finished:
            return
        self.conn = None
        self._lost = True
        if not self.stopped:
            self.results = RETRY
        self.terminate = True
        if self.currentStep is not None:
            self._interrupt(Failure(error.ConnectionLost("the worker was lost")))
        if self._run is not None:
            self._run.stop()

    @deferred
    async def stopBuild(self, reason: str = NO_REASON, results: int = CANCELLED) -> None:
        """End the build, with ``results``; its ``alwaysRun`` steps are still run.

        The running step is told to stop, and left behind if it does not within ``c['deadlines']['step_stop']`` seconds.
        """
        if self.finished:
            return
        self.stopped = True
        self.stopBuildReason = reason
        self._stop_results = results
        self.terminate = True
        if self.currentStep is not None:
            self._interrupt(reason)
        elif self.results is None:
            self.results = results
            if self._run is not None:
                self._run.stop()

    def _interrupt(self, why: Any) -> None:
        try:
            answer = self.currentStep.interrupt(why)
        except Exception:
            log.failure("interrupting step {name!r}", name=self.currentStep.name)
            return
        if answer is not None:
            as_deferred(answer).addErrback(lambda f: log.failure("interrupting a step", f))

    @deferred
    async def controlStopBuild(self, key: Any, params: Mapping[str, Any] | None) -> None:
        """Somebody asks for the end of the build."""
        given = dict(params or {})
        await self.stopBuild(given.get("reason") or NO_REASON, int(given.get("results") or CANCELLED))

    def waitUntilFinished(self) -> defer.Deferred[Build]:
        """Fires when the build's end is committed."""
        waiter: defer.Deferred[Build] = defer.Deferred()
        if self.finished and self.record.row.complete:
            waiter.callback(self)
        else:
            self._waiters.append(waiter)
        return waiter

    # -- looking back ----------------------------------------------------------------------------------------------

    def getSummaryStatistic(self, name: str, summary_fn: Callable[[Any, Any], Any], initial_value: Any = None) -> Any:
        """What the steps have counted under a name, put together by ``summary_fn(so far, value)``."""
        values = [step.getStatistic(name) for step in self.executedSteps if step.hasStatistic(name)]
        if initial_value is not None:
            return functools.reduce(summary_fn, values, initial_value)
        return functools.reduce(summary_fn, values) if values else None

    def eta(self) -> float | None:
        """Seconds until the build will probably be finished; None if too little is known."""
        return self.progress.eta() if self.progress is not None else None

    def learn_progress(self) -> None:
        """Called at the end: remember how long a successful build took."""
        if self.progress is not None and self.results in (SUCCESS, WARNINGS):
            ExpectationStore.of(self.master).learn(self.builder.name, self.progress)
