"""Builds: from the worker's preparation to the committed end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.db import journal
from buildmaster.locks import MasterLock
from buildmaster.process.build import Build
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.factory import BuildFactory
from buildmaster.process.logobserver import LogLineObserver
from buildmaster.properties import Interpolate, Property, renderer
from buildmaster.steps.shell import ShellCommand
from tests.support.buildkit import BuildKit


class Answer(BuildStep):
    """Ends with what a function of the step says."""

    name = "answer"

    def __init__(self, function: Any = lambda step: SUCCESS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def run(self) -> Any:
        return self.function(self)


def good(**kwargs: Any) -> Answer:
    return Answer(**kwargs)


def bad(**kwargs: Any) -> Answer:
    return Answer(lambda step: FAILURE, **kwargs)


def warned(**kwargs: Any) -> Answer:
    return Answer(lambda step: WARNINGS, **kwargs)


@pytest.fixture
def start(tmp_path: Path):
    """``start(steps, …)`` gives a kit that builds them."""
    kits: list[BuildKit] = []

    def go(*steps: Any, factory: BuildFactory | None = None, **kwargs: Any) -> BuildKit:
        kit = BuildKit(tmp_path, factory or steps, **kwargs)
        kits.append(kit)
        return kit

    yield go
    for kit in kits:
        kit.stop()


def results(kit: BuildKit) -> list[int | None]:
    return [step["results"] for step in kit.steps()]


# -- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "expected", "each"),
    [
        ([good(), good()], SUCCESS, [SUCCESS, SUCCESS]),
        ([], SUCCESS, []),
        ([bad(), good()], FAILURE, [FAILURE, SUCCESS]),
        ([bad(haltOnFailure=True), good()], FAILURE, [FAILURE]),
        ([bad(haltOnFailure=True), good(), good(alwaysRun=True)], FAILURE, [FAILURE, SUCCESS]),
        ([bad(haltOnFailure=True), good(alwaysRun=Property("nothing"))], FAILURE, [FAILURE]),
        ([bad(flunkOnFailure=False), good()], SUCCESS, [FAILURE, SUCCESS]),
        ([bad(flunkOnFailure=False, warnOnFailure=True)], WARNINGS, [FAILURE]),
        ([warned()], SUCCESS, [WARNINGS]),
        ([warned(warnOnWarnings=True)], WARNINGS, [WARNINGS]),
        ([warned(flunkOnWarnings=True)], FAILURE, [WARNINGS]),
        ([good(doStepIf=False)], SUCCESS, [SKIPPED]),
        ([Answer(lambda s: EXCEPTION), good()], EXCEPTION, [EXCEPTION]),
    ],
)
def test_the_steps_make_the_builds_result(start, steps, expected, each):
    kit = start(*steps)
    build = kit.build()
    assert (build["results"], results(kit)) == (expected, each)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([good()], "build successful"),
        ([bad(name="one"), ShellCommand(command=["exit", "1"])], "failed finished (failure) 'exit 1' (failure)"),
        ([warned(warnOnWarnings=True)], "warnings finished (warnings)"),
    ],
)
def test_the_builds_text(start, steps, text):
    kit = start(*steps)
    assert kit.build()["state_string"] == text


def test_a_request_and_its_buildset_end_with_their_build(start):
    kit = start(bad())
    kit.build()
    request, buildset = kit.get("buildrequests")[-1], kit.get("buildsets")[-1]
    assert (request["complete"], request["results"]) == (True, FAILURE)
    assert (buildset["complete"], buildset["results"]) == (True, FAILURE)


# -- properties ----------------------------------------------------------------------------------------------------


def test_whose_property_wins(start):
    kit = start(
        good(),
        properties={"p1": "builder", "p2": "builder", "p3": "builder"},
        defaultProperties={"p4": "default", "p5": "default"},
        config={"properties": {"p0": "global", "p1": "global"}},
        worker={"properties": {"p2": "worker"}},
    )
    kit.build(p3="request", p4="request")
    found = kit.properties()
    assert {name: found[name] for name in ("p0", "p1", "p2", "p3", "p4", "p5")} == {
        "p0": "global",
        "p1": "builder",
        "p2": "worker",
        "p3": "builder",
        "p4": "request",
        "p5": "default",
    }


def test_what_a_build_knows_of_itself(start):
    kit = start(good())
    kit.build()
    found = kit.get("builds", 1, "properties")
    expected = {
        "buildername": ["b", "Builder"],
        "buildnumber": [1, "Build"],
        "workername": ["w", "Worker"],
        "builddir": ["/scripted/b", "Worker"],
        "basedir": ["/scripted", "Worker"],
        "branch": ["main", "Build"],
        "revision": [None, "Build"],
        "repository": ["r", "Build"],
        "codebase": ["", "Build"],
        "project": ["p", "Build"],
    }
    assert {name: list(found[name]) for name in expected} == expected


def test_properties_set_by_a_step_are_stored_before_the_next_one_runs(start):
    def set_one(step):
        step.setProperty("got_revision", "abc", "Git")
        return SUCCESS

    kit = start(Answer(set_one), ShellCommand(command=["hang"]))
    kit.build()
    assert kit.properties()["got_revision"] == "abc" and not kit.last()["complete"]
    assert kit.running.properties.runtime == {"got_revision"}


def test_a_builds_sources_and_changes(start):
    seen: dict[str, Any] = {}

    async def look(step):
        build = step.build
        seen["stamp"] = build.getSourceStamp().branch, build.getSourceStamp("other")
        seen["changes"] = [change.who for change in build.allChanges()]
        seen["files"], seen["blame"] = build.allFiles(), build.blamelist()
        seen["url"] = await build.getUrl()
        seen["ids"] = build.get_buildid(), await build.getBuilderId(), build.getWorkerName()
        seen["reason"] = build.reason
        return SUCCESS

    kit = start(Answer(look), config={"buildbotURL": "http://here/"})
    for author, name in (("me", "a"), ("you", "b")):
        kit.kit.call(
            kit.master.data.updates.addChange, author=author, files=[name], revision=name, branch="main", repository="r"
        )
    stamp = max(kit.get("changes"), key=lambda change: change["changeid"])["sourcestamp"]["ssid"]
    kit.kit.call(
        kit.master.data.updates.addBuildset, waited_for=False, sourcestamps=[stamp], reason="why", builderids=[1]
    )
    kit.advance(1)
    assert seen == {
        "stamp": ("main", None),
        "changes": ["you"],
        "files": ["b"],
        "blame": ["you"],
        "url": "http://here/builders/1/builds/1",
        "ids": (1, 1, "w"),
        "reason": "why",
    }


# -- steps that come and go ----------------------------------------------------------------------------------------


def test_steps_can_be_added_while_the_build_runs(start):
    def add(step):
        step.build.addStepsAfterCurrentStep([good(name="next"), good(name="after next")])
        step.build.addStepsAfterLastStep([good(name="last")])
        return SUCCESS

    kit = start(Answer(add), good(name="planned"))
    assert kit.build()["results"] == SUCCESS
    assert [step["name"] for step in kit.steps()] == ["answer", "next", "after next", "planned", "last"]
    assert finished_in_order(kit) == ["answer", "next", "after next", "planned", "last"]


def test_steps_can_be_added_to_a_build_that_makes_its_steps_in_a_coroutine(start):
    class Slow(Build):
        async def setupBuildSteps(self, step_factories):
            await task.deferLater(self.master.reactor, 1, lambda: None)
            return super().setupBuildSteps(step_factories)

    async def add(step):
        await step.build.addStepsAfterLastStep([good(name="last")])
        await step.build.addStepsAfterCurrentStep([good(name="next")])
        return SUCCESS

    factory = BuildFactory([Answer(add), good(name="planned")])
    factory.buildClass = Slow
    kit = start(factory=factory)
    kit.build(10)
    assert finished_in_order(kit) == ["answer", "next", "planned", "last"]


def finished_in_order(kit: BuildKit) -> list[str]:
    """The names of steps in the order in which they ended."""
    facts = kit.kit.wait_for(kit.master.db.read(journal.read, 0))
    return [fact.fields["name"] for fact in facts if (fact.kind, fact.event) == ("step", "finished")][1:]


def test_a_custom_build_class(start):
    class Mine(Build):
        def setupBuildSteps(self, step_factories):
            return super().setupBuildSteps([*step_factories, good(name="extra")])

        async def stepDone(self, results, step):
            done = await super().stepDone(results, step)
            self.setProperty(f"done {step.name}", results, "Mine")
            return done

    factory = BuildFactory([good()])
    factory.buildClass = Mine
    kit = start(factory=factory)
    kit.build()
    assert [step["name"] for step in kit.steps()] == ["answer", "extra"]
    assert kit.properties()["done extra"] == SUCCESS


@pytest.mark.parametrize(
    ("workdir", "expected"),
    [
        ("there", "there"),
        (lambda stamps: f"dir-{stamps[0].branch}", "dir-main"),
        (Interpolate("%(prop:branch)s"), "main"),
    ],
)
def test_the_workdir_of_a_factory(start, workdir, expected):
    factory = BuildFactory([ShellCommand(command="x"), ShellCommand(command="x", workdir="own")])
    factory.workdir = workdir
    kit = start(factory=factory)
    kit.build()
    assert [command.args["workdir"] for command in kit.worker.commands] == [expected, "own"]


# -- builds that do not begin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [False, lambda build: False, lambda build: defer.succeed(False)])
def test_a_build_that_is_not_wanted_is_skipped(start, condition):
    kit = start(good(), do_build_if=condition)
    assert kit.build()["results"] == SKIPPED and results(kit) == []


def test_a_factory_can_skip_builds(start):
    factory = BuildFactory([good()])
    factory.setSkipBuildIf(lambda build: build.getProperty("branch") == "main")
    kit = start(factory=factory)
    assert kit.build()["results"] == SKIPPED


def test_an_error_in_setting_up_is_an_exception_with_its_traceback(start):
    factory = BuildFactory([good()])
    factory.workdir = lambda stamps: 1 / 0
    kit = start(factory=factory)
    assert kit.build()["results"] == EXCEPTION
    assert kit.last()["state_string"] == "exception error while setting_up"
    assert "ZeroDivisionError" in kit.log("worker_preparation", "err.text")
    assert kit.get("buildrequests")[-1]["results"] == EXCEPTION


# -- locks ---------------------------------------------------------------------------------------------------------


def test_a_build_holds_its_locks_while_it_runs(start):
    access = MasterLock("l").access("exclusive")
    kit = start(ShellCommand(command=["hang"]), locks=[access])
    real, _ = kit.master.locks.resolve([access], "w", 0)[0]
    kit.build()
    assert [owner for owner, _ in real.owners] == [kit.running]
    kit.request()
    kit.advance(5)
    assert len(kit.get("builds")) == 1
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(1)
    assert len(kit.get("builds")) == 2
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(1)
    assert real.owners == []


def test_locks_may_be_chosen_by_a_renderer(start):
    lock = MasterLock("l")
    kit = start(ShellCommand(command=["hang"]), locks=renderer(lambda props: [lock.access("exclusive")]))
    kit.build()
    real, _ = kit.master.locks.resolve([lock], "w", 0)[0]
    assert [owner for owner, _ in real.owners] == [kit.running]


# -- ending before its time ----------------------------------------------------------------------------------------


def test_a_lost_worker_means_another_try(start):
    kit = start(ShellCommand(command=["hang"]), good(alwaysRun=True))
    kit.build()
    kit.worker.drop()
    kit.advance(1)
    assert (kit.last()["results"], results(kit)) == (RETRY, [RETRY])
    assert kit.last()["state_string"] == "retry 'hang' (retry)"
    request = kit.get("buildrequests")[-1]
    assert (request["claimed"], request["complete"]) == (False, False)
    kit.kit.wait_for(kit.worker.connect())
    kit.advance(1)
    assert [(build["number"], build["results"]) for build in kit.get("builds")] == [(1, RETRY), (2, None)]


def test_a_worker_that_is_lost_while_it_is_prepared(start):
    kit = start(good())
    kit.worker.silent = True
    kit.request()
    kit.advance(1)
    kit.worker.drop()
    kit.advance(1)
    assert kit.last()["results"] == RETRY and results(kit) == []


def test_a_worker_that_refuses_a_build_gets_none_for_a_while(start):
    kit = start(good())
    refuse = [True]
    accept = kit.worker.conn.remoteStartBuild

    def answer(name):
        return defer.fail(OSError("no room")) if refuse else accept(name)

    kit.worker.conn.remoteStartBuild = answer
    kit.build(1)
    assert [(build["results"], build["state_string"]) for build in kit.get("builds")] == [
        (RETRY, "retry error while worker_prepare")
    ]
    assert "no room" in kit.log("worker_preparation", "err.text")
    refuse.clear()
    kit.advance(8)
    assert len(kit.get("builds")) == 1
    kit.advance(3)
    assert kit.last()["results"] == SUCCESS


def test_a_build_is_stopped_through_the_data_api(start):
    kit = start(ShellCommand(command=["hang"]))
    kit.build()
    kit.kit.call(kit.master.data.control, "stop", {"reason": "because"}, ("builds", 1))
    kit.advance(1)
    assert kit.last()["results"] == CANCELLED
    assert kit.log("shell", "cancelled") == "because\n"
    assert kit.last()["state_string"] == "cancelled 'hang' (cancelled)"
    assert kit.get("buildrequests")[-1]["results"] == CANCELLED


def test_a_build_is_stopped_while_its_worker_is_prepared(start):
    kit = start(good())
    kit.advance(100)
    kit.worker.silent = True
    kit.request()
    assert not kit.last()["complete"]
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.kit.pump()
    assert kit.last()["results"] == CANCELLED


def test_a_build_can_be_stopped_with_another_result(start):
    kit = start(ShellCommand(command=["hang"]))
    kit.build()
    kit.kit.call(kit.running.stopBuild, "the master stops", RETRY)
    kit.kit.pump()
    assert kit.get("builds", 1)["results"] == RETRY
    assert kit.get("builds", 1)["state_string"].startswith("retry")


def test_stopping_a_finished_build_does_nothing(start):
    kit = start(ShellCommand(command=["hang"]))
    kit.build()
    build = kit.running
    waiting = build.waitUntilFinished()
    kit.kit.call(build.stopBuild, "enough")
    kit.kit.pump()
    assert kit.kit.wait_for(waiting) is build
    kit.kit.call(build.stopBuild, "again")
    assert kit.kit.wait_for(build.waitUntilFinished()) is build
    assert kit.last()["results"] == CANCELLED


# -- progress, cost ------------------------------------------------------------------------------------------------


def test_the_expected_time_is_learnt(start):
    async def script(command):
        await command.sleep(100)
        command.rc(0)

    kit = start(ShellCommand(command="x"), script=script)
    kit.build(50)
    assert kit.running.eta() is None
    kit.advance(100)
    kit.build(30)
    assert kit.running.eta() == pytest.approx(70)


def test_a_metric_tells_more_than_the_clock(start):
    class Counting(LogLineObserver):
        def outLineReceived(self, line):
            self.step.setProgress("tests", int(line))

    class Tests(ShellCommand):
        progressMetrics = ("tests",)

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.addLogObserver("stdio", Counting())

    numbers = iter([[1, 2, 3, 4], [1, 2, 3]])

    async def script(command):
        for number in next(numbers):
            command.out(f"{number}\n")
            await command.sleep(25)
        command.rc(0)

    kit = start(Tests(command="x"), script=script)
    kit.build(200)
    kit.build(10)
    assert kit.running.eta() == pytest.approx(75)  # one of four tests
    kit.advance(45)
    assert kit.running.eta() == pytest.approx(25)


def test_what_was_learnt_outlives_the_master(tmp_path):
    async def script(command):
        await command.sleep(100)
        command.rc(0)

    first = BuildKit(tmp_path, [ShellCommand(command="x")], script=script)
    first.build(200)
    first.stop()
    second = BuildKit(tmp_path, [ShellCommand(command="x")], script=script)
    second.build(200)  # what is stored is read meanwhile
    second.build(30)
    assert second.running.eta() == pytest.approx(70)
    second.stop()


def test_a_build_of_one_step_costs_few_statements(start):
    async def script(command):
        command.header("go\n")
        command.out("hello\n")
        command.rc(0)

    kit = start(ShellCommand(command="x"), script=script)
    kit.master.db.linger = 0.05
    kit.build()
    kit.worker.latency = 0.001  # so that the build has not ended when the request is stored
    kit.request()
    asked = dict(kit.master.db.counters)
    kit.advance(5)
    after = dict(kit.master.db.counters)
    assert kit.last()["results"] == SUCCESS
    assert after["statements"] - asked["statements"] < 25
    assert after["reads"] - asked["reads"] <= 1
