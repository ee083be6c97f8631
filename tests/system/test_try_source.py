"""What ``try`` finds in working copies: real ones, and for Perforce a program that answers as p4 does."""

from __future__ import annotations

import os
import subprocess

import pytest

from buildmaster.cli.main import Failed
from buildmaster.cli.try_source import working_copy
from tests.support.git_repo import GitRepo
from tests.support.hg_repo import HgRepo


def look(kind, place, branch=None, base=None, **where):
    return working_copy(kind, place, branch, base, **where).changes()


@pytest.fixture
def clone(tmp_path):
    upstream = GitRepo(tmp_path / "upstream")
    upstream.commit("one", {"d/a": "1\n", "pic": "x"})
    upstream.git("clone", "-q", str(upstream.path), str(tmp_path / "clone"))
    made = GitRepo.__new__(GitRepo)
    made.path, made.now = tmp_path / "clone", upstream.now
    made.base = upstream.head()
    return made


@pytest.mark.needs("git")
def test_git_tells_all_that_its_upstream_has_not(clone):
    clone.git("checkout", "-q", "-b", "topic", "--track", "origin/main")
    clone.commit("local", {"d/a": "2\n"})
    (clone.path / "pic").write_bytes(b"\xff\x00")
    found = look("git", clone.path / "d")
    assert (found.branch, found.base_revision, found.patch_level) == ("main", clone.base, 1)
    assert found.repository == os.path.realpath(clone.path)
    assert b"\n-1\n+2\n" in found.patch_body
    assert b"GIT binary patch" in found.patch_body
    clone.git("branch", "--unset-upstream")
    assert look("git", clone.path).base_revision == clone.head()
    assert look("git", clone.path).branch == "topic"
    assert look("git", clone.path, branch="main").base_revision == clone.base
    assert look("git", clone.path, base=clone.head()).patch_body.count(b"diff --git") == 1


@pytest.mark.needs("hg")
def test_hg_tells_all_that_is_not_public(tmp_path):
    repo = HgRepo(tmp_path / "hg")
    one = repo.commit("one", {"a": "1\n"})
    repo.hg("phase", "--public", ".")
    repo.commit("two", {"a": "2\n"})
    found = look("hg", repo.path)
    assert (found.branch, found.base_revision, found.patch_level) == (None, one, 1)
    assert b"\n-1\n+2\n" in found.patch_body


@pytest.mark.needs("cvs")
def test_cvs_tells_the_time(tmp_path):
    (tmp_path / "import").mkdir()
    (tmp_path / "import/a").write_text("1\n")
    root = str(tmp_path / "root")
    for args, cwd in (
        (["init"], tmp_path),
        (["import", "-m", "one", "module", "vendor", "start"], tmp_path / "import"),
        (["checkout", "module"], tmp_path),
    ):
        subprocess.run(["cvs", "-Q", "-d", root, *args], cwd=cwd, check=True)
    copy = tmp_path / "module"
    (copy / "a").write_text("2\n")
    (copy / "below").mkdir()
    found = look("cvs", copy / "below", topfile="a")
    assert (found.patch_level, found.repository) == (0, str(copy))
    assert found.base_revision.endswith(" +0000")
    assert b"\n--- a\t" in found.patch_body
    with pytest.raises(Failed, match="There is no nowhere in"):
        look("cvs", copy, topfile="nowhere")


@pytest.mark.needs("darcs")
def test_darcs_tells_its_context(tmp_path, monkeypatch):
    monkeypatch.setenv("DARCS_EMAIL", "Ann <ann@example.org>")
    copy = tmp_path / "copy"
    subprocess.run(["darcs", "init", "copy"], cwd=tmp_path, check=True, capture_output=True)
    (copy / "a").write_text("1\n")
    (copy / "below").mkdir()
    record = ["darcs", "record", "--all", "--look-for-adds", "-m", "one"]
    subprocess.run(record, cwd=copy, check=True, capture_output=True)
    (copy / "a").write_text("22\n")
    found = look("darcs", copy / "below")
    assert found.base_revision.startswith("Context:\n")
    assert b"\n-1\n+22\n" in found.patch_body


P4 = """\
#!/bin/sh
case "$*" in
*changes*) echo "Change 12 on 2020/01/01 by u@c 'x'";;
*) printf '==== //depot/main/d/a#3 - /home/u/d/a ====\\n--- /home/u/d/a\\n+++ /home/u/d/a\\n@@ -1 +1 @@\\n-1\\n+2\\n';;
esac
"""


def test_p4_names_files_below_the_branch(tmp_path, monkeypatch):
    (tmp_path / "p4").write_text(P4)
    (tmp_path / "p4").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = look("p4", tmp_path, branch="//depot/main")
    assert (found.base_revision, found.patch_level) == ("12", 0)
    assert found.patch_body == b"--- d/a\t3\n+++ d/a\n@@ -1 +1 @@\n-1\n+2\n"
    with pytest.raises(Failed, match="say which branch it is"):
        look("p4", tmp_path)


def test_a_program_that_fails_says_why(tmp_path):
    with pytest.raises(Failed, match="not a git repository"):
        look("git", tmp_path)
    with pytest.raises(Failed, match="'arch' is no kind of working copy; --vc is one of bzr, cvs"):
        look("arch", tmp_path)
