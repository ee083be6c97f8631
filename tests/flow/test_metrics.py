"""Metrics of the master's own running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, task
from twisted.python import log as twisted_log

from buildmaster.plugins import schedulers
from buildmaster.process import metrics
from buildmaster.testing.sync import result_of
from tests.support.path import BuildPath, configuration

COUNT, TIME, ALARM = metrics.MetricCountEvent, metrics.MetricTimeEvent, metrics.MetricAlarmEvent


@pytest.fixture
def observer() -> Any:
    made = metrics.MetricLogObserver()
    made.enable()
    yield made
    made.disable()


def config(**more: Any) -> Any:
    def one() -> list[Any]:
        return [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])]

    return configuration(one, **more)


def test_a_master_tells_what_it_does(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, config(metrics={"periodic_interval": 5, "log_interval": 20}))
    path.attach()
    path.change("1")
    path.kit.advance(11)
    counters = path.master.metrics.asDict()["counters"]
    assert counters.pop("resource.rss") > 1_000_000
    assert counters == {
        "AbstractWorker.attached_workers": 1,
        "BotMaster.attached_workers": 1,
        "added_buildrequests": 1,
        "added_buildsets": 1,
        "added_changes": 1,
        "finished_builds": 1,
        "gc.garbage": 0,
        "num_builders": 1,
        "running_builds": 0,
        "started_builds": 1,
    }
    assert path.master.metrics.asDict()["alarms"]["attached_workers"] == ("OK", "1 connected, 1 at builders")
    lines: list[str] = []
    twisted_log.addObserver(watch := lambda event: lines.append(twisted_log.textFromEventDict(event) or ""))
    path.kit.advance(10)
    twisted_log.removeObserver(watch)
    assert "Counter added_changes: 1" in lines
    assert "OK reactor.delay: 0 s late" in lines
    path.kit.stop()


def test_without_the_setting_nothing_is_measured(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, config())
    path.change("1")
    path.kit.advance(100)
    assert path.master.metrics.asDict() == {"counters": {}, "timers": {}, "alarms": {}}
    assert path.kit.reconfig(config(metrics={"periodic_interval": None, "log_interval": 0})).ok
    path.change("2")
    path.kit.advance(100)
    assert path.master.metrics.asDict()["counters"]["added_changes"] == 1
    assert path.kit.reconfig(config()).ok
    assert path.master.metrics.asDict() == {"counters": {}, "timers": {}, "alarms": {}}
    path.kit.stop()


def test_counters_add_up_or_begin_anew(observer: Any) -> None:
    for count, absolute, value in ((1, False, 1), (3, False, 4), (10, True, 10), (-1, False, 9)):
        COUNT.log("c", count, absolute=absolute)
        assert observer.getHandler(COUNT).get("c") == value
    assert observer.getHandler(COUNT).get("other") == 0
    assert observer.getHandler(COUNT).report() == "Counter c: 9"


def test_times_are_averages_of_the_last_ten(observer: Any) -> None:
    for seconds in (1000, *[1, 3] * 5):
        TIME.log("t", seconds)
    assert observer.getHandler(TIME).get("t") == 2
    assert observer.getHandler(TIME).report() == "Timer t: 2"


def test_an_alarm_keeps_its_level_and_tells_watchers(observer: Any) -> None:
    told: list[Any] = []

    class Watcher:
        def run(self) -> None:
            told.append(observer.getHandler(ALARM).get("a"))

    observer.getHandler(ALARM).addWatcher(watcher := Watcher())
    ALARM.log("a", msg="hot", level=metrics.ALARM_CRIT)
    observer.getHandler(ALARM).removeWatcher(watcher)
    ALARM.log("a", level=metrics.ALARM_OK)
    assert told == [(metrics.ALARM_CRIT, "hot")]
    assert observer.asDict()["alarms"] == {"a": ("OK", None)}


def test_workers_that_builders_do_not_see_raise_an_alarm(observer: Any) -> None:
    COUNT.log("AbstractWorker.attached_workers", 2)
    metrics.AttachedWorkersWatcher(observer).run()
    assert observer.asDict()["alarms"]["attached_workers"] == ("CRIT", "2 connected, 0 at builders")


def test_functions_are_counted_and_timed(observer: Any) -> None:
    clock = task.Clock()
    waiting: defer.Deferred[str] = defer.Deferred()

    @metrics.countMethod("calls")
    @metrics.timeMethod("time", clock)
    def slow() -> defer.Deferred[str]:
        return waiting

    called = slow()
    clock.advance(5)
    assert not called.called
    waiting.callback("done")
    assert result_of(called) == "done"
    assert (observer.getHandler(COUNT).get("calls"), observer.getHandler(TIME).get("time")) == (1, 5)


def test_a_timer_measures_from_one_function_to_another(observer: Any) -> None:
    timer = metrics.Timer("between")
    begin = timer.startTimer(lambda: "begun")
    end = timer.stopTimer(lambda: "ended")
    assert end() == "ended"
    assert observer.getHandler(TIME).keys() == []
    assert (begin(), end()) == ("begun", "ended")
    assert observer.getHandler(TIME).keys() == ["between"]
