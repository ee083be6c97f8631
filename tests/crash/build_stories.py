"""More histories that are crashed: what happens while builds run, and services that have builds made."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.application import internet
from twisted.logger import globalLogPublisher

from buildmaster.base.results import RETRY
from buildmaster.plugins import schedulers, steps, util
from buildmaster.process.buildstep import BuildStep
from buildmaster.service import BuildbotService
from buildmaster.worker.latent import AbstractLatentWorker
from tests.crash.parts import MAKE, SLOW, at_once, cancel, change, config, forced, stop, work
from tests.crash.story import Input, Pause, Restart, Story
from tests.support.latent import ScriptedLatentWorker

# -- locks -------------------------------------------------------------------------------------------------------------


_ONE = util.MasterLock("one", maxCount=1)
_LOCKED = steps.ShellCommand(command=["make"], name="locked", locks=[_ONE.access("counting")])


def _exclusive() -> list[Any]:
    return [_ONE.access("exclusive")]


def _on_the_worker() -> list[Any]:
    return [util.WorkerLock("one at a time", maxCount=1).access("counting")]


LOCKS = Story(
    "locks",
    config(
        at_once("b", "c", "d", "e"),
        builders={
            **{name: {"locks": _exclusive} for name in ("b", "c")},
            **{name: {"locks": _on_the_worker, "steps": [MAKE, _LOCKED]} for name in ("d", "e")},
        },
    ),
    [change("1"), Pause(30), change("2"), Pause(30)],
    script=work,
)

# -- children ----------------------------------------------------------------------------------------------------------


def _family(*commands: Any, waits: bool = True) -> Any:
    """A parent whose children have these steps, the last one being called by a scheduler of its own."""
    names = [f"child{n}" for n in range(1, len(commands) + 1)]
    trigger = steps.Trigger(
        schedulerNames=["most", "last"],
        unimportantSchedulerNames=["last"],
        waitForFinish=waits,
        set_properties={"from": util.Property("buildername")},
        name="trigger",
    )
    return config(
        at_once("parent"),
        lambda: schedulers.Triggerable(name="most", builderNames=names[:-1]),
        lambda: schedulers.Triggerable(name="last", builderNames=names[-1:]),
        builders={"parent": [MAKE, trigger, MAKE], **{n: [step] for n, step in zip(names, commands, strict=True)}},
    )


FAMILY = Story(
    "family",
    _family(MAKE, steps.Assert(True), steps.Assert(False)),
    [change("1"), Pause(40), change("2"), Pause(40)],
    script=work,
)

LET_GO = Story(
    "children let go",
    _family(MAKE, steps.Assert(True), SLOW, waits=False),
    [change("1"), Pause(40)],
    script=work,
)

CHILD = Story(
    "a child cancelled",
    _family(MAKE, SLOW, MAKE),
    [change("1"), Pause(20), cancel("child2"), Pause(60)],
    script=work,
    may_differ=("cancelled builds",),
)

STOPPED = Story(
    "a parent stopped",
    _family(MAKE, SLOW, MAKE),
    [change("1"), Pause(20), stop("parent"), Pause(60)],
    script=work,
    may_differ=("cancelled builds",),
)

# -- steps that add to their build -------------------------------------------------------------------------------------


class Reporting(BuildStep):
    """Adds steps, and all that a step can have its build hold."""

    name = "reporting"

    async def run(self) -> int:
        await self.addTests()
        await self.build.setBuildData("size", b"12345", "reporting")
        await self.addURL("result", "http://example.org/result")
        await self.addCompleteLog("notes", "one\ntwo\n")
        await self.addHTMLLog("page", "<p>")
        self.setProperty("added", ["later", "last"], "reporting")
        await self.build.addStepsAfterCurrentStep([steps.SetProperty(property="later", value="v", name="later"), MAKE])
        await self.build.addStepsAfterLastStep([steps.Assert(util.Property("later"), name="last")])
        self.setStatistic("tests", 2)
        return 0

    async def addTests(self) -> None:
        tests = await self.addTestResultSet("unit tests", "pass_fail", "boolean")
        for name, value in (("adds", "1"), ("divides", "0")):
            await self.addTestResult(tests, value, test_name=name, duration_ns=1000)


STEPS = Story(
    "steps",
    config(at_once("b"), builders={"b": [MAKE, Reporting(), steps.ShellCommand(command=["check"], name="check")]}),
    [change("1"), Pause(15), change("2"), Pause(30)],
    script=work,
)

# -- services ----------------------------------------------------------------------------------------------------------


class Chain(BuildbotService):
    """Starts builds: those that a file asks for, and one after each build of another builder."""

    EVERY = 7

    async def startService(self) -> None:
        await super().startService()
        self._clock = internet.TimerService(self.EVERY, self._look)
        self._clock.clock = self.master.reactor
        self._clock.startService()
        self._events = await self.master.mq.startConsuming(
            self._ended, ("builds", None, "finished"), persistent_name="chain"
        )

    async def stopService(self) -> None:
        await self._events.stopConsuming()
        await self._clock.stopService()
        await super().stopService()

    async def _look(self) -> None:
        """What was asked for is known by its name, whatever became of the answer."""
        known = {found["external_idstring"] for found in await self.master.data.get(("buildsets",))}
        for wanted in (Path(self.master.basedir) / "wanted").read_text().split():
            if wanted not in known:
                await self._start("b", f"{wanted} is wanted", wanted)

    async def _ended(self, key: Any, build: Any) -> None:
        """What is added here is added once, however often the event is told."""
        builder = await self.master.data.get(("builders", build["builderid"]))
        if builder["name"] == "b" and build["results"] != RETRY:
            request = await self.master.data.get(("buildrequests", build["buildrequestid"]))
            buildset = await self.master.data.get(("buildsets", request["buildsetid"]))
            await self._start("c", f"after {buildset['external_idstring']}", None)
            await self._start("d", f"after {buildset['external_idstring']}", None)

    async def _start(self, builder: str, reason: str, name: str | None) -> None:
        await self.master.data.updates.addBuildset(
            waited_for=False,
            scheduler="chain",
            sourcestamps=[{"codebase": "", "repository": "r", "branch": "main", "revision": None, "project": ""}],
            reason=reason,
            builderids=[await self.master.botmaster.builders[builder].getBuilderId()],
            external_idstring=name,
        )


def _wanted(name: str) -> Input:
    """Somebody writes a wish into the file; the master has no part in it."""

    def act(kit: Any) -> None:
        with (Path(kit.master.basedir) / "wanted").open("a") as file:
            file.write(f"{name}\n")

    return Input(act, lambda conn: True)


SERVICE = Story(
    "service",
    config(
        forced("b", "c", "d"),
        builders={name: {"collapseRequests": False} for name in ("b", "c", "d")},
        services=lambda: [Chain(name="chain")],
    ),
    [_wanted("one"), Pause(20), _wanted("two"), _wanted("three"), Pause(20), Restart(30), _wanted("four"), Pause(30)],
    script=work,
    prepare=lambda basedir: (basedir / "wanted").touch(),
)


def _cancellers() -> list[Any]:
    anything = util.SourceStampFilter()
    return [
        util.OldBuildCanceller("old", filters=[(["b"], anything)]),
        util.FailingBuildsetCanceller("failing", filters=[(["bad"], None, anything)]),
    ]


CANCELLERS = Story(
    "cancellers",
    config(
        at_once("b"),
        lambda: schedulers.AnyBranchScheduler(
            name="both", builderNames=["c", "bad"], change_filter=util.ChangeFilter(branch="other")
        ),
        builders={
            "b": {"steps": [SLOW], "collapseRequests": False},
            "c": [SLOW],
            "bad": [MAKE, steps.Assert(False)],
        },
        services=_cancellers,
    ),
    [change("1"), Pause(15), change("2"), change("3", branch="other"), Pause(60)],
    script=work,
    may_differ=("cancelled builds",),
)

# -- latent workers ----------------------------------------------------------------------------------------------------


class Cloud:
    """The instances that there are: a file in the master's directory, which a crash leaves alone."""

    def __init__(self, basedir: Any) -> None:
        self.path = Path(basedir) / "cloud"

    def calls(self) -> list[tuple[str, int]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(what, int(number)) for what, number in map(str.split, lines)]

    def add(self, what: str, number: int) -> None:
        with self.path.open("a") as file:
            file.write(f"{what} {number}\n")

    def running(self) -> list[int]:
        ended = [number for what, number in self.calls() if what == "stop"]
        return [number for what, number in self.calls() if what == "start" and number not in ended]


