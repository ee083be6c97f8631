"""Reconfigurations, one at a time, each with an outcome."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.outcome import DONE, LOADING, SWITCHING, read_outcome
from buildmaster.life.reconfig import Reconfigurer, check_fixed
from buildmaster.service import ReconfigFailed, ServiceFailure
from buildmaster.testing.sync import not_fired, result_of


def generation(number: int, db_url: str = "sqlite:///x", **lists: Any) -> Any:
    db = SimpleNamespace(db_url=db_url)
    return SimpleNamespace(generation=number, db=db, mq={"type": "simple"}, multiMaster=False, **lists)


class Harness:
    """A reconfigurer whose loading and switching are told when to end."""

    def __init__(self, basedir: Any) -> None:
        self.config = generation(1)
        self.loading: list[defer.Deferred[Any]] = []
        self.switching: list[defer.Deferred[None]] = []
        self.reconfigurer = Reconfigurer(str(basedir), self._load, self._switch, lambda: self.config, lambda: 1000.0)

    async def _load(self) -> Any:
        self.loading.append(defer.Deferred())
        return await self.loading[-1]

    async def _switch(self, new: Any) -> None:
        self.config = new
        self.switching.append(defer.Deferred())
        await self.switching[-1]


@pytest.fixture
def harness(tmp_path):
    return Harness(tmp_path)


def test_a_run_goes_from_loading_to_switching_to_done_and_each_state_can_be_read(harness, tmp_path):
    done = harness.reconfigurer.request()
    assert read_outcome(tmp_path).state == LOADING
    harness.loading[0].callback(generation(2))
    assert read_outcome(tmp_path).state == SWITCHING
    harness.switching[0].callback(None)
    outcome = result_of(done)
    assert (outcome.state, outcome.ok, outcome.generation) == (DONE, True, 2)
    assert outcome.lines == ("Configuration 2 is in force",)
    assert read_outcome(tmp_path) == outcome


def test_errors_leave_the_old_configuration_in_force_and_are_all_told(harness):
    done = harness.reconfigurer.request()
    harness.loading[0].errback(ConfigErrors(["m.cfg:1: first", "m.cfg:2: second"]))
    outcome = result_of(done)
    assert (outcome.ok, outcome.generation, harness.switching) == (False, 1, [])
    assert outcome.lines == (
        "The old configuration stays in force.",
        "The configuration has errors:",
        "  m.cfg:1: first",
        "  m.cfg:2: second",
    )


def test_a_wish_during_a_run_leads_to_one_more_run_for_all_who_wished(harness):
    first = harness.reconfigurer.request()
    second, third = harness.reconfigurer.request(), harness.reconfigurer.request()
    harness.loading[0].callback(generation(2))
    harness.switching[0].callback(None)
    assert result_of(first).generation == 2
    assert not_fired(second)
    harness.loading[1].callback(generation(3))
    harness.switching[1].callback(None)
    assert [result_of(second).generation, result_of(third).generation, len(harness.loading)] == [3, 3, 2]


def test_services_that_could_not_follow_are_named_and_the_rest_is_in_force(harness):
    done = harness.reconfigurer.request()
    harness.loading[0].callback(generation(2))
    failure = ServiceFailure("mail", "MailNotifier", "reconfigure", "ValueError: no host", "it keeps its old arguments")
    harness.switching[0].errback(ReconfigFailed([failure]))
    outcome = result_of(done)
    assert (outcome.ok, outcome.generation) == (False, 2)
    assert outcome.lines == ("Configuration 2 is in force, except for:", f"  {failure}")


def test_what_came_and_went_is_told(harness):
    def named(*names: str) -> list[Any]:
        return [SimpleNamespace(name=name) for name in names]

    harness.config = generation(1, builders=named("a", "b"), schedulers={"s": None})
    done = harness.reconfigurer.request()
    harness.loading[0].callback(generation(2, builders=named("b", "c", "d"), schedulers={"s": None}))
    harness.switching[0].callback(None)
    assert result_of(done).lines == (
        "Configuration 2 is in force",
        "  added builders: c, d",
        "  removed builder: a",
    )


def test_settings_that_take_a_restart_are_refused():
    new = generation(2, db_url="sqlite:///y")
    new.multiMaster = True
    with pytest.raises(ConfigErrors) as caught:
        check_fixed(generation(1), new)
    assert [error.partition(" was changed")[0] for error in caught.value.errors] == [
        "c['db']['db_url']",
        "c['multiMaster']",
    ]
