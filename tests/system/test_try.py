"""Try jobs: Buildbot's client and ours, a real master, a real worker, real working copies."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from buildmaster.config.builder import BuilderConfig
from buildmaster.net.childprocess import run_process
from buildmaster.process.factory import BuildFactory
from buildmaster.secrets.providers.file import SecretInAFile
from buildmaster.steps.shell import ShellCommand
from buildmaster.steps.source.git import Git
from buildmaster.steps.source.mercurial import Mercurial
from buildmaster.steps.source.svn import SVN
from buildmaster.worker.local import LocalWorker
from tests.support.git_repo import ENV, GitRepo
from tests.support.hg_repo import HgRepo
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import reactor
from tests.support.svn_repo import SvnRepo

pytestmark = pytest.mark.needs("git", "hg", "svn", "svnadmin", "buildbot", "buildbot-worker")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Repositories, and working copies of them with changes."""
    top = tmp_path_factory.mktemp("try")
    git = GitRepo(top / "git")
    git.commit("one", {"a": "1\n"})
    git.git("clone", "-q", str(git.path), str(top / "git-copy"))
    (top / "git-copy" / "a").write_text("changed\n")
    hg = HgRepo(top / "hg")
    hg.commit("one", {"a": "1\n"})
    hg.hg("clone", "-q", str(hg.path), str(top / "hg-copy"))
    (top / "hg-copy" / "a").write_text("changed\n")
    svn = SvnRepo(top / "svn")
    svn.commit("one", {"a": "1\n"})
    (svn.copy / "a").write_text("changed\n")
    for part in ("new", "cur", "tmp"):
        (top / "jobs" / part).mkdir(parents=True)
    (top / "home").mkdir()
    (top / "secrets").mkdir(mode=0o700)
    for name in ("ann", "bob"):
        (top / "secrets" / f"try-{name}").write_text("pw")
        (top / "secrets" / f"try-{name}").chmod(0o600)
    return {"top": top, "git": git, "hg": hg, "svn": svn}


@pytest.fixture(scope="module")
def live(places):
    top = places["top"]
    guide = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "howto" / "try_schedulers.py"))
    sources = {
        "git": Git(repourl=str(places["git"].path)),
        "hg": Mercurial(repourl=str(places["hg"].path)),
        "svn": SVN(repourl=places["svn"].url),
    }
    config = {
        "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
        "workers": [LocalWorker("w")],
        "builders": [
            BuilderConfig(
                name=name,
                workernames=["w"],
                factory=BuildFactory([source, ShellCommand(command=["cat", "a"], name="look")]),
                env=ENV,
            )
            for name, source in sources.items()
        ],
        "schedulers": [
            guide["over_the_network"](list(sources), "tcp:0:interface=127.0.0.1"),
            guide["by_ssh"](list(sources), str(top / "jobs")),
        ],
        "secretsProviders": [SecretInAFile(str(top / "secrets"))],
    }
    with LiveMaster(top / "master", config) as master:
        yield master


def client(live, places, copy, program, *args, port=True):
    """Run a client in a working copy; its exit code and what it printed."""
    (scheduler,) = [s for s in live.master.scheduler_manager if s.name == "try-pb"]
    where = places["top"] / copy if copy != "svn-copy" else places["svn"].copy
    command = {
        "buildmaster": [sys.executable, "-m", "buildmaster.cli.main"],
        "buildbot": [os.path.join(os.path.dirname(sys.executable), "buildbot")],
    }[program]
    if port:
        number = scheduler.registrations[0].getPort()
        args = ("--connect=pb", f"--master=127.0.0.1:{number}", "--username=ann", *args)
    env = {**os.environ, **ENV, "HOME": str(places["top"] / "home")}
    done = live.call(run_process, reactor, [*command, "try", *args], env, cwd=str(where), timeout=50)
    return done.rc, (done.stdout + done.stderr).decode()


def newest(live):
    """The newest build: builder, result, what the look at the file printed, source stamp, properties."""
    build = live.get("builds", order=("-buildid",), limit=1)[0]
    builder = live.get("builders", build["builderid"])["name"]
    step = live.get("builds", build["buildid"], "steps", order=("-number",))[0]
    (log,) = live.get("steps", step["stepid"], "logs")
    text = live.get("logs", log["logid"], "contents")["content"]
    request = live.get("buildrequests", build["buildrequestid"])
    buildset = live.get("buildsets", request["buildsetid"])
    printed = [line[1:] for line in text.splitlines() if line.startswith("o")]
    return builder, build["results"], printed, buildset


