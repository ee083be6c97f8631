"""GitPoller on a real repository, in a real master."""

from __future__ import annotations

import shutil
import time

import pytest

from buildmaster.base.aio import sleep
from buildmaster.base.errors import ConfigErrors
from buildmaster.changes.gitpoller import GitPoller
from buildmaster.config.builder import BuilderConfig
from buildmaster.net.git_mirror import GitError
from buildmaster.process.codebase import Codebase
from buildmaster.process.factory import BuildFactory
from buildmaster.process.project import Project
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.worker.base import Worker
from tests.support.git_repo import GitRepo
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import reactor, run

pytestmark = pytest.mark.needs("git")


class Watched:
    """A repository, and a master whose only source polls it when the test says so."""

    def __init__(self, tmp_path, kind=GitPoller, **kwargs):
        self.kind = kind
        self.repo = GitRepo(tmp_path / "repo")
        self.basedir = tmp_path / "master"
        self.kwargs = {"pollInterval": 0, "name": "poller", **kwargs}
        self.live = None

    def config(self):
        poller = self.kind(str(self.repo.path), **self.kwargs)
        return {
            "change_source": [poller],
            "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
            "projects": [Project("p")],
            "codebases": [Codebase("cb", "p")],
            "workers": [Worker("w", "secret")],
            "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory())],
            "schedulers": [Triggerable(name="t", builderNames=["b"])],
        }

    def start(self):
        self.live = LiveMaster(self.basedir, self.config)
        self.live.__enter__()
        return self

    def stop(self):
        live, self.live = self.live, None
        if live is not None:
            live.__exit__()

    @property
    def poller(self):
        (source,) = self.live.master.change_svc
        return source

    def poll(self):
        """Look once; the new changes as (branch, first line), oldest first."""
        before = len(self.changes())
        self.live.call(self.poller.poll)
        return [(c["branch"], c["comments"].split("\n")[0]) for c in self.changes()[before:]]

    def changes(self):
        return list(self.live.get("changes", order=("changeid",)))


@pytest.fixture
def watch(tmp_path):
    watched = []

    def make(**kwargs):
        watched.append(Watched(tmp_path, **kwargs))
        return watched[-1]

    yield make
    for one in watched:
        one.stop()


def test_the_first_look_reports_nothing_and_later_ones_what_is_new(watch):
    w = watch().start()
    w.repo.commit("one")
    assert w.poll() == []
    w.repo.commit("two")
    w.repo.commit("three")
    assert w.poll() == [("main", "two"), ("main", "three")]
    assert w.poll() == []


def test_a_change_tells_all_of_its_commit(watch):
    w = watch(project="proj", category="cat").start()
    w.repo.commit("one", {"a": "1"})
    w.poll()
    revision = w.repo.commit("subject é\n\nbody\n", {"dir/b": "2", "a": None})
    w.poll()
    (change,) = w.changes()
    assert {name: change[name] for name in change if name not in ("changeid", "sourcestamp", "parent_changeids")} == {
        "author": "Ann Author <ann@example.org>",
        "committer": "Cy Committer <cy@example.org>",
        "files": ["a", "dir/b"],
        "comments": "subject é\n\nbody",
        "revision": revision,
        "when_timestamp": w.repo.now,
        "branch": "main",
        "category": "cat",
        "revlink": "",
        "properties": {},
        "repository": str(w.repo.path),
        "project": "proj",
        "codebase": "",
    }


def test_state_outlives_the_master(watch):
    w = watch().start()
    w.repo.commit("one")
    w.poll()
    w.stop()
    w.repo.commit("two")
    w.start()
    assert w.poll() == [("main", "two")]
    w.stop()
    w.start()
    assert w.poll() == []


def test_all_branches_are_followed_new_ones_included(watch):
    w = watch(branches=True).start()
    w.repo.commit("one")
    w.poll()
    w.repo.branch("topic/a")
    assert w.poll() == []
    w.repo.commit("two")
    w.repo.checkout("main")
    w.repo.commit("three")
    assert w.poll() == [("main", "three"), ("topic/a", "two")]


def test_a_push_without_new_commits_counts_if_that_is_wanted(watch):
    w = watch(branches=True, buildPushesWithNoCommits=True).start()
    w.repo.commit("one")
    assert w.poll() == []
    w.repo.git("branch", "release")
    assert w.poll() == [("release", "one")]
    w.repo.branch("topic")
    w.repo.commit("two")
    assert w.poll() == [("topic", "two")]
    w.repo.checkout("main")
    w.repo.git("merge", "-q", "--ff-only", "topic")
    assert w.poll() == [("main", "two")]
    assert w.poll() == []


