"""What a user was told will happen happens, though the master crashes before it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import CANCELLED, RETRY
from buildmaster.plugins import schedulers, steps
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker
from tests.crash.parts import MAKE, SLOW, change, config, forced, stop, work

CONFIG = config(
    lambda: schedulers.AnyBranchScheduler(name="any", builderNames=["parent"]),
    lambda: schedulers.Triggerable(name="children", builderNames=["child"]),
    forced("child"),
    builders={"parent": [MAKE, steps.Trigger(schedulerNames=["children"], waitForFinish=True)], "child": [SLOW]},
)


def begin(basedir: Path, now: float | None = None) -> Any:
    """A master, and a worker that does not react to interruptions."""
    kit = MemoryMaster(basedir, CONFIG, **({} if now is None else {"now": now})).start()
    attach(kit).deaf = True
    return kit


def attach(kit: Any) -> ScriptedWorker:
    worker = ScriptedWorker(kit.master, "w1", work)
    kit.wait_for(worker.connect())
    kit.pump()
    return worker


def outcomes(kit: Any) -> list[int]:
    return [request["results"] for request in kit.get("buildrequests", order=["buildrequestid"])]


@pytest.mark.parametrize("builder", ["parent", "child"])
def test_a_build_that_was_to_be_stopped_is_not_built_again_and_nor_are_its_children(
    tmp_path: Path, builder: str
) -> None:
    kit = begin(tmp_path)
    change("1").act(kit)
    kit.advance(5)
    [build] = kit.get("builders", builder, "builds")
    kit.call(kit.master.data.control, "stop", {"reason": "enough", "owner": "ann"}, ("builds", build["buildid"]))
    kit = begin(tmp_path, kit.crash() + 1)
    kit.advance(100)
    assert outcomes(kit) == [CANCELLED, CANCELLED]
    assert len(kit.get("builders", "child", "builds")) == 1
    kit.stop()


def test_a_build_that_was_to_be_built_elsewhere_is(tmp_path: Path) -> None:
    kit = begin(tmp_path)
    change("1").act(kit)
    kit.advance(5)
    [child] = kit.get("builders", "child", "builds")
    kit.call(kit.master.data.control, "stop", {"results": RETRY}, ("builds", child["buildid"]))
    kit = begin(tmp_path, kit.crash() + 1)
    kit.advance(100)
    assert outcomes(kit) == [0, 0]
    kit.stop()


def test_children_of_an_interrupted_build_end_with_the_next_one_that_has_not_come_to_them(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, CONFIG).start()
    worker = attach(kit)
    change("1").act(kit)
    kit.advance(5)
    worker.drop()
    attach(kit)
    stop("parent").act(kit)
    kit.pump()
    assert outcomes(kit) == [CANCELLED, CANCELLED]
    kit.stop()


def test_what_a_message_has_led_to_is_not_added_again_when_it_is_told_again(tmp_path: Path) -> None:
    told: list[str] = []

    def follow(kit: Any) -> None:
        updates = kit.master.data.updates

        async def hear(key: Any, heard: Any) -> None:
            told.append(heard["revision"])
            if heard["revision"] == "1":
                await updates.addChange(author="me", revision="2", branch="main", files=["f"])
                await updates.addChanges([{"author": "me", "revision": "3"}, {"author": "me", "revision": "4"}])
                await updates.addBuildset(waited_for=False, reason="mine", sourcestamps=[{"branch": "main"}])

        kit.call(kit.master.mq.startConsuming, hear, ("changes", None, "new"), persistent_name="mine")
        kit.pump()

    kit = MemoryMaster(tmp_path, CONFIG).start()
    follow(kit)
    change("1").act(kit)
    kit.pump()
    kit = MemoryMaster(tmp_path, CONFIG, now=kit.crash() + 1).start()
    follow(kit)
    assert told == ["1", "2", "3", "4"] * 2
    assert [found["revision"] for found in kit.get("changes", order=["changeid"])] == ["1", "2", "3", "4"]
    assert [found["reason"] for found in kit.get("buildsets")].count("mine") == 1
    kit.stop()
