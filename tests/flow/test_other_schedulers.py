"""Schedulers by the clock and after others, on a whole master in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps, util
from buildmaster.properties import Properties
from buildmaster.testing.sync import result_of
from tests.support.path import BuildPath, configuration

HOUR = 3600


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC; the clock of the tests begins on Friday, 14 July 2017, 02:40."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def times(path: BuildPath) -> list[int]:
    return [buildset["submitted_at"] - 1_500_000_000 for buildset in path.kit.get("buildsets", order=["bsid"])]


def test_periodic_builds_at_once_and_then_every_so_often(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(lambda: [schedulers.Periodic(name="p", builderNames=["b"], periodicBuildTimer=60)]),
    )
    path.kit.advance(150)
    assert times(path) == [0, 60, 120]
    path.kit.stop()


def test_a_property_that_is_never_rendered_does_not_hold_a_scheduler_up_for_good(tmp_path: Path) -> None:
    """Its deadline is a minute; a minute later the scheduler tries again."""
    asked: list[Any] = []

    @util.renderer
    def value(props: Any) -> Any:
        asked.append(props)
        return defer.Deferred() if len(asked) == 1 else "v"

    made = {"name": "p", "builderNames": ["b"], "periodicBuildTimer": 600, "properties": {"x": value}}
    path = BuildPath(tmp_path, configuration(lambda: [schedulers.Periodic(**made)]))
    path.kit.advance(130)
    assert times(path) == [120]
    path.kit.stop()


def test_what_was_missed_while_the_master_was_down_is_one_build(tmp_path: Path) -> None:
    config = configuration(lambda: [schedulers.Periodic(name="p", builderNames=["b"], periodicBuildTimer=60)])
    path = BuildPath(tmp_path, config)
    path.kit.pump()
    path = path.crash_and_restart(config, after=630)
    path.kit.advance(29)
    assert times(path) == [0, 630]
    path.kit.advance(1)
    assert times(path) == [0, 630, 660]
    path.kit.stop()


def nightly(**more: Any) -> Any:
    return schedulers.Nightly(name="n", **{"builderNames": ["b"], "hour": 3, **more})


def test_nightly_builds_when_the_clock_shows_the_time(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [nightly(hour="*")]))
    path.kit.advance(2 * HOUR)
    assert times(path) == [20 * 60, HOUR + 20 * 60]
    path.kit.stop()


def test_nightly_fires_once_though_the_master_is_killed_at_that_moment(tmp_path: Path) -> None:
    config = configuration(lambda: [nightly()])
    path = BuildPath(tmp_path, config)
    path.kit.advance(20 * 60)
    path = path.crash_and_restart(config)
    path.kit.advance(10)
    assert times(path) == [20 * 60]
    path.kit.stop()


def test_the_first_time_of_all_is_not_missed_by_a_master_that_is_down(tmp_path: Path) -> None:
    config = configuration(lambda: [nightly()])
    path = BuildPath(tmp_path, config)
    path.kit.advance(20 * 60 - 2)
    path = path.crash_and_restart(config, after=5)
    path.kit.advance(1)
    assert len(times(path)) == 1
    path = path.crash_and_restart(config)
    path.kit.advance(HOUR)
    assert len(times(path)) == 1
    path.kit.stop()


@pytest.mark.parametrize(
    ("arguments", "hours_later"),
    [
        ({"hour": "*"}, 1 / 3),
        ({"hour": "*", "minute": 5}, 5 / 12),
        ({"hour": "*", "minute": "*/10"}, 1 / 6),
        ({"hour": 3, "minute": [15, 30]}, 7 / 12),
        ({"dayOfWeek": 0, "hour": 0}, 69 + 1 / 3),
        ({"dayOfWeek": 6, "hour": 1}, 46 + 1 / 3),
        ({"dayOfWeek": "mon-fri", "hour": 1}, 70 + 1 / 3),
        ({"dayOfMonth": "L", "hour": 0}, 16 * 24 + 21 + 1 / 3),
        ({"dayOfMonth": 13, "dayOfWeek": 2, "hour": 0}, 117 + 1 / 3),
    ],
)
def test_times_are_said_as_for_cron(arguments: dict[str, Any], hours_later: float) -> None:
    assert nightly(**arguments).getNextBuildTime(1_500_000_000) == 1_500_000_000 + round(hours_later * 3600)


def test_a_time_that_is_none_is_a_mistake() -> None:
    with pytest.raises(ConfigErrors, match="'77 3 \\* \\* \\*', which is no time"):
        nightly(minute=77)
    with pytest.raises(ConfigErrors, match="periodicBuildTimer must be positive"):
        schedulers.Periodic(name="p", builderNames=["b"], periodicBuildTimer=0)


def test_nightly_can_skip_times_without_an_important_change(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(
            lambda: [
                nightly(
                    hour="*",
                    onlyIfChanged=True,
                    branch="main",
                    fileIsImportant=lambda change: change.files != ["README"],
                    force_at_hour=5,
                )
            ]
        ),
    )
    path.attach()
    path.kit.advance(HOUR / 2)  # 03:10
    assert path.buildsets() == []
    path.change("r1", files=["README"])
    path.change("other", branch="other")
    path.kit.advance(HOUR)
    assert path.buildsets() == []
    path.kit.advance(HOUR)  # five o'clock is forced
    assert path.buildsets() == [["r1"]]
    path.change("r2")
    path.change("r3")
    path.kit.advance(HOUR)
    assert path.buildsets() == [["r1"], ["r3"]]
    assert path.changes_of(2) == ["r2", "r3"]
    path.kit.advance(HOUR)
    assert len(path.buildsets()) == 2
    path.kit.stop()


def test_a_clock_scheduler_that_was_off_makes_up_for_nothing(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(lambda: [schedulers.Periodic(name="p", builderNames=["b"], periodicBuildTimer=60)]),
    )
    path.kit.pump()
    path.kit.call(path.master.data.updates.schedulerEnable, 1, False)
    path.kit.advance(200)
    path.kit.call(path.master.data.updates.schedulerEnable, 1, True)
    path.kit.advance(100)
    assert times(path) == [0, 260]
    path.kit.stop()


def test_nightly_triggerable_builds_what_it_was_triggered_for_last(tmp_path: Path) -> None:
    config = configuration(lambda: [schedulers.NightlyTriggerable(name="n", builderNames=["b"], minute=0)])
    path = BuildPath(tmp_path, config)
    path.kit.advance(HOUR)
    assert path.buildsets() == []
    (scheduler,) = path.master.allSchedulers()
    for revision in ("r1", "r2"):
        properties = Properties(p=revision)
        ids, done = scheduler.trigger(False, [{"codebase": "", "revision": revision}], properties)
        path.kit.pump()
        assert (result_of(ids), result_of(done)) == ((None, {}), (SUCCESS, {}))
    path = path.crash_and_restart(config)
    path.kit.advance(3 * HOUR)
    assert path.buildsets() == [["r2"]]
    assert path.kit.get("buildsets", 1, "properties")["p"] == ("r2", "TEST")
    path.kit.stop()


def dependent() -> list[Any]:
    up = schedulers.AnyBranchScheduler(name="up", builderNames=["a"])
    return [up, schedulers.Dependent(name="down", upstream=up, builderNames=["b"])]


def test_dependent_builds_the_same_source_after_success(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(dependent, {"a": [], "b": []}))
    path.attach()
    path.change("r1")
    path.kit.advance(5)
    assert path.builds() == [("a", 1, SUCCESS), ("b", 1, SUCCESS)]
    assert path.buildsets() == [["r1"], ["r1"]]
    assert path.changes_of(2) == ["r1"]
    path.kit.stop()


def test_dependent_does_not_build_after_a_failure(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(dependent, {"a": [steps.Assert(False)], "b": []}))
    path.attach()
    path.change("r1")
    path.kit.advance(5)
    assert [build[0] for build in path.builds()] == ["a"]
    path.kit.stop()


def test_dependent_wants_a_scheduler() -> None:
    with pytest.raises(ConfigErrors, match="upstream must be another Scheduler instance"):
        schedulers.Dependent(name="d", upstream="up", builderNames=["b"])


def test_triggered_children_have_their_parents_changes(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(
            lambda: [
                schedulers.SingleBranchScheduler(
                    name="s", builderNames=["a"], treeStableTimer=5, change_filter=util.ChangeFilter(branch="main")
                ),
                schedulers.Triggerable(name="t", builderNames=["b"]),
            ],
            {"a": [steps.Trigger(schedulerNames=["t"], waitForFinish=True)], "b": []},
        ),
    )
    path.attach()
    path.change("r1")
    path.change("r2")
    path.kit.advance(30)
    assert path.builds() == [("a", 1, SUCCESS), ("b", 1, SUCCESS)]
    assert path.changes_of(2) == ["r1", "r2"]
    path.kit.stop()
