"""Text 002, "canStartBuild Functions": commands on the worker before a build, and quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.python import log

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.properties import Properties
from buildmaster.testing.worker import Command
from tests.support.path import BuildPath, configuration
from tests.support.real_workers import PORT, Site
from tests.support.seeds import execute

NAMES = {"os": os, "defer": defer, "log": log, "RemoteCommand": RemoteCommand, "Properties": Properties}


def example(name: str) -> Callable[..., Any]:
    return execute(name, **NAMES)["canStartBuild"]


def path_with(tmp_path: Path, function: Any, workers: tuple[str, ...] = ("w",), **more: Any) -> BuildPath:
    return BuildPath(
        tmp_path,
        configuration(
            lambda: [schedulers.AnyBranchScheduler(name=name, builderNames=[name]) for name in ("b", "c")],
            {name: [steps.ShellCommand(command=["make"])] for name in ("b", "c")},
            workers,
            {"canStartBuild": function, **more},
        ),
    )


def builds(path: BuildPath) -> list[tuple[str, str]]:
    """(builder, worker) of each build."""
    names = {row["workerid"]: row["name"] for row in path.kit.get("workers")}
    found = path.kit.get("builds", order=["buildid"])
    return [(name, names[row["workerid"]]) for (name, _, _), row in zip(path.builds(), found, strict=True)]


# -- a file on the worker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["request", "builder"])
def test_a_build_goes_to_the_worker_that_has_the_file(tmp_path, source):
    """The property is the request's, or else the builder's."""
    on_builder = {"properties": {"vm": "debian"}} if source == "builder" else {}
    path = path_with(tmp_path, example("can_start_build_vm.py"), ("w1", "w2"), **on_builder)
    asked: list[tuple[str, str]] = []

    def has(name: str, code: int) -> Any:
        async def script(command: Command) -> None:
            if command.name == "stat":
                asked.append((name, command.args["file"]))
            command.rc(code if command.name == "stat" else 0)

        return script

    path.attach("w1", has("w1", 2))
    path.change("r1", properties={"vm": ("debian", "Change")} if source == "request" else {})
    path.kit.pump()
    assert builds(path) == []
    path.attach("w2", has("w2", 0))
    path.kit.pump()
    assert sorted(builds(path)) == [("b", "w2"), ("c", "w2")]
    assert set(asked) == {("w1", "/opt/vm/debian"), ("w2", "/opt/vm/debian")}
    path.kit.stop()


def test_a_build_without_the_property_asks_nothing(tmp_path):
    path = path_with(tmp_path, example("can_start_build_vm.py"))
    worker = path.attach()
    path.change("r1")
    path.kit.pump()
    assert builds(path) == [("b", "w"), ("c", "w")]
    assert {command.name for command in worker.commands} == {"shell"}
    path.kit.stop()


# -- load and memory ---------------------------------------------------------------------------------------------------


class Machine:
    """A worker's machine whose load and memory the test decides."""

    load_is_fine = True
    memory_is_fine = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def script(self, command: Command) -> None:
        line = command.args["command"]
        if "/proc/loadavg" in line:
            self.asked.append("load")
            command.rc(0 if self.load_is_fine else 1)
        elif "/proc/meminfo" in line:
            self.asked.append("memory")
            command.rc(0 if self.memory_is_fine else 1)
        else:
            await command.sleep(1)
            command.rc(0)


def test_a_worker_that_is_fit_takes_one_build_and_then_none_for_two_minutes(tmp_path):
    """It is put in quarantine for the builds of others, not for the one that made it so."""
    path = path_with(tmp_path, example("can_start_build_load.py"))
    machine = Machine()
    path.attach(script=machine.script)
    live = path.master.workers.getWorkerByName("w")
    path.change("r1")
    path.kit.advance(119)
    assert len(builds(path)) == 1
    assert live.why_not() == "in quarantine"
    assert live.quarantine_timeout == live.quarantine_initial_timeout == 10
    path.kit.advance(2)
    assert sorted(builds(path)) == [("b", "w"), ("c", "w")]
    assert path.builds()[0][2] == SUCCESS
    path.kit.stop()


