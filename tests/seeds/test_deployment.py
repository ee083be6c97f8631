"""Text 002, "It's now customized, how do I deploy it?": each of its ways, and what goes wrong with plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.life.loading import config_loader
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker
from tests.support.commands import ROOT, RealMaster, wait_until
from tests.support.seeds import EXAMPLES, text_of
from tests.support.svn_network import write_svn
from tests.support.svn_repo import SvnRepo

HEAD = """\
from buildbot.plugins import schedulers, steps, util, worker
from buildbot.process.factory import BuildFactory
from buildbot.steps.source.svn import SVN
"""

TAIL = """
c = BuildmasterConfig = {"protocols": {"pb": {"port": PB}}}
c["workers"] = [worker.WORKER]
c["builders"] = [util.BuilderConfig(name="b", workernames=["w"], factory=f)]
c["schedulers"] = [schedulers.ForceScheduler(name="force", builderNames=["b"])]
"""


def master_cfg(*fragments: str, port: Any = 9989, worker: str = 'Worker("w", "password")') -> str:
    """A whole configuration around fragments that put steps into ``f``."""
    tail = TAIL.replace("PB", repr(port)).replace("WORKER", worker)
    return "\n".join([HEAD, *fragments, tail])


# -- in master.cfg and beside it, on a master in memory ----------------------------------------------------------------


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[MemoryMaster]:
    basedir = tmp_path / "master"
    basedir.mkdir()
    made = MemoryMaster(basedir, {})
    made.master.config_loader = config_loader(str(basedir), "master.cfg")
    yield made
    made.stop()


def write(kit: MemoryMaster, text: str) -> None:
    (Path(kit.master.basedir) / "master.cfg").write_text(text)


def reload(kit: MemoryMaster, text: str) -> None:
    write(kit, text)
    assert kit.reconfig().ok


SVN_INFO = '<info><entry path="." revision="5"><url>stuff</url><commit revision="5"/></entry></info>'


async def framboozling(command: Command) -> None:
    """What the worker's machine does: a first checkout by Subversion, and ten seconds of framboozling."""
    argv = command.args.get("command", [])
    if argv == ["framboozler"]:
        command.out("FNURRRGH!\nslice\nFNURRRGH!\n")
        await command.sleep(10)
        command.out("dice FNURRRGH!\n")
    elif "info" in argv:
        command.out(SVN_INFO)
    elif "--version" in argv:
        command.out("1.14.2\n")
    command.rc(2 if command.name == "stat" else 0)


def begin_build(kit: MemoryMaster) -> Any:
    """A build that framboozles for ten seconds."""
    if not kit.master.workers.getWorkerByName("w").isConnected():
        kit.wait_for(ScriptedWorker(kit.master, "w", framboozling).connect())
    kit.call(kit.master.data.updates.addBuildset, waited_for=False, builderids=[1], sourcestamps=[{"codebase": ""}])
    kit.advance(1)
    (build,) = kit.master.botmaster.builders["b"].building
    return build


def test_a_class_in_master_cfg_is_not_another_after_a_reload(kit):
    """The text regrets that such a builder would be reconfigured with every reload; it is if the class has changed."""
    framboozle, use = text_of("framboozle.py"), text_of("deploy_in_master_cfg.py")
    write(kit, master_cfg(framboozle, use))
    builder = kit.start().master.botmaster.builders["b"]
    build = begin_build(kit)
    assert build.currentStep.progress.metrics["tests"] == 2
    reload(kit, master_cfg("# nothing that matters\n", framboozle, use))
    assert (builder.building, list(builder.old_building)) == ([build], [])
    reload(kit, master_cfg(framboozle.replace("+= 1", "+= 2"), use))
    assert (builder.building, list(builder.old_building)) == ([build], [build])
    assert kit.master.botmaster.builders["b"] is builder
    step = build.currentStep
    kit.advance(10)
    assert (build.results, step.progress.metrics["tests"]) == (SUCCESS, 3)
    assert (builder.building, list(builder.old_building)) == ([], [])
    build = begin_build(kit)
    assert build.currentStep.progress.metrics["tests"] == 4  # the new class
    kit.advance(10)


