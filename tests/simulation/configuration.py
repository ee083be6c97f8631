"""A configuration made of a :class:`~.histories.Setup`: real plugins, and user callbacks that misbehave by plan.

What a callback does depends on what it is asked about and on how often it was asked in this life of the master, never
on chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from twisted.internet import defer, task

from buildmaster.changes.base import PollingChangeSource
from buildmaster.changes.reporting import Reporter
from buildmaster.plugins import changes, schedulers, steps, util, worker
from tests.simulation.histories import BuilderSpec, SchedulerSpec, Setup
from tests.simulation.instances import make_latent
from tests.simulation.repository import Remote
from tests.simulation.telling import Teller
from tests.simulation.world import World

SLOW_FILE, HANGING_FILE = 7.0, 60.0
"""Seconds that fileIsImportant takes for slow.c, and after which it is given up for hangs.c."""

NIGHTLY = 5
"""Minutes between the times of a Nightly scheduler."""


class Poller(PollingChangeSource):
    """Polls a file of revisions, a line each; changes and place are stored together."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(name="file", pollInterval=30, **kwargs)

    remote: Remote

    async def poll(self) -> None:
        await self.remote.answer(self.master.reactor)
        reporter = Reporter(self.master, "file", "Poller")
        path = Path(self.master.basedir) / "revisions"
        revisions = path.read_text().split() if path.exists() else []
        seen = await reporter.state("seen", 0)
        found = [
            {"author": "p", "revision": r, "branch": "main", "files": ["code.c"], "comments": r, "repository": "r"}
            for r in revisions[seen:]
        ]
        await reporter.report(found, {"seen": len(revisions)})