class Instances(ScriptedLatentWorker):
    """A latent worker whose instances outlive the master; their records say which they are."""

    script = staticmethod(work)
    instance: int | None = None

    async def start_instance(self, build: Any) -> Any:
        cloud = Cloud(self.master.basedir)
        self.instance = len(cloud.calls()) + 1
        await self.save_instance({"number": self.instance})
        cloud.add("start", self.instance)
        await super().start_instance(build)

    async def stop_instance(self, fast: bool = False) -> Any:
        Cloud(self.master.basedir).add("stop", self.instance or 0)
        await super().stop_instance(fast)


class Found(Instances):
    """A latent worker whose instances are found again after a crash."""

    def recover_instance(self, saved: Any) -> Any:
        self.instance = saved["number"] if saved else None
        return self.instance in Cloud(self.master.basedir).running()


def _latent(cls: type[AbstractLatentWorker]) -> Any:
    return config(at_once("b"), builders={"b": [MAKE]}, workers=lambda: [cls("w1", "pw", build_wait_timeout=20)])


_LIFE = [change("1"), Pause(40), change("2"), Pause(5), change("3"), Pause(12), Restart(10), change("4"), Pause(60)]


def _doings(basedir: Path) -> Any:
    """What must not be: an instance that goes on, one that is stopped twice, a stop without a start."""
    cloud = Cloud(basedir)
    stops = Counter(number for what, number in cloud.calls() if what == "stop")
    starts = {number for what, number in cloud.calls() if what == "start"}
    return cloud.running(), [n for n in stops if stops[n] > 1], sorted(set(stops) - starts)


LATENT = Story("latent", _latent(Found), _LIFE, workers=(), outside=_doings)


@contextlib.contextmanager
def _listening(basedir: Path) -> Iterator[None]:
    """Writes down the instances that the master says may still be there."""

    def hear(event: Any) -> None:
        record = event.get("record")
        if isinstance(record, dict) and record.get("worker") == "w1":
            with (basedir / "told").open("a") as file:
                file.write(f"{(record['saved'] or {}).get('number')}\n")

    globalLogPublisher.addObserver(hear)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(hear)


def _untold(basedir: Path) -> Any:
    running, *others = _doings(basedir)
    told = (basedir / "told").read_text().split() if (basedir / "told").exists() else []
    return [number for number in running if str(number) not in told], *others


LEFT = Story("latent and not found", _latent(Instances), _LIFE, workers=(), outside=_untold, around=_listening)

BUILDS = [LOCKS, FAMILY, LET_GO, CHILD, STOPPED, STEPS, SERVICE, CANCELLERS, LATENT, LEFT]
