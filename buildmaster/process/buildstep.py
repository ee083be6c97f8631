"""Build steps: the documented base class and its helpers.

A step holds names and hooks.  How it is run is in :mod:`.step_run`, its logs in :mod:`.step_logs`, its row in
:mod:`.step_record`, its texts in :mod:`.summary`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.internet.defer import execute
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IBuildStep, IRenderable, WorkerTooOldError
from buildmaster.base.params import check_param_length
from buildmaster.base.perclass import PerClass
from buildmaster.base.results import (
    ALL_RESULTS,
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    ResultComputingConfigMixin,
)
from buildmaster.process import logobserver, summary
from buildmaster.process.command_mixin import CommandMixin
from buildmaster.process.logobserver import LogLineObserver, LogObserver, OutputProgressObserver
from buildmaster.process.old_steps import BuildStepStatus, OldStyleMixin
from buildmaster.process.remotecommand import LoggedRemoteCommand, RemoteCommand, RemoteShellCommand
from buildmaster.process.shell_mixin import ShellMixin
from buildmaster.process.step_errors import BuildStepCancelled, BuildStepFailed, CallableAttributeError
from buildmaster.process.step_factory import (
    StepFactory,
    create_step_from_step_or_factory,
    get_factory_from_step_or_factory,
)
from buildmaster.process.step_logs import StepLogs, failure_text
from buildmaster.process.step_record import StepRecord
from buildmaster.process.step_reports import StepReports
from buildmaster.process.step_run import StepRun
from buildmaster.properties import Properties, PropertiesMixin

__all__ = [
    "ALL_RESULTS",
    "CANCELLED",
    "EXCEPTION",
    "FAILURE",
    "RETRY",
    "SKIPPED",
    "SUCCESS",
    "WARNINGS",
    "BuildStep",
    "BuildStepCancelled",
    "BuildStepFailed",
    "BuildStepStatus",
    "CallableAttributeError",
    "CommandMixin",
    "LogLineObserver",
    "LogObserver",
    "LoggedRemoteCommand",
    "OutputProgressObserver",
    "RemoteCommand",
    "RemoteShellCommand",
    "ShellMixin",
    "WorkerTooOldError",
    "create_step_from_step_or_factory",
    "get_factory_from_step_or_factory",
    "logobserver",
]

log = Logger()

MAX_NAME = 50
"""Characters of a step's name."""

SUMMARY_SECONDS = 1.0
"""How often a running step is asked for its summary, at most."""


