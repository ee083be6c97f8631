"""SVNPoller on a real repository, in a real master."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.changes import svnpoller
from buildmaster.changes.svnpoller import SVNError, SVNPoller
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.worker.base import Worker
from tests.support.live_master import LiveMaster
from tests.support.svn_repo import SvnRepo


@pytest.fixture
def repo(tmp_path, tool):
    tool("svn"), tool("svnadmin")
    made = SvnRepo(tmp_path / "svn")
    made.commit("layout", {"p/trunk/a": "1", "p/branches/x/b": "1", "q/trunk/z": "1"})
    return made


@pytest.fixture
def watch(tmp_path, repo):
    started = []

    def make(below="", **kwargs):
        def config():
            return {
                "change_source": [SVNPoller(repo.url + below, pollInterval=0, name="s", **kwargs)],
                "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
                "workers": [Worker("w", "secret")],
                "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory())],
                "schedulers": [Triggerable(name="t", builderNames=["b"])],
            }

        live = LiveMaster(tmp_path / "master", config)
        live.__enter__()
        started.append(live)
        return live

    yield make
    for live in started:
        if live.master.running:
            live.__exit__()


def poll(live):
    """Look once; the new changes as (branch, project, files, comments)."""
    before = len(live.get("changes"))
    (source,) = live.master.change_svc
    live.call(source.poll)
    changes = live.get("changes", order=("changeid",))[before:]
    return [(c["branch"], c["project"], c["files"], c["comments"]) for c in changes]


def test_the_first_look_reports_nothing_and_later_ones_what_is_new(watch, repo):
    live = watch("/p/trunk")
    assert poll(live) == []
    repo.commit("two", {"p/trunk/a": "2", "p/trunk/d/new": "n", "q/trunk/z": "2"})
    repo.commit("elsewhere", {"q/trunk/z": "3"})
    assert poll(live) == [(None, "", ["a", "d/", "d/new"], "two")]
    assert poll(live) == []
    (change,) = live.get("changes")
    assert (change["author"], change["revision"], change["repository"]) == ("ann", "2", repo.url + "/p/trunk")


def test_branches_are_told_apart(watch, repo):
    live = watch("/p", split_file=svnpoller.split_file_branches, project="proj")
    poll(live)
    repo.commit("both", {"p/trunk/a": "2", "p/branches/x/b": "2", "p/README": "-"})
    assert sorted(poll(live), key=str) == [("branches/x", "proj", ["b"], "both"), (None, "proj", ["a"], "both")]


def test_projects_are_told_apart(watch, repo):
    live = watch(split_file=svnpoller.split_file_projects_branches)
    poll(live)
    repo.commit("both", {"p/branches/x/b": "3", "q/trunk/z": "3"})
    assert sorted(poll(live), key=str) == [("branches/x", "p", ["b"], "both"), (None, "q", ["z"], "both")]


def test_the_deletion_of_a_branch_is_no_change(watch, repo):
    live = watch("/p", split_file=svnpoller.split_file_branches)
    poll(live)
    repo.commit("away", {"p/branches/x": None})
    assert poll(live) == []


def test_state_outlives_the_master(watch, repo):
    live = watch("/p/trunk", cachepath="cache")
    poll(live)
    live.__exit__()
    repo.commit("two", {"p/trunk/a": "2"})
    again = watch("/p/trunk", cachepath="cache")
    assert poll(again) == [(None, "", ["a"], "two")]


def test_a_failure_is_told_with_svns_words(watch, repo):
    with pytest.raises(SVNError, match=r"svn info of .*/nowhere failed with exit code 1: .*"):
        poll(watch("/nowhere"))


@pytest.mark.parametrize(
    ("path", "branches", "projects"),
    [
        ("trunk/a/b.c", (None, "a/b.c"), None),
        ("branches/1.5/b.c", ("branches/1.5", "b.c"), None),
        ("branches/1.5/", ("branches/1.5", ""), None),
        ("branches/file", None, None),
        ("p/trunk/a", None, {"project": "p", "path": "a"}),
        ("p/branches/x/a", None, {"project": "p", "branch": "branches/x", "path": "a"}),
        ("README", None, None),
    ],
)
def test_paths_are_split(path, branches, projects):
    assert svnpoller.split_file_branches(path) == branches
    assert svnpoller.split_file_projects_branches(path) == projects
    assert svnpoller.split_file_alwaystrunk(path) == {"path": path}


def test_a_path_is_no_url():
    with pytest.raises(ConfigErrors, match="repourl must be a URL"):
        SVNPoller("/srv/svn")
