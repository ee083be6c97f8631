"""The whole path with real processes: git, polling, stable timers, a real worker, REST, SIGHUP, kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require_tool
from tests.support.commands import RealMaster, environment, real_master, wait_until
from tests.support.git_repo import GitRepo

pytestmark = [pytest.mark.needs("git", "buildbot-worker"), pytest.mark.timeout(240)]

CONFIG = """
from buildbot.plugins import changes, schedulers, steps, util, worker
c = BuildmasterConfig = {{}}
c["workers"] = [worker.Worker("w1", "pass1", max_builds=2)]
c["protocols"] = {{"pb": {{"port": "tcp:{pb}:interface=127.0.0.1"}}}}
c["www"] = {{"port": "tcp:{web}:interface=127.0.0.1"}}
c["buildbotURL"] = "http://localhost:{web}/"
c["change_source"] = [
    changes.GitPoller("REPO", branches=True, pollInterval=1, pollAtLaunch=True),
    changes.PBChangeSource(user="change", passwd="changepw"),
]
main = util.BuildFactory([
    steps.Git(repourl="REPO", mode="incremental"),
    steps.ShellCommand(name="show", command=["cat", "payload"], logEnviron=False),
    steps.Trigger(schedulerNames=["after"], waitForFinish=True),
])
c["builders"] = [
    util.BuilderConfig(name="main", workernames=["w1"], factory=main),
    util.BuilderConfig(name="second", workernames=["w1"], factory=util.BuildFactory(
        [steps.ShellCommand(name="say", command=["echo", util.Interpolate("at %(src::revision)s")])])),
    util.BuilderConfig(name="slow", workernames=["w1"], factory=util.BuildFactory(
        [steps.ShellCommand(name="wait", command=["SCRIPT", "wait"])])),
]
c["schedulers"] = [
    schedulers.SingleBranchScheduler(name="stable", builderNames=["main"], treeStableTimer=2,
                                     change_filter=util.ChangeFilter(branch="main")),
    schedulers.Triggerable(name="after", builderNames=["second"]),
    schedulers.ForceScheduler(name="force", builderNames=["main", "second", "slow"]),
]
"""

PAYLOAD = "plain\n\ttabbed\nÄ – ✓\n\nlast line\n"


class Scene:
    """A bare repository, a clone to commit in, a master and a worker."""

    def __init__(self, tmp_path: Path, master: RealMaster) -> None:
        self.master = master
        self.bare = tmp_path / "bare.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True)
        self.clone = GitRepo(tmp_path / "clone")
        self.clone.git("remote", "add", "origin", str(self.bare))
        self.gate = tmp_path / "gate"
        script = tmp_path / "wait.sh"
        script.write_text(f"#!/bin/sh\necho begun\nwhile [ ! -e {self.gate} ]; do sleep 0.1; done\necho done\n")
        script.chmod(0o755)
        self.config = CONFIG.replace("REPO", str(self.bare)).replace("SCRIPT", str(script))
        self.worker_dir = tmp_path / "worker"
        self.worker: subprocess.Popen[bytes] | None = None

    def push(self, message: str, files: dict[str, str] | None = None) -> str:
        revision = self.clone.commit(message, files)
        self.clone.git("push", "-q", "origin", "HEAD:main")
        return revision

    def start_worker(self) -> None:
        program = require_tool("buildbot-worker")
        subprocess.run(
            [program, "create-worker", str(self.worker_dir), f"127.0.0.1:{self.master.pb}", "w1", "pass1"],
            check=True,
            capture_output=True,
        )
        self.worker = subprocess.Popen(
            [program, "start", "--nodaemon", str(self.worker_dir)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
        self.worker_attached()

    def worker_attached(self) -> None:
        wait_until(lambda: self.master.get("workers")[0]["connected_to"])

    def builds(self, builder: str) -> list[dict[str, Any]]:
        return self.master.get(f"builders/{builder}/builds?order=number")

    def finished(self, builder: str, count: int) -> list[dict[str, Any]]:
        """That many builds of a builder, all complete."""

        def look() -> list[dict[str, Any]] | None:
            builds = self.builds(builder)
            return builds if len(builds) >= count and all(b["complete"] for b in builds) else None

        return wait_until(look)

    def raw(self, builder: str, number: int, step: str) -> bytes:
        path = f"builders/{builder}/builds/{number}/steps/{step}/logs/stdio/raw"
        with urllib.request.urlopen(f"http://127.0.0.1:{self.master.web}/api/v2/{path}") as answer:
            return answer.read()

    def stamps_of(self, build: dict[str, Any]) -> list[tuple[str, str]]:
        request = self.master.get(f"buildrequests/{build['buildrequestid']}")[0]
        buildset = self.master.get(f"buildsets/{request['buildsetid']}")[0]
        return [(stamp["branch"], stamp["revision"]) for stamp in buildset["sourcestamps"]]

    def close(self) -> None:
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(20)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with real_master(tmp_path / "master") as master:
        made = Scene(tmp_path, master.create())
        made.push("first", {"payload": "first"})
        master.configure(config=made.config)
        master.start()
        made.start_worker()
        polled(made, made.clone.head())
        try:
            yield made
        finally:
            made.close()


def polled(scene: Scene, revision: str) -> None:
    """Wait until the poller has taken the repository's state as its baseline."""

    def look() -> bool:
        with sqlite3.connect(scene.master.path / "state.sqlite") as conn:
            rows = conn.execute("SELECT value_json FROM object_state").fetchall()
        return any(revision in value for (value,) in rows)

    wait_until(look)