@implementer(IBuildStep)
class BuildStep(StepReports, OldStyleMixin, ResultComputingConfigMixin, PropertiesMixin, ComparableMixin):
    """A step of a build: override :meth:`run`, which returns the result.

    A step made in a configuration only remembers its arguments; each build makes its own from them, so constructors
    check and store.  What is named in ``renderables`` is rendered before ``run()``.
    """

    alwaysRun: Any = False
    doStepIf: Any = True
    hideStepIf: Any = False
    description: Any = None
    descriptionDone: Any = None
    descriptionSuffix: Any = None
    locks: Any = None
    logEncoding: Any = None
    name: Any = "generic"
    progressMetrics: tuple[str, ...] = ()
    useProgress = True
    updateBuildSummaryPolicy: Any = None

    renderables: ClassVar[Sequence[str]] = [
        *ResultComputingConfigMixin.resultConfig,
        "alwaysRun",
        "description",
        "descriptionDone",
        "descriptionSuffix",
        "doStepIf",
        "hideStepIf",
        "workdir",
    ]
    parms: ClassVar[Sequence[str]] = [
        *ResultComputingConfigMixin.resultConfig,
        "alwaysRun",
        "description",
        "descriptionDone",
        "descriptionSuffix",
        "doStepIf",
        "hideStepIf",
        "locks",
        "logEncoding",
        "name",
        "progressMetrics",
        "updateBuildSummaryPolicy",
        "useProgress",
        "workdir",
    ]
    compare_attrs = ("_factory",)
    set_runtime_properties = True

    build: Any = None
    worker: Any = None
    remote: Any = None
    cmd: Any = None
    progress: Any = None
    results: int | None = None
    stepid: int | None = None
    rendered = False
    stopped = False
    timed_out = False
    record: StepRecord
    _factory: StepFactory
    _workdir: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        self._factory = StepFactory(cls, *args, **kwargs)
        return self

    def __init__(self, **kwargs: Any) -> None:
        self.step_logs = StepLogs()
        StepReports.__init__(self)
        self._run: StepRun | None = None
        self._summary_timer: Any = None
        for name in self.parms:
            if name in kwargs:
                setattr(self, name, kwargs.pop(name))
        if kwargs:
            renamed = [
                f"; {name} is called {name.replace('slave', 'worker')}" for name in sorted(kwargs) if "slave" in name
            ]
            error(
                f"{type(self).__name__}.__init__ got unexpected keyword argument(s) {sorted(kwargs)}{''.join(renamed)}"
            )
        self._check()

    def _check(self) -> None:
        kind = type(self).__name__
        if not isinstance(self.name, str) and not IRenderable.providedBy(self.name):
            error(f"{kind}: the name must be a string or a renderable, not {self.name!r}")
        elif isinstance(self.name, str):
            check_param_length(self.name, f"Step {kind} name", MAX_NAME)
        for name in ("description", "descriptionDone", "descriptionSuffix"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, (str, list, tuple)) and not IRenderable.providedBy(value):
                error(f"{kind}: {name} must be a string or a list of strings, not {value!r}")
        policy = self.updateBuildSummaryPolicy
        if policy is None:
            self.updateBuildSummaryPolicy = summary.summary_policy(self)
        elif isinstance(policy, bool):
            self.updateBuildSummaryPolicy = ALL_RESULTS if policy else []
        elif not isinstance(policy, (list, tuple)):
            error(f"{kind}: updateBuildSummaryPolicy must be a list of results or a boolean, not {policy!r}")

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def __repr__(self) -> str:
        arguments = [repr(each) for each in self._factory.args]
        arguments += [f"{name}={value!r}" for name, value in sorted(self._factory.kwargs.items())]
        return f"{type(self).__name__}({', '.join(arguments)})"

    # -- a step as a factory ---------------------------------------------------------------------------------------

    def get_step_factory(self) -> StepFactory:
        """What makes steps like this one."""
        return self._factory

    def set_step_arg(self, name: str, value: Any) -> None:
        """Give the steps made from this one another argument."""
        self._factory.kwargs[name] = value

    def addFactoryArguments(self, **kwargs: Any) -> None:
        """The same for several arguments; of releases before 0.9, where it was needed."""
        self._factory.kwargs.update(kwargs)

    def is_exact_step_class(self, klass: type) -> bool:
        """Whether this is a step of just this class, not of a subclass."""
        return type(self) is klass

    @classmethod
    def all_renderables(cls) -> tuple[str, ...]:
        """The ``renderables`` of the class and its bases."""
        return renderables_of(cls)

    @classmethod
    def known_arguments(cls) -> frozenset[str]:
        """The names of all arguments that the constructors of BuildStep take."""
        return frozenset(cls.parms)

    # -- set by the build ------------------------------------------------------------------------------------------

    def setBuild(self, build: Any) -> None:
        """The build this step belongs to."""
        self.build = build

    def setWorker(self, worker: Any) -> None:
        """The worker it runs on."""
        self.worker = worker

    def setDefaultWorkdir(self, workdir: Any) -> None:
        """The workdir, for a step that was given none."""
        if self._workdir is None:
            self._workdir = workdir

    @property
    def workdir(self) -> Any:
        """Its directory on the worker, below the builder's; by default the build's."""
        if self._workdir is not None or self.build is None:
            return self._workdir
        return self.build.workdir

    @workdir.setter
    def workdir(self, workdir: Any) -> None:
        self._workdir = workdir

    @property
    def master(self) -> Any:
        """The master."""
        return self.build.master

    def getProperties(self) -> Properties:
        """The build's properties."""
        return self.build.getProperties()

    def getWorkerName(self) -> str | None:
        """The name of the worker."""
        return self.build.getWorkerName()

    def setupProgress(self) -> None:
        """Have the build's expected time count this step."""
        if self.useProgress and self.build is not None and self.build.progress is not None:
            name = self.name if isinstance(self.name, str) else type(self).__name__
            self.progress = self.build.progress.add_step(name, self.progressMetrics)

    def setProgress(self, metric: str, value: float) -> None:
        """How far the step is by one of its ``progressMetrics``."""
        if self.progress is not None:
            self.progress.setProgress(metric, value)

    # -- running ---------------------------------------------------------------------------------------------------

    @deferred
    async def addStep(self) -> None:
        """Give the step its final name and its row.  Called once, before it is started."""
        if not isinstance(self.name, str):
            self.name = self.getProperties().cleanupTextFromSecrets(await self.build.render(self.name))
        self.name = self.build.setUniqueStepName(self.name)
        self.build.add_step_row(self)

    @deferred
    async def startStep(self, remote: Any) -> int:
        """Run the step over a connection (None for a build without a worker) to its end; gives the result."""
        self.remote = remote
        self._run = StepRun(self)
        if self.progress is not None:
            self.progress.start()
        try:
            return await self._run.execute()
        finally:
            self._stop_summaries()
            if self.progress is not None:
                self.progress.finish()

    @deferred
    async def acquireLocks(self, res: Any = None) -> None:
        """The step's locks are taken before it runs; nothing is left to be done."""

    def releaseLocks(self) -> None:
        """The step's locks are given back when it has ended; nothing is left to be done."""

    def run(self) -> Any:
        """The step's work; override it.  Returns a result, or a Deferred or coroutine of one."""
        raise TypeError(f"{type(self).__name__} has no run() method, so there is nothing for it to do")

    def interrupt(self, reason: Any) -> Any:
        """Stop: called for "stop", and with a Failure when the worker is lost.  Override and call this one.

        A step that does not end by itself within ``c['deadlines']['step_stop']`` seconds is left behind.
        """
        if self.stopped:
            return None
        self.stopped = True
        waiting = self._run is not None and self._run.waits_for_locks
        sigterm = float(self.cmd.args.get("sigtermTime") or 0) if self.cmd is not None else 0.0
        if not isinstance(reason, Failure) and self.build is not None and self.stepid is not None:
            name = "cancelled while waiting for locks" if waiting else "cancelled"
            self.addCompleteLog(name, str(reason)).addErrback(self._log_lost, name)
        if self._run is not None:
            self._run.stop(reason, sigterm)  # a step that waits for locks ends here
        return self.cmd.interrupt(reason) if self.cmd is not None else None

    def _log_lost(self, failure: Failure, name: str) -> None:
        log.failure("the log {name!r} was not stored", failure, name=name)

    @deferred
    async def runCommand(self, command: RemoteCommand) -> Any:
        """Run a command on the worker; gives the command, or CANCELLED if the step was stopped before."""
        if self.stopped:
            return CANCELLED
        self.cmd = command
        command.worker = self.worker
        try:
            return await command.run(self, self.remote, self.build.builder.name)
        finally:
            self.timed_out = self.timed_out or command.timed_out
            self.cmd = None

    def workerVersion(self, command: str, oldversion: str | None = None) -> str | None:
        """The version of a worker's command; None if it does not know it."""
        return self.build.getWorkerCommandVersion(command, oldversion)

    def workerVersionIsOlderThan(self, command: str, minversion: str) -> bool:
        """Whether the worker's command is older than this version, or not there at all."""
        version = self.workerVersion(command)
        return version is None or _version(version) < _version(minversion)

    def checkWorkerHasCommand(self, command: str) -> None:
        """Raises WorkerTooOldError if the worker does not know a command."""
        if not self.workerVersion(command):
            raise WorkerTooOldError(
                f"worker {self.getWorkerName()} is too old, it does not know the command {command!r}; upgrade it"
            )

    # -- summaries -------------------------------------------------------------------------------------------------

    def updateSummary(self) -> None:
        """The summary may have changed: :meth:`getCurrentSummary` will be called, soon and not too often."""
        if self._summary_timer is None and self.build is not None and self.results is None and self._run is not None:
            self._summary_timer = self.build.master.reactor.callLater(SUMMARY_SECONDS, self._summarise)

    def _summarise(self) -> None:
        self._summary_timer = None

        def store(found: Any) -> None:
            if self.results is None and isinstance(found.get("step"), str):
                self.record.set_state_string(found["step"])

        asked = as_deferred(maybe(self.getCurrentSummary))
        asked.addCallback(store).addErrback(lambda f: log.failure("getCurrentSummary of {name}", f, name=self.name))

    def _stop_summaries(self) -> None:
        if self._summary_timer is not None:
            self._summary_timer.cancel()
            self._summary_timer = None

    def getCurrentSummary(self) -> Any:
        """``{"step": text}`` while it runs; override it.  May return a Deferred."""
        return {"step": summary.current_summary(self)}

    def getResultSummary(self) -> Any:
        """``{"step": text}`` and perhaps ``"build": text`` at the end; override it.  May return a Deferred."""
        return {"step": summary.result_summary(self)}

    @deferred
    async def getBuildResultSummary(self) -> dict[str, str]:
        """The result summary, with ``build`` in it if ``updateBuildSummaryPolicy`` says so."""
        found = dict(await maybe(self.getResultSummary))
        if self._old_build_text is not None:
            found.setdefault("build", self._old_build_text)
        if self.results in self.updateBuildSummaryPolicy and "build" not in found and found.get("step"):
            found["build"] = found["step"]
        return found

    # -- logs ------------------------------------------------------------------------------------------------------

    def addLog(self, name: str, type: str = "s", logEncoding: Any = None) -> Any:
        """A Deferred of a new log: ``s`` with channels, ``t`` plain text, ``h`` HTML.

        In a step with a ``start()`` it is the log itself, as it was before 0.9.
        """
        if self._old_style is not None:
            return self.step_logs.add(self, name, type, logEncoding)
        return execute(self.step_logs.add, self, name, type, logEncoding)

    def getLog(self, name: str) -> Any:
        """The step's log of this name; raises KeyError if there is none."""
        return self.step_logs.by_name[name]

    @property
    def logs(self) -> dict[str, Any]:
        """The step's logs by name."""
        return self.step_logs.by_name

    @deferred
    async def addCompleteLog(self, name: str, text: str) -> None:
        """A text log with all its text."""
        await self._add_whole(name, "t", text)

    @deferred
    async def addHTMLLog(self, name: str, html: str) -> None:
        """An HTML log with all its text."""
        await self._add_whole(name, "h", html)

    async def _add_whole(self, name: str, type: str, text: str) -> None:
        whole = self.step_logs.add(self, name, type, None)
        whole.addContent(text)
        await whole.finish()

    @deferred
    async def addLogWithFailure(self, why: Failure, logprefix: str = "") -> None:
        """A log ``err.text`` with the traceback of a failure."""
        await self._add_whole(logprefix + "err.text", "t", failure_text(why))

    def addLogWithException(self, why: BaseException, logprefix: str = "") -> Any:
        """The same for an exception."""
        return self.addLogWithFailure(Failure(why), logprefix)

    def addLogObserver(self, logname: str, observer: Any) -> None:
        """Have an observer see all that is written to a log of the step, which may not be there yet."""
        self.step_logs.observe(logname, observer, self)


@PerClass
def renderables_of(kind: type) -> tuple[str, ...]:
    """The ``renderables`` of a class and its bases."""
    names: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        names.update(dict.fromkeys(base.__dict__.get("renderables", ())))
    return tuple(names)


def _version(text: str) -> list[int]:
    return [int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")]


_BuildStepFactory = StepFactory
