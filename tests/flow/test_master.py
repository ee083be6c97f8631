"""A master's own life, in memory: start, refusal, reconfiguration, stop, crash."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.dirlock import DirectoryLock
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster


def configuration(*builders: str, **more: Any) -> dict[str, Any]:
    return {
        "workers": [worker.Worker("w", "password")],
        "builders": [
            util.BuilderConfig(
                name=name,
                workernames=["w"],
                factory=util.BuildFactory([steps.ShellCommand(command=["true"])]),
            )
            for name in builders
        ],
        "schedulers": [schedulers.AnyBranchScheduler(name="all", builderNames=list(builders))],
        "protocols": {"pb": {"port": "tcp:9989:interface=127.0.0.1"}},
        **more,
    }


@pytest.fixture
def kit(tmp_path):
    made = MemoryMaster(tmp_path, lambda: configuration("one"))
    yield made.start()
    if made.master.running:
        made.stop()


def test_a_master_that_runs_is_active_and_one_that_has_stopped_is_not(kit, tmp_path):
    assert [(m["masterid"], m["active"]) for m in kit.get("masters")] == [(1, True)]
    kit.stop()
    later = MemoryMaster(tmp_path, configuration("one"), now=kit.reactor.seconds()).start()
    events = [
        (f.event, f.fields["masterid"])
        for f in later.wait_for(later.master.journal.facts_after(0))
        if f.kind == "master"
    ]
    assert events == [("started", 1), ("stopped", 1), ("started", 1)]
    later.stop()


def test_a_second_master_on_the_directory_is_refused(kit, tmp_path):
    with pytest.raises(AssertionError, match="is in use by process"):
        MemoryMaster(tmp_path, configuration("one")).start()
    assert kit.get("masters")[0]["active"]


def test_a_start_that_fails_gives_the_directory_back(tmp_path):
    with pytest.raises(AssertionError, match="The configuration has errors"):
        MemoryMaster(tmp_path, configuration("one", colour="red")).start()
    assert DirectoryLock(tmp_path).owner() is None
    MemoryMaster(tmp_path, configuration("one")).start().stop()


def test_a_reconfiguration_adds_and_removes_builders(kit):
    outcome = kit.reconfig(lambda: configuration("two", "three"))
    assert outcome.ok, outcome.lines
    assert outcome.lines[1:] == ("  added builders: three, two", "  removed builder: one")
    assert sorted(b["name"] for b in kit.get("builders") if b["masterids"]) == ["three", "two"]


def test_a_bad_configuration_changes_nothing(kit):
    before = kit.master.config
    outcome = kit.reconfig(lambda: configuration("two", colour="red"))
    assert not outcome.ok
    assert any("colour" in line for line in outcome.lines)
    assert kit.master.config is before
    assert [b["name"] for b in kit.get("builders")] == ["one"]


def test_a_change_becomes_a_request(kit):
    kit.call(kit.master.data.updates.addChange, author="me", revision="r1", files=["a"], comments="why")
    kit.advance(1)
    assert [(r["buildrequestid"], r["complete"]) for r in kit.get("buildrequests")] == [(1, False)]


def test_what_was_acknowledged_before_a_crash_is_there_after_it_once(kit, tmp_path):
    kit.call(kit.master.data.updates.addChange, author="me", revision="r1", files=["a"], comments="why")
    now = kit.crash()
    again = MemoryMaster(tmp_path, lambda: configuration("one"), now=now).start()
    again.advance(1)
    assert [c["revision"] for c in again.get("changes")] == ["r1"]
    assert len(again.get("buildrequests")) == 1
    again.stop()


def test_the_beat_keeps_the_lease(kit):
    first = kit.get("masters")[0]["last_active"]
    kit.advance(3600)
    [master] = kit.get("masters")
    assert master["active"]
    assert (master["last_active"] - first).total_seconds() == 3600