@pytest.mark.parametrize("kind", ["git", "svn"])
def test_our_client_waits_for_the_build(live, places, kind):
    options = ("--wait", f"--vc={kind}", "-b", kind, "--property", "p=1", "-C", "why")
    rc, said = client(live, places, f"{kind}-copy", "buildmaster", "--passwd=pw", *options)
    assert (rc, said.splitlines()[-1]) == (0, f"{kind}: success (build successful)"), said
    assert f"{kind}: step 'look' started" in said
    builder, results, printed, buildset = newest(live)
    assert (builder, results, printed) == (kind, 0, ["changed"])
    assert buildset["reason"].startswith("'try' job by user ")
    (stamp,) = buildset["sourcestamps"]
    assert (stamp["patch"]["comment"], stamp["patch"]["level"]) == ("why", 0 if kind == "svn" else 1)


def test_buildbots_client_waits_for_the_build(live, places):
    options = ("--wait", "--vc=hg", "--builder=hg", "--properties=p=1,q=2", "--who=Me")
    rc, said = client(live, places, "hg-copy", "buildbot", "--passwd=pw", *options)
    assert rc == 0, said
    assert "hg: success (build successful)" in said
    builder, results, printed, buildset = newest(live)
    assert (builder, results, printed, buildset["reason"]) == ("hg", 0, ["changed"], "'try' job by user Me")
    assert buildset["sourcestamps"][0]["revision"] == places["hg"].head()
    rc, said = client(live, places, "git-copy", "buildbot", "--passwd=pw", "--get-builder-names")
    assert [line.strip() for line in said.splitlines() if line.strip() in ("git", "hg", "svn")] == ["git", "hg", "svn"]


def test_what_cannot_be_built_is_told(live, places):
    ours = ("buildmaster", "--vc=git")
    rc, said = client(live, places, "git-copy", *ours, "--passwd=pw", "-b", "nobody")
    assert rc == 1
    assert "try-pb does not build on nobody; it builds on git, hg, svn" in said
    rc, said = client(live, places, "git-copy", *ours, "--passwd=wrong")
    assert rc == 1
    assert "refused the login of 'ann'" in said


@pytest.mark.parametrize("program", ["buildmaster", "buildbot"])
def test_a_job_comes_by_ssh(live, places, program):
    top = places["top"]
    ssh = top / "ssh"
    # ssh -l USER HOST COMMAND…: run the command here
    ssh.write_text('#!/bin/sh\nshift 3\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    binary = top / "bin"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m buildmaster.cli.main "$@"\n')
    binary.chmod(0o755)
    before = len(live.get("builds"))
    options = ("--connect=ssh", f"--ssh={ssh}", "--host=h", "--username=ann", f"--jobdir={top / 'jobs'}")
    more = (f"--buildbotbin={binary}", "--vc=git", "-b", "git")
    rc, said = client(live, places, "git-copy", program, *options, *more, port=False)
    assert (rc, "job has been delivered" in said) == (0, True), said
    (scheduler,) = [s for s in live.master.scheduler_manager if s.name == "try-ssh"]
    live.call(scheduler._watcher.poll)
    buildset = live.get("buildsets", order=("-bsid",), limit=1)[0]
    from buildmaster.process.triggering import wait_for_buildset

    live.call(wait_for_buildset, live.master, buildset["bsid"])
    assert len(live.get("builds")) == before + 1
    assert newest(live)[:3] == ("git", 0, ["changed"])
    assert buildset["external_idstring"]
    assert os.listdir(top / "jobs" / "new") == []


def test_a_dry_run_shows_what_would_be_sent(places, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "buildmaster.cli.main", "try", "-n", "-c", "pb", "--vc=git", "--who=me"],
        cwd=places["top"] / "git-copy",
        env={**os.environ, **ENV, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Branch: main\nBase revision: {places['git'].head()}\n" in done.stdout
    assert "-1\n+changed\n" in done.stdout