def test_a_merge_reports_itself_and_what_was_not_known(watch):
    w = watch().start()
    w.repo.commit("one")
    w.poll()
    w.repo.branch("topic")
    w.repo.commit("two", {"t": "2"})
    w.repo.checkout("main")
    w.repo.commit("three")
    w.repo.merge("topic")
    reported = w.poll()
    assert sorted(reported[:2]) == [("main", "three"), ("main", "two")]
    assert reported[2:] == [("main", "Merge branch 'topic'")]
    assert w.changes()[-1]["files"] == ["t"]


def test_a_forced_push_reports_the_new_commits(watch):
    w = watch().start()
    w.repo.commit("one")
    w.repo.commit("two")
    w.poll()
    w.repo.git("reset", "-q", "--hard", "HEAD^")
    w.repo.commit("other")
    assert w.poll() == [("main", "other")]


def test_a_deleted_branch_is_forgotten(watch):
    w = watch(branches=True).start()
    w.repo.commit("one")
    w.repo.git("branch", "topic")
    w.poll()
    assert sorted(w.poller.lastRev) == ["main", "topic"]
    w.repo.git("branch", "-D", "topic")
    assert w.poll() == []
    assert sorted(w.poller.lastRev) == ["main"]


def test_only_listed_branches_are_followed_and_missing_ones_do_not_matter(watch):
    w = watch(branches=["main", "later", "refs/pull/1/head"]).start()
    w.repo.commit("one")
    w.poll()
    w.repo.branch("other")
    w.repo.commit("not wanted")
    w.repo.checkout("main")
    w.repo.branch("later")
    pull = w.repo.commit("later")
    assert w.poll() == [("later", "later")]
    w.repo.commit("pulled")
    w.repo.git("update-ref", "refs/pull/1/head", "HEAD")
    w.repo.git("reset", "-q", "--hard", pull)
    assert w.poll() == [("refs/pull/1/head", "pulled")]


def test_a_function_chooses_references(watch):
    asked = []
    w = watch(branches=lambda ref: asked.append(ref) or ref.startswith("refs/heads/release/")).start()
    w.repo.commit("one")
    w.repo.git("tag", "v1")
    w.poll()
    w.repo.branch("release/1")
    w.repo.commit("two")
    assert w.poll() == [("release/1", "one"), ("release/1", "two")]
    assert set(asked) == {"refs/heads/main", "refs/heads/release/1", "refs/tags/v1"}


def test_tags_alone(watch):
    w = watch(only_tags=True).start()
    w.repo.commit("one")
    w.repo.git("tag", "v1")
    w.poll()
    w.repo.commit("two")
    assert w.poll() == []
    w.repo.git("tag", "-a", "-m", "release", "v2")
    assert w.poll() == [("refs/tags/v2", "two")]


def test_a_category_may_be_a_function_of_the_revision(watch):
    w = watch(category=lambda revision: f"c-{revision[:4]}").start()
    w.repo.commit("one")
    w.poll()
    revision = w.repo.commit("two")
    w.poll()
    assert w.changes()[0]["category"] == f"c-{revision[:4]}"


def test_the_present_may_stand_for_the_commits_time(watch):
    w = watch(usetimestamps=False).start()
    w.repo.commit("one")
    w.poll()
    w.repo.commit("two")
    w.poll()
    assert w.changes()[0]["when_timestamp"] > w.repo.now + 1000


def test_a_failure_changes_nothing_and_the_next_look_catches_up(watch):
    w = watch().start()
    w.repo.commit("one")
    w.poll()
    w.repo.commit("two")
    hidden = w.repo.path.with_name("hidden")
    w.repo.path.rename(hidden)
    with pytest.raises(GitError, match=r"git ls-remote of .* failed"):
        w.live.call(w.poller.poll)
    hidden.rename(w.repo.path)
    assert w.poll() == [("main", "two")]


def test_a_lost_work_directory_is_made_again(watch):
    w = watch().start()
    w.repo.commit("one")
    w.poll()
    shutil.rmtree(w.basedir / "gitpoller-work")
    w.repo.commit("two")
    assert w.poll() == [("main", "two")]


def test_another_repository_begins_anew(watch, tmp_path):
    w = watch().start()
    w.repo.commit("one")
    w.poll()
    other = GitRepo(tmp_path / "other")
    other.commit("elsewhere")
    w.repo = other
    w.live.call(w.live.master.reconfig)
    assert w.poll() == []
    other.commit("news")
    assert w.poll() == [("main", "news")]