@pytest.mark.parametrize("example", ["deploy_from_import.py", "deploy_import.py"])
def test_a_module_from_elsewhere_is_imported_once(kit, tmp_path, monkeypatch, example):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "framboozle.py").write_text(text_of("framboozle.py"))
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.delitem(sys.modules, "framboozle", raising=False)
    write(kit, master_cfg(text_of(example)))
    kit.start()
    module = sys.modules["framboozle"]
    build = begin_build(kit)
    (tmp_path / "lib" / "framboozle.py").write_text("raise Exception('this is not looked at')")
    reload(kit, master_cfg(text_of(example)))
    assert sys.modules["framboozle"] is module
    assert list(kit.master.botmaster.builders["b"].old_building) == []
    assert type(build.currentStep) is module.Framboozle
    kit.advance(10)
    monkeypatch.delitem(sys.modules, "framboozle")


# -- on PYTHONPATH, on a real master with a real worker ----------------------------------------------------------------


class Home:
    """A user's home directory, with programs of his own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / "bin"
        self.library = path / "lib" / "python"
        for directory in (self.bin, self.library):
            directory.mkdir(parents=True)
        self.program("buildbot", f'PYTHONPATH="$PYTHONPATH:{ROOT}" exec {sys.executable} -m buildmaster.cli.main "$@"')
        self.program("framboozler", "echo FNURRRGH!; echo FNURRRGH!")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def bash(self, text: str) -> None:
        """Run commands of the shell, which have to succeed."""
        path = os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]])
        env = {**os.environ, "HOME": str(self.path), "PATH": path}
        env.pop("PYTHONPATH", None)
        done = subprocess.run(
            ["bash", "-ec", text], cwd=self.path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("svn", "svnadmin", "buildbot-worker")
@pytest.mark.timeout(180)
def test_a_real_master_finds_a_module_on_pythonpath(tmp_path, tool):
    home = Home(tmp_path / "home")
    repo = SvnRepo(tmp_path / "svn")
    repo.commit("one", {"test_everything": "-"})
    write_svn(home.bin, tool("svn"), {"stuff": repo.url})
    (home.library / "framboozle.py").write_text(text_of("framboozle.py"))
    master = RealMaster(home.path / "MASTERDIR").create()
    www = f'c["www"] = {{"port": "tcp:{master.web}:interface=127.0.0.1"}}\n'
    place = {"port": f"tcp:{master.pb}:interface=127.0.0.1", "worker": 'LocalWorker("w")'}
    (master.path / "master.cfg").write_text(master_cfg(text_of("deploy_from_import.py"), **place) + www)
    try:
        home.bash((EXAMPLES / "deploy_start.sh").read_text())
        wait_until(lambda: master.get("workers")[0]["connected_to"])
        master.control("forceschedulers/force", "force", owner="me")
        (build,) = wait_until(lambda: [one for one in master.get("builds") if one["complete"]])
        shown = master.get(f"builds/{build['buildid']}/steps")
        assert [(step["name"], step["results"]) for step in shown[-2:]] == [("svn", SUCCESS), ("shell", SUCCESS)]
        (master.path / "master.cfg").write_text(master_cfg(text_of("deploy_import.py"), **place) + www)
        home.bash((EXAMPLES / "deploy_profile.sh").read_text() + "buildbot checkconfig MASTERDIR\n")
        home.bash("buildbot reconfig MASTERDIR")  # the master knows its PYTHONPATH
    finally:
        master.end()


# -- in site-packages, as a plugin -------------------------------------------------------------------------------------

OTHER = """\
[buildmaster.steps]
FramboozleToo = framboozle:Framboozle
[buildbot.steps]
Gone = nonesuch:Gone
Broken = broken:Broken
"""

CHECK = """\
import json, sys, os
from buildmaster.base.errors import ConfigErrors
from buildmaster.life.loading import config_loader
found = {}
for basedir in sys.argv[1:]:
    try:
        steps = config_loader(basedir, "master.cfg").loadConfig().builders[0].factory.steps
    except ConfigErrors as e:
        found[os.path.basename(basedir)] = e.errors
    else:
        found[os.path.basename(basedir)] = [step.step_class.__module__ for step in steps]
