"""The steps that fetch sources (but Git, which has a file of its own): real repositories, a real worker."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.steps.source.bzr import Bzr
from buildmaster.steps.source.cvs import CVS
from buildmaster.steps.source.darcs import Darcs
from buildmaster.steps.source.mercurial import Mercurial
from buildmaster.steps.source.svn import SVN
from tests.support.farm import Farm
from tests.support.hg_repo import HgRepo
from tests.support.svn_repo import SvnRepo

pytestmark = pytest.mark.needs("buildbot-worker")

DIFF = b"""\
--- a/a
+++ b/a
@@ -1 +1 @@
-1
+patched
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    farm = Farm(tmp_path_factory.mktemp("farm"))
    with farm.live:
        yield farm


@pytest.fixture
def farm(running, request):
    running.directory = request.node.name.replace("[", "-").replace("]", "")
    return running


def got(build):
    return build["results"], build["properties"].get("got_revision")


def files(farm):
    return sorted(name for name in os.listdir(farm.tree) if name not in (".hg", ".svn", ".bzr", "_darcs", "CVS"))


def litter(farm):
    """What a build leaves: an ignored file, unknown ones, a changed one."""
    (farm.tree / "x.o").write_text("")
    (farm.tree / "junk").mkdir(exist_ok=True)
    (farm.tree / "junk/file").write_text("")
    (farm.tree / "a").write_text("changed")


@pytest.mark.needs("hg")
def test_mercurial(farm, tmp_path):
    repo = HgRepo(tmp_path / "upstream")
    one = repo.commit("one", {"a": "1\n", ".hgignore": "syntax: glob\n*.o\n"})
    step = {"repourl": str(repo.path), "branchType": "inrepo"}
    assert got(farm.build(Mercurial(**step), patch=DIFF)) == (SUCCESS, one)
    assert ((farm.tree / "a").read_text(), (farm.tree / "new").read_text()) == ("patched\n", "new\n")
    two = repo.commit("two")
    repo.hg("branch", "-q", "topic")
    topic = repo.commit("topic")
    assert got(farm.build(Mercurial(**step))) == (SUCCESS, two)
    assert ((farm.tree / "a").read_text(), files(farm)) == ("1\n", [".hgignore", "a", "two"])
    litter(farm)
    build = farm.build(Mercurial(**step, mode="full", method="clean", clobberOnBranchChange=False), branch="topic")
    assert got(build) == (SUCCESS, topic)
    assert files(farm) == [".hgignore", "a", "topic", "two", "x.o"]


@pytest.mark.needs("svn", "svnadmin")
def test_subversion(farm, tmp_path):
    repo = SvnRepo(tmp_path / "upstream")
    repo.commit("one", {"trunk/a": "1\n", "branches/b/a": "b\n", "trunk/sub/deep": ""})
    repo.svn("propset", "-q", "svn:ignore", "*.o", "trunk")
    repo.commit("two", {})
    step = {"repourl": repo.url + "/trunk"}
    assert got(farm.build(SVN(**step), patch=DIFF)) == (SUCCESS, "2")
    assert ((farm.tree / "a").read_text(), (farm.tree / "new").read_text()) == ("patched\n", "new\n")
    repo.commit("elsewhere", {"branches/b/a": "bb\n"})
    assert got(farm.build(SVN(**step, preferLastChangedRev=True))) == (SUCCESS, "2")
    assert ((farm.tree / "a").read_text(), files(farm)) == ("1\n", ["a", "sub"])
    left = {}
    for method in ("clean", "fresh", "copy", "export"):
        litter(farm)
        kept = {"keep_on_purge": ["junk/file"]} if method == "clean" else {}
        assert got(farm.build(SVN(**step, **kept, mode="full", method=method))) == (SUCCESS, "3")
        left[method] = (files(farm), (farm.tree / "a").read_text(), (farm.tree / ".svn").exists())
    assert left == {
        "clean": (["a", "junk", "sub", "x.o"], "1\n", True),
        "fresh": (["a", "sub"], "1\n", True),
        "copy": (["a", "sub"], "1\n", True),
        "export": (["a", "sub"], "1\n", False),
    }
    build = farm.build(SVN(repourl=repo.url + "/branches/b", depth="files"), revision="1")
    assert (got(build), (farm.tree / "a").read_text()) == ((SUCCESS, "1"), "b\n")