def test_a_repository_with_a_detached_head_has_a_likely_default_branch(watch):
    w = watch().start()
    w.repo.commit("one")
    w.repo.git("checkout", "-q", "--detach")
    w.poll()
    w.repo.checkout("main")
    w.repo.commit("two")
    w.repo.git("checkout", "-q", "--detach", "HEAD^")
    assert w.poll() == [("main", "two")]


def test_stopping_the_master_ends_a_look_under_way(watch, tmp_path):
    slow = tmp_path / "slow-git"
    started = tmp_path / "started"
    slow.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 1000\n")
    slow.chmod(0o755)
    w = watch(gitbin=str(slow), pollAtLaunch=True).start()
    deadline = time.monotonic() + 20
    while not started.exists() and time.monotonic() < deadline:
        run(sleep(reactor, 0.02))
    assert started.exists()
    before = time.monotonic()
    w.stop()
    assert time.monotonic() - before < 10


def test_a_configured_codebase_keeps_commits_and_branches(watch):
    w = watch(codebase=Codebase("cb", "p")).start()
    one = w.repo.commit("one")
    w.poll()
    two = w.repo.commit("two")
    w.poll()
    (change,) = w.changes()
    assert (change["codebase"], change["project"]) == ("cb", "p")
    (codebase,) = w.live.get("codebases")
    commits = w.live.get("codebases", codebase["codebaseid"], "commits", order=("commitid",))
    assert [(c["revision"], c["comments"], c["parent_commitid"]) for c in commits] == [
        (one, "one", None),
        (two, "two", commits[0]["commitid"]),
    ]
    (branch,) = w.live.get("codebases", codebase["codebaseid"], "branches")
    assert (branch["name"], branch["commitid"]) == ("main", commits[1]["commitid"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"branch": "a", "branches": ["b"]}, "GitPoller: can't specify both branch and branches"),
        ({"only_tags": True, "branch": "a"}, "GitPoller: can't specify only_tags and branch/branches"),
        ({"branches": "main"}, "GitPoller: branches must be a list; for a single one use branch="),
        ({"fetch_refspec": "x"}, "GitPoller: fetch_refspec is no longer supported. Instead, only the given branches"),
        ({"encoding": "klingon"}, "GitPoller: encoding 'klingon' is not known"),
        ({"sshHostKey": "k"}, "GitPoller: sshPrivateKey must be provided in order use sshHostKey"),
    ],
)
def test_mistakes_are_told(kwargs, message):
    with pytest.raises(ConfigErrors) as caught:
        GitPoller("repo", **kwargs)
    assert [error[: len(message)] for error in caught.value.errors] == [message]


class PerDirectory(GitPoller):
    """Reports each commit with the directories that it touches as its project."""

    async def _process_changes(self, newRev, branch):
        assert self.lastRev is not None
        known = [f"^{revision}" for revision in self.lastRev.values()]
        found = await self._dovccmd("log", ["--format=%H", newRev, *known, "--"], path=self.workdir)
        for revision in reversed(found.split()):
            files = await self._get_commit_files(revision)
            comments = await self._get_commit_comments(revision)
            if "fail" in comments:
                raise ValueError("not today")
            await self.master.data.updates.addChange(
                author=await self._get_commit_author(revision),
                committer=await self._get_commit_committer(revision),
                when_timestamp=await self._get_commit_timestamp(revision),
                revision=revision,
                files=files,
                comments=comments,
                branch=self._removeHeads(branch),
                project=",".join(sorted({file.partition("/")[0] for file in files})),
                repository=self.repourl,
                src="git",
            )


@pytest.mark.parametrize("branches", [["main"], lambda ref: ref == "refs/heads/main"])
def test_a_subclass_makes_the_changes_of_commits_itself(watch, branches):
    w = watch(kind=PerDirectory, branches=branches).start()
    w.repo.commit("one")
    assert w.poll() == []
    w.repo.commit("two", {"a/f": "1", "b/f": "1"})
    w.repo.commit("three", {"c/f": "1"})
    assert w.poll() == [("main", "two"), ("main", "three")]
    assert [change["project"] for change in w.changes()] == ["a,b", "c"]
    assert all(change["when_timestamp"] and "@" in change["author"] for change in w.changes())
    assert w.poll() == []


def test_a_look_in_which_the_subclass_fails_is_taken_again(watch):
    w = watch(kind=PerDirectory).start()
    w.repo.commit("one")
    w.poll()
    before = dict(w.poller.lastRev)
    w.repo.commit("fail")
    for _ in range(2):
        with pytest.raises(ValueError, match="not today"):
            w.poll()
    assert (w.poller.lastRev, w.changes()) == (before, [])
