"""HgPoller on a real repository, in a real master."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.changes.hgpoller import HgError, HgPoller
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.worker.base import Worker
from tests.support.hg_repo import HgRepo
from tests.support.live_master import LiveMaster

pytestmark = pytest.mark.needs("hg")


def config(**kwargs):
    return {
        "change_source": [HgPoller(pollInterval=0, name="h", workdir="hg", **kwargs)],
        "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
        "workers": [Worker("w", "secret")],
        "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory())],
        "schedulers": [Triggerable(name="t", builderNames=["b"])],
    }


def poll(live):
    """Look once; the new changes."""
    before = len(live.get("changes"))
    (source,) = live.master.change_svc
    live.call(source.poll)
    return live.get("changes", order=("changeid",))[before:]


def test_commits_of_branches_and_bookmarks_are_reported_once(tmp_path):
    repo = HgRepo(tmp_path / "repo")
    repo.commit("one")
    watched = {
        "repourl": str(repo.path),
        "branches": ["default", "stable"],
        "bookmarks": ["feature"],
        "project": "p",
        "category": lambda revision: revision[:2],
        "revlink": lambda branch, revision: f"http://hg/{branch}/{revision}",
    }
    with LiveMaster(tmp_path / "master", config(**watched)) as live:
        assert poll(live) == []
        two = repo.commit("tw\u00f6\n\nlines", {"a b": "2", "d/\u00e9": "2"})
        repo.hg("branch", "-q", "stable")
        three = repo.commit("three")
        repo.hg("update", "-q", two)
        repo.hg("branch", "-q", "side")
        repo.hg("bookmark", "feature")
        side = repo.commit("side")
        change, *others = poll(live)
        assert [(c["branch"], c["revision"]) for c in others] == [("stable", three), ("feature", side)]
        found = {key: change[key] for key in ("author", "revision", "comments", "files", "branch", "when_timestamp")}
        assert found == {
            "author": "Ann <ann@example.org>",
            "revision": two,
            "comments": "tw\u00f6\n\nlines",
            "files": ["a b", "d/\u00e9"],
            "branch": "default",
            "when_timestamp": 1_500_000_002,
        }
        assert (change["category"], change["project"]) == (two[:2], "p")
        assert change["revlink"] == f"http://hg/default/{two}"
        # what was seen is remembered by the database
        (source,) = live.master.change_svc
        source._heads = None
        assert poll(live) == []
        source.repourl = str(tmp_path / "gone")
        with pytest.raises(HgError, match=r"^hg pull of .*gone failed with exit code 255: abort: .* not found"):
            live.call(source.poll)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"branches": ["a"], "branch": "a"}, "HgPoller: can't specify both branch and branches"),
        ({"branches": "a"}, "HgPoller: branches must be a list"),
        ({"bookmarks": "a"}, "HgPoller: bookmarks must be a list"),
        ({"encoding": "x-none"}, "HgPoller: encoding 'x-none' is not known"),
        ({"revlink": "http"}, "HgPoller: revlink must be a function of (branch, revision)"),
        ({"workdir": None}, "HgPoller: workdir is mandatory; it is a directory of the poller's own, for its clone"),
        ({"repourl": "--config=x"}, "HgPoller: repourl must be the address of a repository, not '--config=x'"),
    ],
)
def test_mistakes_are_told(kwargs, message):
    with pytest.raises(ConfigErrors) as caught:
        HgPoller(**{"repourl": "r", "workdir": "w", **kwargs})
    assert caught.value.errors == [message]


def test_a_poller_is_named_after_what_it_watches():
    assert HgPoller("r", workdir="w").name == "r"
    assert HgPoller("r", workdir="w", branches=["a", "b"], bookmarks=["c"]).name == "r_a_b_c"
