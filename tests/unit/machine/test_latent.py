"""Machines that run while they are needed, on a whole master in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.machine.base import Machine
from buildmaster.machine.generic import GenericLatentMachine, LocalWOLAction
from buildmaster.machine.latent import AbstractLatentMachine, States
from buildmaster.plugins import schedulers, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.sync import result_of


class Scripted(AbstractLatentMachine):
    """Remembers what was done to it; a test says when it is done."""

    def reconfigService(self, name: str, **kwargs: Any) -> Any:  # type: ignore[override]
        self.done: list[str] = []
        self.asked: list[defer.Deferred[Any]] = []
        return super().reconfigService(name, **kwargs)

    def _do(self, what: str) -> defer.Deferred[Any]:
        self.done.append(what)
        self.asked.append(defer.Deferred())
        return self.asked[-1]

    def start_machine(self) -> Any:
        return self._do("start")

    def stop_machine(self) -> Any:
        return self._do("stop")


class Worker:
    """What a machine wants of a worker."""

    name = "w"
    building: tuple[Any, ...] = ()
    left = 0

    def insubstantiate(self) -> None:
        self.left += 1


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[MemoryMaster]:
    made = MemoryMaster(tmp_path, lambda: {"multiMaster": True, "machines": [Scripted("m", missing_timeout=60)]})
    yield made.start()
    made.stop()


@pytest.fixture
def machine(kit: MemoryMaster) -> Any:
    found = kit.master.machine_manager.getMachineByName("m")
    yield found
    if found.state is States.STARTED:
        stopping = as_deferred(found._stop())
        found.asked[-1].callback(None)
        result_of(stopping)


def start(machine: Any) -> None:
    waiting = machine.substantiate(None)
    machine.asked[-1].callback(True)
    assert result_of(waiting) is True


def test_workers_that_want_it_meanwhile_share_one_start(machine: Any) -> None:
    first, second = machine.substantiate(None), machine.substantiate(None)
    assert (machine.done, machine.state) == (["start"], States.STARTING)
    machine.asked[0].callback(True)
    assert (result_of(first), result_of(second), machine.state) == (True, True, States.STARTED)
    assert result_of(machine.substantiate(None)) is True
    assert machine.done == ["start"]


def test_a_start_that_fails_is_told_to_all_and_tried_again_by_the_next(machine: Any) -> None:
    for how in (lambda: machine.asked[-1].callback(False), lambda: machine.asked[-1].errback(OSError("no"))):
        first, second = machine.substantiate(None), machine.substantiate(None)
        how()
        assert (result_of(first), result_of(second), machine.state) == (False, False, States.STOPPED)
    assert machine.done == ["start", "start"]


def test_after_the_last_build_it_stops_and_lets_its_workers_go(kit: MemoryMaster, machine: Any) -> None:
    busy, idle = Worker(), Worker()
    busy.building = ("build",)
    machine.registerWorker(busy)
    machine.registerWorker(idle)
    start(machine)
    machine.notifyBuildStarted()
    machine.notifyBuildFinished()
    assert machine.state is States.STARTED
    busy.building = ()
    machine.notifyBuildFinished()
    assert (machine.state, machine.done, busy.left, idle.left) == (States.STOPPING, ["start", "stop"], 1, 1)
    again = machine.substantiate(None)
    machine.asked[-1].callback(None)
    assert machine.done == ["start", "stop", "start"]
    machine.asked[-1].callback(True)
    assert result_of(again) is True
    machine.unregisterWorker(idle)
    assert machine.workers == [busy]


def test_it_waits_for_further_builds(kit: MemoryMaster, machine: Any) -> None:
    machine.build_wait_timeout = 30
    start(machine)
    machine.notifyBuildFinished()
    kit.advance(20)
    machine.notifyBuildStarted()
    kit.advance(100)
    assert machine.state is States.STARTED
    machine.notifyBuildFinished()
    kit.advance(30)
    assert machine.state is States.STOPPING
    machine.asked[-1].callback(None)
    assert machine.state is States.STOPPED


def test_a_negative_wait_keeps_it_running(kit: MemoryMaster, machine: Any) -> None:
    machine.build_wait_timeout = -1
    start(machine)
    machine.notifyBuildStarted()
    machine.notifyBuildFinished()
    kit.advance(100_000)
    assert machine.state is States.STARTED


def test_it_is_stopped_when_no_worker_comes(kit: MemoryMaster, machine: Any) -> None:
    start(machine)
    kit.advance(59)
    assert machine.state is States.STARTED
    kit.advance(1)
    assert machine.state is States.STOPPING
    machine.asked[-1].errback(OSError("it does not answer"))
    assert machine.state is States.STOPPED


def configuration(machine: Any, **more: Any) -> dict[str, Any]:
    return {
        "machines": [machine],
        "workers": [worker.Worker("w", "pw", machine_name="m")],
        "protocols": {"pb": {"port": 9989}},
        "builders": [util.BuilderConfig(name="b", workername="w", factory=util.BuildFactory())],
        "schedulers": [schedulers.ForceScheduler(name="f", builderNames=["b"])],
        **more,
    }


def test_a_worker_that_is_always_there_may_be_on_a_plain_machine(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: configuration(Machine("m"))).start()
    machine = kit.master.machine_manager.machines["m"]
    assert [one.name for one in machine.workers] == ["w"]
    assert machine.workers[0].machine is machine
    kit.stop()
    assert machine.workers == []


def test_a_worker_that_is_always_there_may_not_be_on_a_latent_machine(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: configuration(Scripted("m")))
    with pytest.raises(AssertionError, match="worker 'w' is always there, but its machine 'm' only when it is needed"):
        kit.start()


def test_wrong_arguments_are_told() -> None:
    wake = LocalWOLAction("00:11:22:33:44:55")
    with pytest.raises(
        ConfigErrors, match="stop_action of GenericLatentMachine is 'sleep', which is no machine action"
    ):
        GenericLatentMachine("m", start_action=wake, stop_action="sleep")
    with pytest.raises(ConfigErrors, match="machine 'm': build_wait_timeout must be a number of seconds, not 'x'"):
        Scripted("m", build_wait_timeout="x")
    with pytest.raises(ConfigErrors, match="unknown arguments: colour"):
        Machine("m", colour="red")
