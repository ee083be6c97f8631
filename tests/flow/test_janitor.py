"""The Janitor: old logs and build data are removed at night."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import SUCCESS
from buildmaster.config.master import MasterConfig
from buildmaster.configurators import janitor
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.process.buildstep import BuildStep
from tests.support.path import BuildPath, configuration

NIGHT = 600
"""Seconds between two nights of these tests."""


class Keeper(BuildStep):
    """Keeps a value and two logs."""

    async def run(self) -> int:
        await self.build.master.data.updates.setBuildData(self.build.buildid, "size", b"17", "test")
        await self.addCompleteLog("first", "one\ntwo\n")
        await self.addCompleteLog("second", "three\n")
        return SUCCESS


def builds_by_hand() -> list[Any]:
    return [schedulers.ForceScheduler(name="force", builderNames=["b"])]


def with_janitor(**horizons: Any) -> Any:
    """A configuration with a Janitor whose worker is one of the test's."""
    plain = configuration(builds_by_hand, {"b": [Keeper()]})

    def make() -> dict[str, Any]:
        config = plain()
        util.JanitorConfigurator(hour="*", minute="*/10", **horizons).configure(config)
        config["workers"][-1] = worker.Worker(janitor.JANITOR_NAME, "pw")
        return config

    return make


def texts(path: BuildPath) -> list[tuple[str, str]]:
    """Type and text of all logs of the builder ``b``."""
    (builderid,) = (one["builderid"] for one in path.kit.get("builders") if one["name"] == "b")
    found = []
    for build in path.kit.get("builders", builderid, "builds", order=["buildid"]):
        for step in path.kit.get("builds", build["buildid"], "steps"):
            for log in path.kit.get("steps", step["stepid"], "logs"):
                found.append((log["type"], path.kit.get("logs", log["logid"], "contents")["content"]))
    return found


def summaries(path: BuildPath, buildid: int) -> list[str]:
    return [step["state_string"] for step in path.kit.get("builds", buildid, "steps")]


def test_each_night_what_is_too_old_goes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(janitor, "BATCH", 1)
    path = BuildPath(
        tmp_path, with_janitor(logHorizon=timedelta(seconds=3 * NIGHT), build_data_horizon=timedelta(seconds=5 * NIGHT))
    )
    path.attach()
    path.attach(janitor.JANITOR_NAME)
    path.force()
    path.kit.pump()
    path.kit.advance(2 * NIGHT)
    path.force()
    path.kit.pump()
    kept = [("t", "one\ntwo\n"), ("t", "three\n")]
    assert texts(path) == kept * 2

    path.kit.advance(2 * NIGHT)
    assert texts(path) == [("d", "")] * 2 + kept
    data = path.kit.get("builds", 1, "data")
    assert [one["name"] for one in data] == ["size"]

    path.kit.advance(2 * NIGHT)
    assert texts(path) == [("d", "")] * 4
    assert path.kit.get("builds", 1, "data") == []
    nights = [build for build in path.builds() if build[0] == janitor.JANITOR_NAME]
    assert nights == [(janitor.JANITOR_NAME, number, SUCCESS) for number in range(1, 7)]
    assert summaries(path, 6)[1:] == ["deleted 2 logs", "deleted 0 build data key/value pairs"]
    path.kit.stop()


def test_it_can_be_forced(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, with_janitor(build_data_horizon=timedelta(0)))
    path.attach()
    path.attach(janitor.JANITOR_NAME)
    path.force()
    path.kit.advance(1)
    path.force("__Janitor_force")
    path.kit.pump()
    assert path.kit.get("builds", 1, "data") == []
    assert texts(path) == [("t", "one\ntwo\n"), ("t", "three\n")]
    path.kit.stop()


def test_what_it_adds_is_a_configuration() -> None:
    """As public configurations use it: beside their own lists, at an hour of a day of the week."""
    ours = util.JanitorConfigurator(logHorizon=timedelta(weeks=4), hour=12, dayOfWeek=6)
    plain = configuration(builds_by_hand, {"b": [steps.ShellCommand(command="make")]})
    config = MasterConfig.loadFromDict({**plain(), "configurators": [ours]}, "master.cfg")
    assert [builder.name for builder in config.builders] == ["b", "__Janitor"]
    assert [one.name for one in config.workers] == ["w", "__Janitor"]
    assert sorted(config.schedulers) == ["__Janitor", "__Janitor_force", "force"]
    assert [step.step_class for step in config.builders[1].factory.steps] == [janitor.LogChunksJanitor]


def test_without_a_horizon_nothing_is_added() -> None:
    config: dict[str, Any] = {}
    util.JanitorConfigurator(hour=3).configure(config)
    assert config == {}


def test_a_horizon_is_a_timedelta() -> None:
    with pytest.raises(ConfigErrors, match=r"logHorizon must be a datetime\.timedelta, not 30"):
        util.JanitorConfigurator(logHorizon=30)
