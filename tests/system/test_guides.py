"""The guides that tell of commands: what they print is typed, in order, and does what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT, buildmaster, environment, free_port, wait_until
from tests.support.git_repo import GitRepo

DOCS = ROOT / "docs"


def blocks(guide: str, language: str) -> list[str]:
    """The code blocks of a guide, in order."""
    text = (DOCS / f"{guide}.rst").read_text(encoding="utf-8")
    found = re.findall(rf" *\.\. code-block:: {language}\n\n((?: +.*\n|\n)+)", text)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in found]


def commands(guide: str) -> list[str]:
    """The command lines of a guide."""
    lines = [line.strip() for line in "".join(blocks(guide, "console")).splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def typed(line: str, cwd: Path) -> str:
    """Type a command line, which has to succeed; what it printed."""
    program = f"{sys.executable} -m buildmaster.cli.main "
    line = re.sub(r"^buildmaster ", program, line)
    done = subprocess.run(
        line,
        shell=True,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the commands are typed; masters that run there are stopped in the end."""
    yield tmp_path
    for pid_file in tmp_path.rglob("twistd.pid"):
        buildmaster("stop", pid_file.parent)


def with_free_ports(config: Path) -> tuple[int, int]:
    """Have a configuration listen where nobody else does; the ports (web, workers)."""
    web, pb = free_port(), free_port()
    text = config.read_text()
    assert "8010" in text
    config.write_text(text.replace("8010", str(web)).replace("9989", str(pb)))
    return web, pb


def test_a_master_of_your_own_and_what_is_done_with_it_later(place: Path) -> None:
    """tutorial/own-master, howto/reconfigure, howto/logs and howto/upgrade, on one master."""
    create, enter, copy, check, start, install, make_worker, start_worker = commands("tutorial/own-master")
    assert (enter, install.split()[:2]) == ("cd master", ["pip", "install"])
    typed(create, place)
    master = place / "master"
    rotation = blocks("howto/logs", "python")[0].replace("   # None keeps all", "")
    assert all(line in (master / "buildbot.tac").read_text() for line in rotation.splitlines())
    typed(copy, master)
    config = master / "master.cfg"
    repo = GitRepo(place / "repo")
    repo.commit("first")
    config.write_text(re.sub(r"https://[^\"']*\.git", str(repo.path), config.read_text()))
    (worker_lines,) = blocks("tutorial/own-master", "python")
    named = config.read_text().replace('workernames=["local"]', 'workernames=["local", "big-machine"]')
    config.write_text(f"{named}\n{worker_lines}")
    _, pb = with_free_ports(config)
    typed(check, master)
    typed(start, master)
    typed(make_worker.replace("master-machine:9989", f"localhost:{pb}"), place)
    try:
        typed(start_worker, place)
        wait_until(lambda: "big-machine" in (master / "twistd.log").read_text())
    finally:
        typed("buildbot-worker stop worker", place)
    later_check, reconfig = commands("howto/reconfigure")
    typed(later_check, place)
    typed(reconfig, place)
    before = (master / "reconfig.json").stat().st_mtime_ns
    os.kill(int((master / "twistd.pid").read_text()), signal.SIGHUP)
    wait_until(lambda: (master / "reconfig.json").stat().st_mtime_ns > before)
    assert json.loads((master / "reconfig.json").read_text())
    stop, upgrade_package, upgrade, start_again = commands("howto/upgrade")
    assert upgrade_package.startswith("pip install --upgrade ")
    for line in (stop, upgrade, start_again):
        typed(line, place)


def test_a_first_build(place: Path) -> None:
    """tutorial/first-build: quickstart, a commit, a step more."""
    *_, enter, quickstart, commit, check, reconfig, stop = commands("tutorial/first-build")
    assert enter == "cd my-project"
    repo = GitRepo(place / "my-project")
    repo.commit("first", {"Makefile": "test:\n\techo tested\n"})
    told = typed(quickstart, repo.path)
    port = int(re.search(r"http://localhost:(\d+)/", told)[1])
    (step,) = blocks("tutorial/first-build", "python")
    config = place / "my-project-ci" / "master.cfg"
    config.write_text(config.read_text() + "\n" + step)
    typed(check, repo.path)
    typed(reconfig, repo.path)
    repo.git(*shlex.split(commit)[1:])

    def built() -> bool:
        with urllib.request.urlopen(f"http://localhost:{port}/api/v2/builds/2/steps") as answer:
            return [s["name"] for s in json.load(answer)["steps"] if s["results"] == 0][-1:] == ["who"]

    wait_until(built)
    typed(stop, repo.path)


@pytest.mark.skipif(shutil.which("buildbot", path=environment()["PATH"]) is None, reason="needs Buildbot itself")
def test_an_existing_configuration(place: Path) -> None:
    """howto/from-buildbot: a directory of Buildbot's own, with the configuration that it comes with."""
    *_install, check, create, copy, stop_old, take_over, start = commands("howto/from-buildbot")
    typed("buildbot create-master old-master", place)
    old = place / "old-master"
    shutil.copy(old / "master.cfg.sample", old / "master.cfg")
    with_free_ports(old / "master.cfg")
    database = (old / "state.sqlite").read_bytes()
    typed(check.replace("/path/to/master.cfg", "old-master/master.cfg"), place)
    typed(create, place)
    typed(copy, place)
    assert stop_old == "buildbot stop old-master"
    assert "masters: 0 rows" in typed(take_over, place)
    typed(start, place)
    assert (old / "state.sqlite").read_bytes() == database


def test_a_developers_settings_for_try(place: Path) -> None:
    """howto/try-changes: the file of settings, and what would be sent."""
    developer = blocks("howto/try-changes", "python")[-1]
    (place / ".buildbot").mkdir()
    (place / ".buildbot" / "options").write_text(developer)
    repo = GitRepo(place / "copy")
    repo.commit("first", {"a.c": "one\n"})
    (repo.path / "a.c").write_text("two\n")
    told = typed(f"HOME={place} {sys.executable} -m buildmaster.cli.main try --dryrun", repo.path)
    assert "-one\n+two\n" in told


def test_a_package_of_plugins(tmp_path: Path) -> None:
    """howto/offer-plugins: the package is found by a configuration."""
    setup, use = blocks("howto/offer-plugins", "python")
    (tmp_path / "setup.py").write_text(f"from setuptools import setup\n{setup}")
    (tmp_path / "my_steps.py").write_text(
        "from buildbot.plugins import steps\n"
        "class Deploy(steps.ShellCommand):\n"
        "    def __init__(self, targets, **kwargs):\n"
        "        super().__init__(command=['deploy', *targets], **kwargs)\n"
        "def targets(name):\n"
        "    return [name + '1', name + '2']\n"
    )
    typed(f"{sys.executable} setup.py -q egg_info", tmp_path)
    (tmp_path / "master.cfg").write_text(
        "from buildbot.plugins import schedulers, util, worker\n"
        f"factory = util.BuildFactory()\n{use}\n"
        "c = BuildmasterConfig = {'workers': [worker.LocalWorker('w')]}\n"
        "c['schedulers'] = [schedulers.ForceScheduler(name='f', builderNames=['b'])]\n"
        "c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=factory)]\n"
        "assert factory.steps[0].buildStep().command == ['deploy', 'web1', 'web2']\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "buildmaster.cli.main", "checkconfig", "master.cfg"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