class Callbacks:
    """The user code of one life of a master."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._asked: Counter[Any] = Counter()

    def _later(self, seconds: float, value: Any) -> defer.Deferred[Any]:
        return task.deferLater(self._clock, seconds, lambda: value)

    def _first(self, *key: Any) -> bool:
        """Whether this is asked for the first two times."""
        self._asked[key] += 1
        return self._asked[key] <= 2

    def important(self, change: Any) -> Any:
        """fileIsImportant, by the files of the change."""
        if "raises.c" in change.files:
            raise RuntimeError("raises.c")
        if "hangs.c" in change.files:
            return defer.Deferred()
        if "slow.c" in change.files:
            return self._later(SLOW_FILE, True)
        return "code.c" in change.files

    def collapse(self, how: str) -> Any:
        """collapseRequests of this name."""
        if how in ("yes", "no"):
            return how == "yes"

        def function(master: Any, builder: Any, one: Any, two: Any) -> Any:
            if how == "raising":
                raise RuntimeError("collapse")
            if how == "hanging":
                return defer.Deferred()
            if how == "late":
                return self._later(70.0, True)
            return self._later(3.0, True) if how == "deferred" else True

        return function

    def can_start(self, how: str) -> Callable[..., Any]:
        """canStartBuild of this name."""

        def function(builder: Any, wfb: Any, request: Any) -> Any:
            first = how.endswith("_first") and self._first("can_start", builder.name)
            if how == "raises_first" and first:
                raise RuntimeError("canStartBuild")
            if how == "hangs_first" and first:
                return defer.Deferred()
            return self._later(4.0, True) if how == "slow" else not first

        return function

    def next_build(self, how: str) -> Callable[..., Any]:
        """nextBuild of this name."""

        def function(builder: Any, requests: Any) -> Any:
            first = how.endswith("_first") and self._first("next_build", builder.name)
            if how == "raises_first" and first:
                raise RuntimeError("nextBuild")
            if how == "none_first" and first:
                return None
            if how == "hangs_first" and first:
                return defer.Deferred()
            if how == "late_first" and first:
                return self._later(70.0, requests[0])
            return self._later(4.0, requests[0]) if how == "slow" else requests[-1]

        return function

    def prioritize(self, how: str) -> Callable[..., Any]:
        """prioritizeBuilders of this name."""

        def function(master: Any, builders: Any) -> Any:
            first = self._first("prioritize")
            if how == "raises" and first:
                raise RuntimeError("prioritizeBuilders")
            if how == "drops" and first:
                return builders[1:]
            if how == "hangs" and first:
                return defer.Deferred()
            if how == "late" and first:
                return self._later(70.0, builders)
            return self._later(2.0, builders) if how == "slow" else list(reversed(builders))

        return function

    def render_locks(self, how: str, accesses: Any) -> Any:
        """Locks that are rendered, by the name of this."""

        @util.renderer
        def rendered(props: Any) -> Any:
            first = how.endswith("_first") and self._first("locks", props.getProperty("buildername"))
            if how == "raises_first" and first:
                raise RuntimeError("locks")
            if how == "hangs_first" and first:
                return defer.Deferred()
            return self._later(4.0, accesses) if how == "slow" else accesses

        return rendered

    def priority(self, scheduler: str, how: str) -> Callable[..., Any]:
        """priority of this name."""

        def function(builders: Any, changes: Any) -> Any:
            first = how.endswith("_first") and self._first("priority", scheduler)
            if how == "raises_first" and first:
                raise RuntimeError("priority")
            if how == "hangs_first" and first:
                return defer.Deferred()
            return self._later(4.0, len(builders)) if how == "slow" else len(builders)

        return function

    def raising(self, step: Any) -> bool:
        """doStepIf."""
        raise RuntimeError("doStepIf")

    def slowly(self, step: Any) -> Any:
        """doStepIf."""
        return self._later(5.0, True)


def make(setup: Setup, clock: Any, missing: Collection[str], timers: float, world: World) -> dict[str, Any]:
    """A configuration without the missing parts, its stable timers multiplied."""
    calls = Callbacks(clock)
    lock = util.MasterLock("lock", maxCount=2)
    worker_lock = util.WorkerLock("worker_lock", maxCount=1)
    builders = [b for b in setup.builders if b.name not in missing]
    names = {b.name for b in builders}
    made: dict[str, Any] = {}
    for spec in setup.schedulers:
        if spec.name not in missing:
            made[spec.name] = _scheduler(spec, calls, [b for b in spec.builders if b in names], timers, made)
    workers = [
        worker.Worker(n, "pw", max_builds=m, keepalive_interval=100) for n, m in setup.workers if n not in missing
    ]
    config: dict[str, Any] = {
        "workers": workers + [make_latent(spec, world.cloud) for spec in setup.latent if spec.name not in missing],
        "builders": [_builder(b, setup, missing, calls, lock, worker_lock) for b in builders],
        "schedulers": list(made.values()),
        "protocols": {"pb": {"port": 9989}},
        "change_source": _sources(setup, missing, world),
        "services": [Teller(name="teller")] if setup.polls else [],
    }
    if setup.prioritize != "none":
        config["prioritizeBuilders"] = calls.prioritize(setup.prioritize)
    if setup.hooks:
        dialects = {} if "hooks" in missing else {"base": True, "github": {}}
        config["www"] = {"port": 8010, "change_hook_dialects": dialects}
    return config


def _sources(setup: Setup, missing: Collection[str], world: World) -> list[Any]:
    found: list[Any] = []
    if setup.polls:
        poller = Poller()
        poller.remote = world.remote
        found.append(poller)
    if setup.git and "git" not in missing:
        found.append(
            changes.GitPoller("git://x/r", branches=True, pollInterval=40, pollAtLaunch=True, workdir="mirror")
        )
    return found


def _builder(
    spec: BuilderSpec, setup: Setup, missing: Collection[str], calls: Callbacks, lock: Any, worker_lock: Any
) -> Any:
    workers = [w for w in spec.workers if w not in missing] or [setup.workers[0][0]]
    more: dict[str, Any] = {}
    if spec.collapse != "default":
        more["collapseRequests"] = calls.collapse(spec.collapse)
    if spec.locks != "none":
        more["locks"] = _locks(spec, calls, lock, worker_lock)
    if spec.can_start != "none":
        more["canStartBuild"] = calls.can_start(spec.can_start)
    if spec.next_build != "none":
        more["nextBuild"] = calls.next_build(spec.next_build)
    factory = util.BuildFactory([_step(name, calls) for name in spec.steps])
    return util.BuilderConfig(name=spec.name, workernames=workers, factory=factory, **more)


def _locks(spec: BuilderSpec, calls: Callbacks, lock: Any, worker_lock: Any) -> Any:
    kind, _, how = spec.locks.partition(" ")
    accesses = [worker_lock.access("counting") if kind == "worker" else lock.access(kind)]
    return calls.render_locks(how, accesses) if how else accesses


STEP_LOCK = util.MasterLock("step_lock")


def _step(name: str, calls: Callbacks) -> Any:
    kind, _, target = name.partition(":")
    if kind in ("wait", "go"):
        return steps.Trigger(schedulerNames=[target], waitForFinish=kind == "wait", name=f"trigger-{target}")
    if kind == "property":
        return steps.SetProperty(property="p", value="v")
    more: dict[str, Any] = {
        "raising_if": {"doStepIf": calls.raising},
        "slow_if": {"doStepIf": calls.slowly},
        "never_if": {"doStepIf": False},
        "locked": {"locks": [STEP_LOCK.access("exclusive")]},
        "halting": {"haltOnFailure": True},
    }.get(kind, {})
    return steps.ShellCommand(command=["make"], timeout=100, **more)


def _scheduler(spec: SchedulerSpec, calls: Callbacks, names: list[str], timers: float, made: dict[str, Any]) -> Any:
    more: dict[str, Any] = {"name": spec.name, "builderNames": names}
    if spec.priority != "none":
        more["priority"] = 5 if spec.priority == "five" else calls.priority(spec.name, spec.priority)
    if spec.kind == "triggerable":
        return schedulers.Triggerable(**more)
    if spec.kind == "force":
        more.pop("priority", None)
        return schedulers.ForceScheduler(**more)
    if spec.kind == "periodic":
        return schedulers.Periodic(periodicBuildTimer=200, **more)
    if spec.kind == "nightly":
        if spec.important == "code":
            more.update(fileIsImportant=calls.important, onlyIfChanged=True, change_filter=util.ChangeFilter())
        return schedulers.Nightly(minute=list(range(0, 60, NIGHTLY)), **more)
    if spec.kind == "try":
        more.pop("priority", None)
        return schedulers.Try_Userpass(port=9989, userpass=[("ann", "pw")], **more)
    if spec.kind == "dependent":
        return schedulers.Dependent(upstream=made[spec.upstream], **more)
    if spec.important == "code":
        more.update(fileIsImportant=calls.important, onlyImportant=spec.only_important)
    if spec.timer is not None:
        more["treeStableTimer"] = spec.timer * timers
    if spec.filter == "main":
        more["change_filter"] = util.ChangeFilter(branch="main")
    elif spec.filter == "function":
        more["change_filter"] = util.ChangeFilter(filter_fn=lambda change: change.branch != "dev")
    kind = schedulers.SingleBranchScheduler if spec.kind == "single" else schedulers.AnyBranchScheduler
    return kind(**more)
