"""Text 002, "Builder Priority Functions" and "Build Priority Functions": what is built next, and where."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.worker import Command
from tests.support.path import BuildPath, configuration
from tests.support.seeds import execute

Make = Callable[..., BuildPath]


async def ten_seconds(command: Command) -> None:
    await command.sleep(10)
    command.rc(0)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Make]:
    made: list[BuildPath] = []

    def make(names: Sequence[str], workers: Sequence[str] = ("w",), **more: Any) -> BuildPath:
        options = {key: more.pop(key) for key in ("nextBuild", "nextWorker") if key in more}
        config = configuration(
            lambda: [schedulers.AnyBranchScheduler(name=f"s-{name}", builderNames=[name]) for name in names],
            {name: [steps.ShellCommand(command=["make"])] for name in names},
            workers,
            options,
            collapseRequests=False,
            **more,
        )
        made.append(BuildPath(tmp_path, lambda: {**config(), "workers": [one_at_a_time(name) for name in workers]}))
        return made[0]

    yield make
    for each in made:
        each.kit.stop()


def one_at_a_time(name: str) -> Any:
    """A worker that takes one build at a time."""
    return worker.Worker(name, "pw", max_builds=1, properties={"fast": name == "fast"})


def order(path: BuildPath) -> list[str]:
    """The builders in the order of their builds."""
    assert all(results == SUCCESS for _, _, results in path.builds())
    return [name for name, _, _ in path.builds()]


def built_branches(path: BuildPath) -> list[str]:
    """The branches in the order of their builds."""
    changes = [
        path.kit.get("builds", build["buildid"], "changes") for build in path.kit.get("builds", order=["buildid"])
    ]
    return [change["branch"] for (change,) in changes]


# -- builders ----------------------------------------------------------------------------------------------------------


def test_builders_by_their_names(path):
    c: dict[str, Any] = {}
    execute("prioritize_by_name.py", c=c)
    it = path(["build", "test", "finalRelease"], **c)
    it.change("r1")
    it.attach(script=ten_seconds)
    it.kit.advance(60)
    assert order(it) == ["finalRelease", "test", "build"]


def test_builders_in_turn(path):
    """First those that never completed a build, then the one that waits longest since its last."""
    c: dict[str, Any] = {}
    execute("prioritize_round_robin.py", c=c)
    it = path(["a", "b", "c"], **c)
    it.change("r1")
    it.kit.advance(5)
    it.change("r2")
    it.attach(script=ten_seconds)
    it.kit.advance(100)
    assert order(it) == ["a", "b", "c", "a", "b", "c"]


def test_an_idle_builder_goes_first(path):
    """``old_building`` are builds that began under an earlier configuration."""
    seen: list[dict[str, tuple[bool, bool]]] = []
    c: dict[str, Any] = {}
    execute("prioritize_round_robin.py", c=c)

    def prioritize(master: Any, builders: list[Any]) -> Any:
        seen.append({b.name: (bool(b.building), bool(b.old_building)) for b in builders})
        return c["prioritizeBuilders"](master, builders)

    it = path(["a", "b"], ["w1", "w2"], prioritizeBuilders=prioritize)
    it.attach("w1", ten_seconds)
    it.kit.call(it.master.data.updates.addBuildset, waited_for=False, builderids=[1], sourcestamps=[])
    it.kit.advance(1)
    config = it.kit.loader.config
    it.kit.reconfig(lambda: _with_next_worker(config(), lambda builder, workers, request: workers[0]))
    for builderids in ([1], [2]):
        it.kit.call(it.master.data.updates.addBuildset, waited_for=False, builderids=builderids, sourcestamps=[])
    it.attach("w2", ten_seconds)
    it.kit.advance(5)
    assert {"a": (True, True), "b": (False, False)} in seen
    assert [name for name, _, _ in it.builds()] == ["a", "b"]
    it.kit.advance(60)


def test_the_order_may_come_later_and_leave_builders_out(path):
    """Those that build already have to wait, though another worker is free."""
    c: dict[str, Any] = {}
    execute("prioritize_by_age.py", c=c, defer=defer)

    def later(master: Any, builders: list[Any]) -> defer.Deferred[list[Any]]:
        return task.deferLater(master.reactor, 2, c["prioritizeBuilders"], master, builders)

    it = path(["a", "b"], ["w1", "w2", "w3"], prioritizeBuilders=later)

    def ask(builderid: int) -> None:
        it.kit.call(it.master.data.updates.addBuildset, waited_for=False, builderids=[builderid], sourcestamps=[])
        it.kit.advance(1)

    ask(2), ask(1)
    it.attach("w1", ten_seconds)
    it.kit.advance(3)
    ask(2)
    for name in ("w2", "w3"):
        it.attach(name, ten_seconds)
    it.kit.advance(4)
    assert [name for name, _, _ in it.builds()] == ["b", "a"]
    it.kit.advance(60)
    assert order(it) == ["b", "a", "b"]


def test_times_are_yielded_waited_for_and_compared_with_others(path):
    found: dict[str, list[Any]] = {}

    @defer.inlineCallbacks
    def prioritize(master: Any, builders: list[Any]) -> Any:
        for b in builders:
            newest = yield b.getNewestCompleteTime()
            oldest = yield b.getOldestRequestTime()
            found.setdefault(b.name, []).append((newest, oldest))
        keys = {}
        for b in builders:
            newest = yield wait_for_both(b)
            keys[b] = max(newest or datetime.datetime.min, datetime.datetime.min)
        return sorted(builders, key=keys.get)

    async def wait_for_both(b: Any) -> Any:
        assert await b.getOldestRequestTime() is not None
        return await b.getNewestCompleteTime()

    it = path(["a", "b"], prioritizeBuilders=prioritize)
    it.change("r1")
    now = it.kit.reactor.seconds()
    it.attach(script=ten_seconds)
    it.kit.advance(30)
    it.change("r2")
    it.kit.advance(30)
    assert order(it) == ["a", "b", "a", "b"]
    first, last = found["b"][0], found["b"][-1]
    assert (first[0].year, first[1].timestamp()) == (1, now)
    assert (last[0].timestamp(), last[1].timestamp()) == (now + 20, now + 30)
    assert datetime.datetime.min <= first[0] < last[0] < datetime.datetime.max
    assert sorted([last[0], datetime.datetime.min, first[0]])[-1] is last[0]


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_branch_goes_first(path):
    made = execute("next_build_by_branch.py")
    it = path(["b"], nextBuild=made["nextBuild"])
    for branch in ("main", "other", "release"):
        it.change("r", branch=branch)
    it.attach(script=ten_seconds)
    it.kit.advance(60)
    assert built_branches(it) == ["release", "main", "other"]


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ({"main": 3, "other": 2, "release": 1}, ["release", "other", "main"]),
        ({"main": 1, "other": 1, "release": 1}, ["main", "other", "release"]),  # those that were added first
    ],
)
def test_the_choice_may_take_its_time(path, priorities, expected):
    def get_request_priorities(requests: Sequence[Any]) -> defer.Deferred[list[int]]:
        answer = [priorities[request.source.branch] for request in requests]
        return task.deferLater(it.kit.reactor, 1, lambda: answer)

    made = execute("next_build_by_deferred.py", get_request_priorities=get_request_priorities)
    it = path(["b"], nextBuild=made["nextBuild"])
    for branch in ("main", "other", "release"):
        it.change("r", branch=branch)
    it.attach(script=ten_seconds)
    it.kit.advance(60)
    assert built_branches(it) == expected


def test_the_function_is_an_argument_of_the_builder():
    def nextBuild(bldr: Any, requests: Sequence[Any]) -> Any:
        return requests[0]

    printed = "... BuilderConfig(..., nextBuild=nextBuild, ...) ..."
    repaired = "made = BuilderConfig(name='b', workernames=['w'], factory=f, nextBuild=nextBuild)"
    space = execute(
        "next_build_in_builder.py",
        {printed: repaired},
        BuilderConfig=util.BuilderConfig,
        nextBuild=nextBuild,
        f=util.BuildFactory(),
    )
    assert space["made"].nextBuild is nextBuild


# -- workers -----------------------------------------------------------------------------------------------------------


def test_a_function_chooses_the_worker(path):
    c: dict[str, Any] = {}
    execute("choose_worker.py", c=c)
    it = path(["b"], ["w1", "w2", "fast"], **c)
    for name in ("w1", "w2"):
        it.attach(name, ten_seconds)
    it.change("r1")
    it.change("r2", branch="release")
    it.change("r3")
    it.kit.advance(5)
    assert sorted(workers_of(it)) == ["w1", "w2"]
    it.kit.advance(120)
    assert [name for name, _, _ in it.builds()] == ["b", "b"]  # the release waits for a fast one
    it.attach("fast", ten_seconds)
    it.kit.advance(20)
    assert workers_of(it)[2:] == ["fast"]
    assert built_branches(it)[2:] == ["release"]


@pytest.mark.parametrize("later", [False, True])
def test_a_builders_own_function_comes_before_that_for_all(path, later):
    asked: list[tuple[str, str, list[str], str]] = []

    def choose(name: str) -> Callable[[Any, Sequence[Any], Any], Any]:
        def function(builder: Any, workers: Sequence[Any], request: Any) -> Any:
            asked.append((name, builder.name, sorted(w.worker.workername for w in workers), request.source.branch))
            chosen = next((w for w in workers if w.worker.workername == "w2"), None)
            return defer.succeed(chosen) if later else chosen

        return function

    it = path(["b"], ["w1", "w2", "fast"], select_next_worker=choose("for all"))
    for name in ("w1", "w2", "fast"):
        it.attach(name, ten_seconds)
    it.change("r1")
    it.kit.advance(1)
    config = it.kit.loader.config
    it.kit.reconfig(lambda: _with_next_worker(config(), choose("own")))
    it.kit.advance(20)
    it.change("r2")
    it.kit.advance(20)
    everyone = ["fast", "w1", "w2"]
    assert asked == [("for all", "b", everyone, "main"), ("own", "b", everyone, "main")]
    assert workers_of(it) == ["w2", "w2"]


def workers_of(path: BuildPath) -> list[str]:
    """The workers in the order of the builds."""
    names = {row["workerid"]: row["name"] for row in path.kit.get("workers")}
    return [names[build["workerid"]] for build in path.kit.get("builds", order=["buildid"])]


def _with_next_worker(config: dict[str, Any], function: Any) -> dict[str, Any]:
    for builder in config["builders"]:
        builder.nextWorker = function
    return config