print(json.dumps(found))
"""


class House:
    """A Python of its own, in which packages are installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
        self.python = path / "bin" / "python"
        self.site = next((path / "lib").glob("python*")) / "site-packages"
        (self.site / "parent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")

    def install(self, package: Path) -> None:
        """Install a package as its setup.py says."""
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(self.site)]
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options, str(package)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, text: str, *args: object) -> str:
        """What a program prints."""
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.python), "-c", text, *map(str, args)]
        done = subprocess.run(command, cwd=self.path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> dict[str, list[str]]:
    """What comes of several configurations in a Python where Framboozle and a package that is broken are installed."""
    path = tmp_path_factory.mktemp("deploy")
    house = House(path / "house")
    package = path / "package"
    package.mkdir()
    (package / "framboozle.py").write_text(text_of("framboozle.py"))
    elided = {"...": ('name="framboozle-steps", version="1.0", py_modules=["framboozle"],', ""), "...,": ""}
    (package / "setup.py").write_text("from setuptools import setup\n" + text_of("deploy_entry_points.py", elided))
    house.install(package)
    other = house.site / "other_steps-2.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other-steps\nVersion: 2.1\n")
    (other / "entry_points.txt").write_text(OTHER)
    (house.site / "broken.py").write_text("import nothing_of_this_name\n")

    use = "f = util.BuildFactory()\nf.addStep({})"
    plugin = {"... steps.Framboozle ...": "f = util.BuildFactory([steps.Framboozle()])"}
    configurations = {
        "site-packages": text_of("deploy_import.py"),
        "plugin": text_of("deploy_plugin.py", plugin),
        "plugin of the other group": use.format("steps.FramboozleToo()"),
        "included": text_of("deploy_included.py"),
        "misspelt": use.format("steps.Framboozel()"),
        "missing": use.format("steps.Snazzy()"),
        "gone": use.format("steps.Gone()"),
        "broken": use.format("steps.Broken()"),
    }
    for name, text in configurations.items():
        (path / name).mkdir()
        (path / name / "master.cfg").write_text(master_cfg(text))
    found: dict[str, list[str]] = json.loads(house.run(CHECK, *[path / name for name in configurations]))
    asked = [line.removeprefix(">>> ") for line in text_of("deploy_sys_path.txt").splitlines() if line[:4] == ">>> "]
    found["path"] = eval(house.run("\n".join(asked)))
    found["site"] = [str(house.site)]
    return found


SVN_AND_FRAMBOOZLE = ["buildmaster.steps.source.svn", "framboozle"]


def test_a_module_in_site_packages(checked):
    """Python tells where that is."""
    assert checked["site"][0] in checked["path"]
    assert checked["site-packages"] == SVN_AND_FRAMBOOZLE


def test_an_installed_plugin_is_found_by_its_entry_point(checked):
    assert checked["plugin"] == ["framboozle"]
    assert checked["included"] == SVN_AND_FRAMBOOZLE


def test_both_groups_are_read(checked):
    assert checked["plugin of the other group"] == ["framboozle"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("misspelt", "PluginNotFound: no plugin steps.Framboozel; did you mean Framboozle?"),
        ("missing", "PluginNotFound: no plugin steps.Snazzy; is the package that offers it installed here?"),
        (
            "gone",
            "PluginDBError: plugin steps.Gone (nonesuch:Gone of the package other-steps 2.1) can't be imported: "
            "ModuleNotFoundError: No module named 'nonesuch'",
        ),
        (
            "broken",
            "PluginDBError: plugin steps.Broken (broken:Broken of the package other-steps 2.1) can't be imported: "
            "ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
    ],
)
def test_a_plugin_that_is_missing_or_broken_is_told_with_its_line(checked, name, words):
    (message,) = checked[name]
    assert message.startswith(f"master.cfg:6: error while parsing config file: {words}\n    f.addStep(steps.")