@pytest.mark.needs("bzr")
def test_bazaar(farm, tmp_path, monkeypatch):
    monkeypatch.setenv("BRZ_EMAIL", "Ann <ann@example.org>")
    monkeypatch.setenv("HOME", str(tmp_path))
    # its own Python is the system's, and it looks for that along the path
    path = "/usr/local/bin:/usr/bin:/bin" if shutil.which("bzr", path="/usr/local/bin") else "/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    if subprocess.run(["bzr", "--version"], capture_output=True, check=False).returncode:
        return  # a bzr that does not find its own modules beside this Python can't be tried here
    upstream = tmp_path / "base" / "main"

    def bzr(*args):
        done = subprocess.run(
            ["bzr", *args],
            cwd=upstream if upstream.exists() else tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    (tmp_path / "base").mkdir()
    bzr("init", str(upstream))
    (upstream / "a").write_text("1\n")
    (upstream / ".bzrignore").write_text("*.o\n")
    bzr("add", "-q")
    bzr("commit", "-q", "-m", "one")
    step = {"baseURL": f"{tmp_path}/base/", "defaultBranch": "main", "env": {"PATH": path}}
    assert got(farm.build(Bzr(**step))) == (SUCCESS, "1")
    litter(farm)
    assert got(farm.build(Bzr(**step, mode="full", method="clean"))) == (SUCCESS, "1")
    assert (files(farm), (farm.tree / "a").read_text()) == ([".bzrignore", "a", "x.o"], "1\n")


@pytest.mark.needs("cvs")
def test_cvs(farm, tmp_path):
    root = tmp_path / "root"

    def cvs(*args, cwd):
        subprocess.run(["cvs", "-Q", "-d", str(root), *args], cwd=cwd, check=True, capture_output=True)

    cvs("init", cwd=tmp_path)
    (tmp_path / "import").mkdir()
    (tmp_path / "import/a").write_text("1\n")
    cvs("import", "-m", "one", "module", "vendor", "start", cwd=tmp_path / "import")
    step = {"cvsroot": str(root), "cvsmodule": "module"}
    build = farm.build(CVS(**step), patch=DIFF)
    assert build["results"] == SUCCESS
    assert build["properties"]["got_revision"].endswith(" +0000")
    assert ((farm.tree / "a").read_text(), files(farm)[-1]) == ("patched\n", "new")
    long_ago = "Sat, 01 Jan 2000 00:00:00 +0000"
    assert got(farm.build(CVS(**step, mode="full", method="copy"), revision=long_ago)) == (SUCCESS, long_ago)
    assert files(farm) == []
    assert farm.build(CVS(**step, mode="full", method="copy"))["results"] == SUCCESS
    assert (files(farm), (farm.tree / "a").read_text()) == (["a"], "1\n")


@pytest.mark.needs("darcs")
def test_darcs(farm, tmp_path, monkeypatch):
    monkeypatch.setenv("DARCS_EMAIL", "Ann <ann@example.org>")
    upstream = tmp_path / "upstream"

    def darcs(*args):
        done = subprocess.run(["darcs", *args], cwd=upstream if upstream.exists() else tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def record(name, content):
        (upstream / "a").write_text(content)
        darcs("record", "--all", "--look-for-adds", "--ignore-times", "-m", name)
        return darcs("log", "--max-count=1").split()[1]

    darcs("init", "upstream")
    one = record("one", "1\n")
    step = {"repourl": str(upstream)}
    assert got(farm.build(Darcs(**step))) == (SUCCESS, one)
    two = record("two", "22\n")
    litter(farm)
    assert got(farm.build(Darcs(**step))) == (SUCCESS, two)
    assert (files(farm), (farm.tree / "a").read_text()) == (["a", "junk", "x.o"], "22\n")
    assert got(farm.build(Darcs(**step, mode="full"), revision=one)) == (SUCCESS, one)
    assert (files(farm), (farm.tree / "a").read_text()) == (["a"], "1\n")