@pytest.mark.parametrize(("lacks", "asked"), [("load_is_fine", ["load"]), ("memory_is_fine", ["load", "memory"])])
def test_a_worker_that_is_not_fit_is_asked_ever_more_rarely(tmp_path, lacks, asked):
    path = path_with(tmp_path, example("can_start_build_load.py"), ("w1", "w2"))
    machine, other = Machine(), Machine()
    setattr(machine, lacks, False)
    path.attach("w1", machine.script)
    path.kit.call(path.master.data.updates.addBuildset, waited_for=False, builderids=[1], sourcestamps=[])
    begin, times = path.kit.reactor.seconds(), []
    for _ in range(100):
        if machine.asked:
            times.append(path.kit.reactor.seconds() - begin)
            assert machine.asked == asked
            machine.asked.clear()
        path.kit.advance(1)
    assert times == [0, 10, 30, 70]
    assert builds(path) == []
    path.attach("w2", other.script)
    path.kit.pump()
    assert builds(path) == [("b", "w2")]
    path.kit.stop()


def test_a_quarantine_that_begins_with_anothers_build_keeps_the_next_away(tmp_path):
    """Two builders ask one worker at the same time; the first to agree has it for itself."""
    verdicts: dict[str, defer.Deferred[bool]] = {}

    def can_start(builder: Any, wfb: Any, request: Any) -> defer.Deferred[bool]:
        def agreed(verdict: bool) -> bool:
            wfb.worker.putInQuarantine()
            return verdict

        verdicts[builder.name] = defer.Deferred()
        return verdicts[builder.name].addCallback(agreed)

    path = path_with(tmp_path, can_start)
    path.attach(script=Machine().script)
    path.change("r1")
    path.kit.pump()
    assert set(verdicts) == {"b", "c"}
    verdicts.pop("c").callback(True)
    path.kit.pump()
    verdicts.pop("b").callback(True)
    path.kit.pump()
    assert builds(path) == [("c", "w")]
    path.kit.advance(10)
    verdicts.pop("b").callback(True)
    path.kit.pump()
    assert builds(path) == [("c", "w"), ("b", "w")]
    path.kit.stop()


# -- on a real worker --------------------------------------------------------------------------------------------------


def test_the_examples_ask_a_real_worker(tmp_path, monkeypatch, tool):
    """The numbers of the worker's machine come from programs that stand before the real ones on its PATH."""
    tool("buildbot-worker")
    machine = tmp_path / "machine"
    machine.mkdir()
    monkeypatch.setenv("PATH", f"{machine}:{os.environ['PATH']}")

    def set_machine(cores: int, memory: int) -> None:
        for name, number in (("nproc", cores), ("sed", memory)):
            (machine / name).write_text(f"#!/bin/sh\necho {number}\n")
            (machine / name).chmod(0o755)

    def config() -> dict[str, Any]:
        factory = util.BuildFactory([steps.ShellCommand(command=["true"])])
        functions = {"vm": example("can_start_build_vm.py"), "load": example("can_start_build_load.py")}
        return {
            "protocols": {"pb": {"port": PORT}},
            "workers": [worker.Worker("w", "pw")],
            "builders": [
                util.BuilderConfig(name=name, workernames=["w"], factory=factory, canStartBuild=function)
                for name, function in functions.items()
            ],
            "schedulers": [schedulers.Triggerable(name="t", builderNames=list(functions))],
        }

    site = Site(tmp_path, config)
    site.run(_ask_really(site, set_machine, tmp_path / "image"))


async def _ask_really(site: Site, set_machine: Callable[[int, int], None], image: Path) -> None:
    await site.start()
    try:
        site.worker("w").process.start()
        live = await site.attached("w")
        (vm, load) = [row["builderid"] for row in await site.get("builders", order=["builderid"])]

        async def request(builderid: int, **properties: Any) -> None:
            await site.master.data.updates.addBuildset(
                waited_for=False,
                builderids=[builderid],
                sourcestamps=[],
                properties={name: (value, "test") for name, value in properties.items()},
            )

        async def refused(cores: int, memory: int, seconds: int) -> None:
            set_machine(cores, memory)
            await live.exitQuarantine()
            await site.until(lambda: live.quarantine_timer is not None, "the worker is refused")
            assert live.quarantine_timeout == seconds

        set_machine(0, 0)
        await request(load)
        await refused(-1, 4_000_000, 20)
        await refused(10_000, 1_000_000, 40)
        assert await site.get("builds") == []
        set_machine(10_000, 4_000_000)
        await live.exitQuarantine()
        (build,) = await site.finished()
        assert (build["builderid"], build["results"], live.why_not()) == (load, SUCCESS, "in quarantine")

        live.stopQuarantineTimer()
        await request(vm, vm=str(image))
        await site.until(lambda: site.master.botmaster.distributor.refusals, "the build is refused")
        image.touch()
        site.master.botmaster.maybeStartBuildsForAllBuilders()
        await site.until(lambda: not site.master.botmaster.distributor.pending.of(vm), "the build begins")
    finally:
        await site.stop()
