"""Text 002, "Programmatic Configuration Generation": loops, and values from YAML and INI files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.life.loading import config_loader
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker
from tests.support.seeds import execute, text_of

YAML = """\
pythons: [python3.11, python3.12]
workers:
  w1: password
  w2: password
"""

INI = """\
[workers]
w1 = password
w2 = password

[builder quick]
python = python3.12
workers = w1
stable for = 0

[builder thorough]
python = python3.11
workers = w1 w2
"""


def test_a_loop_makes_a_builder_for_each_python(tmp_path):
    def config() -> dict[str, Any]:
        c: dict[str, Any] = {"builders": [], "protocols": {"pb": {"port": 9989}}}
        repairs = {"f.addStep(steps.SVN(...))": "f.addStep(steps.SVN('svn://svn.example.org/trunk'))"}
        made = execute("loop_over_pythons.py", repairs, c=c, steps=steps, util=util)
        c["workers"] = [worker.Worker(name, "password") for name in made["pytest_workers"]]
        c["schedulers"] = [
            schedulers.AnyBranchScheduler(name="all", builderNames=[f"test-{one}" for one in made["pythons"]])
        ]
        return c

    kit = MemoryMaster(tmp_path, config).start()
    names = ["python2.4", "python2.5", "python2.6", "python2.7", "python3.2", "python3.3"]
    assert kit.master.botmaster.builderNames == [f"test-{name}" for name in names]
    for name, builder in zip(names, kit.master.config.builders, strict=True):
        assert builder.workernames == [f"worker{number}" for number in range(10)]
        svn, test = [factory.buildStep() for factory in builder.factory.steps]
        assert (type(svn), svn.repourl, test.command) == (steps.SVN, "svn://svn.example.org/trunk", [name, "test.py"])
    kit.stop()


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Callable[..., MemoryMaster]]:
    made: list[MemoryMaster] = []

    def make(example: str, name: str, text: str) -> MemoryMaster:
        (tmp_path / "master.cfg").write_text(text_of(example))
        (tmp_path / name).write_text(text)
        one = MemoryMaster(tmp_path, {})
        one.master.config_loader = config_loader(str(tmp_path), "master.cfg")
        made.append(one)
        return one.start()

    yield make
    for each in made:
        each.stop()


def attach(kit: MemoryMaster, name: str) -> list[list[str]]:
    """A worker comes; the commands that it will have run."""
    ran: list[list[str]] = []

    async def script(command: Command) -> None:
        ran.append(command.args["command"])
        command.rc(0)

    kit.wait_for(ScriptedWorker(kit.master, name, script).connect())
    return ran


def change(kit: MemoryMaster, revision: str) -> None:
    kit.call(kit.master.data.updates.addChange, author="me", revision=revision, files=["f"], comments="")
    kit.pump()


def test_values_come_from_a_yaml_file(kit, tmp_path):
    it = kit("config_from_yaml.py", "builders.yaml", YAML)
    ran = attach(it, "w2")
    change(it, "r1")
    assert sorted(ran) == [["python3.11", "test.py"], ["python3.12", "test.py"]]
    (tmp_path / "builders.yaml").write_text(YAML.replace("python3.11", "python3.13"))
    assert it.reconfig().ok
    change(it, "r2")
    assert sorted(ran[2:]) == [["python3.12", "test.py"], ["python3.13", "test.py"]]
    assert [build["results"] for build in it.get("builds")] == [SUCCESS] * 4


def test_a_mistake_in_the_values_leaves_the_old_ones_in_force(kit, tmp_path):
    it = kit("config_from_yaml.py", "builders.yaml", YAML)
    (tmp_path / "builders.yaml").write_text("pythons: [")
    outcome = it.reconfig()
    assert not outcome.ok
    assert outcome.lines[2].startswith("  master.cfg:8: error while parsing config file: ParserError: ")
    assert it.master.botmaster.builderNames == ["test-python3.11", "test-python3.12"]


def test_values_come_from_an_ini_file(kit):
    it = kit("config_from_ini.py", "builders.ini", INI)
    ran = attach(it, "w2")
    change(it, "r1")
    it.advance(60)
    assert ran == [["python3.11", "test.py"]]
    ran = attach(it, "w1")
    it.pump()
    assert ran == [["python3.12", "test.py"]]