def test_from_a_pushed_commit_to_a_restart_after_kill_nine(scene: Scene) -> None:
    master = scene.master

    # a commit that is polled, scheduled after its stable timer, built; a Trigger to a second builder
    revision = scene.push("second", {"payload": PAYLOAD})
    build = scene.finished("main", 1)[0]
    assert build["results"] == 0
    assert scene.stamps_of(build) == [("main", revision)]
    log = scene.raw("main", 1, "show")
    assert PAYLOAD.encode() in log
    change = master.get(f"builds/{build['buildid']}/changes")[0]
    assert (change["revision"], change["files"], change["author"]) == (
        revision,
        ["payload"],
        "Ann Author <ann@example.org>",
    )
    child = scene.finished("second", 1)[0]
    assert child["results"] == 0
    assert f"at {revision}".encode() in scene.raw("second", 1, "say")

    # a change by a client
    sendchange = [
        sys.executable, "-m", "buildmaster.cli.main", "sendchange", f"--master=127.0.0.1:{master.pb}", "--who=me",
        "--auth=change:changepw", f"--repository={scene.bare}", "--branch=main", f"--revision={revision}", "payload",
    ]  # fmt: skip
    assert subprocess.run(sendchange, env=environment(), capture_output=True).returncode == 0
    assert scene.finished("main", 2)[1]["results"] == 0

    # a forced build, and a builder added by SIGHUP while it runs
    master.control("forceschedulers/force", "force", builderid=builder_id(master, "slow"), reason="r", owner="o")
    wait_until(lambda: scene.builds("slow") and running(scene))
    more = (
        'c["builders"].append(util.BuilderConfig(name="fourth", workernames=["w1"], factory=util.BuildFactory('
        '[steps.ShellCommand(command=["true"])])))\n'
        'c["schedulers"].append(schedulers.ForceScheduler(name="force4", builderNames=["fourth"]))'
    )
    master.configure(more, config=scene.config)
    assert master.pid is not None
    os.kill(master.pid, signal.SIGHUP)
    wait_until(lambda: any(b["name"] == "fourth" and b["masterids"] for b in master.get("builders")))
    assert not scene.builds("slow")[0]["complete"]
    master.control("forceschedulers/force4", "force", reason="r", owner="o")
    assert scene.finished("fourth", 1)[0]["results"] == 0

    # kill -9 during the build: it is retried once, nothing is missing
    before = counts(master)
    master.kill()
    (master.path / "twistd.pid").unlink(missing_ok=True)
    master.start()
    scene.worker_attached()
    wait_until(lambda: len(scene.builds("slow")) == 2)
    scene.gate.touch()
    retried = scene.finished("slow", 2)
    assert [b["results"] for b in retried] == [5, 0]
    assert retried[0]["buildrequestid"] == retried[1]["buildrequestid"]
    assert counts(master) == {**before, "builds": before["builds"] + 1}
    assert all(b["complete"] for b in master.get("buildrequests"))


def builder_id(master: RealMaster, name: str) -> int:
    return next(b["builderid"] for b in master.get("builders") if b["name"] == name)


def running(scene: Scene) -> bool:
    steps = scene.master.get("builders/slow/builds/1/steps")
    return any(step["name"] == "wait" and step["started_at"] for step in steps)


def counts(master: RealMaster) -> dict[str, int]:
    return {name: len(master.get(name)) for name in ("changes", "buildsets", "buildrequests", "builds")}


def test_the_real_sendchange(scene: Scene) -> None:
    """The program that other masters' users have."""
    program = require_tool("buildbot")
    done = subprocess.run(
        [
            program, "sendchange", f"--master=127.0.0.1:{scene.master.pb}", "--who=Bö", "--branch=main",
            f"--repository={scene.bare}", "--vc=git", "--comments=by the real client", "--property=a:1", "payload",
        ],
        capture_output=True,
        text=True,
        env=environment(LC_ALL="C.UTF-8"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    change = scene.master.get("changes?order=-changeid&limit=1")[0]
    assert (change["author"], change["comments"], change["files"]) == ("Bö", "by the real client", ["payload"])
    assert change["properties"]["a"] == ["1", "Change"]
    assert scene.finished("main", 1)[0]["results"] == 0


def test_a_burst_of_twenty_commits(scene: Scene) -> None:
    """One buildset with the newest revision and all twenty changes for each time that the tree was quiet."""
    revisions = [scene.push(f"burst {n}", {"payload": f"{n}"}) for n in range(20)]
    wait_until(lambda: len(scene.master.get("changes")) == 20)
    wait_until(lambda: scene.builds("main") and all(b["complete"] for b in scene.builds("main")))
    scene.finished("main", 1)
    buildsets = [b for b in scene.master.get("buildsets?order=bsid") if b["parent_buildid"] is None]
    stored = sorted(scene.master.get("changes"), key=lambda c: c["changeid"])
    assert [c["revision"] for c in stored] == revisions
    assert buildsets[-1]["sourcestamps"][0]["revision"] == revisions[-1]
    built: list[str] = []
    for build in scene.builds("main"):
        built += [c["revision"] for c in scene.master.get(f"builds/{build['buildid']}/changes")]
    assert sorted(built) == sorted(revisions), "every change is in exactly one build"
    newest_of_each = [b["sourcestamps"][0]["revision"] for b in buildsets]
    assert newest_of_each == sorted(newest_of_each, key=revisions.index)
