"""The steps Git, GitCommit, GitTag and GitPush: real repositories, a real worker."""

from __future__ import annotations

import os
import shutil

import pytest

from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.steps.source.git import Git, GitCommit, GitPush, GitTag
from buildmaster.steps.source.github import GitHub
from tests.support.farm import Farm
from tests.support.git_repo import GitRepo

pytestmark = pytest.mark.needs("git", "buildbot-worker")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    farm = Farm(tmp_path_factory.mktemp("farm"))
    with farm.live:
        yield farm


@pytest.fixture
def farm(running, request):
    running.directory = request.node.name.replace("[", "-").replace("]", "")
    return running


@pytest.fixture
def repo(tmp_path):
    made = GitRepo(tmp_path / "upstream")
    made.commit("one", {"a": "1\n", ".gitignore": "*.o\n"})
    return made


def got(build):
    return build["results"], build["properties"].get("got_revision")


def files(farm):
    return sorted(name for name in os.listdir(farm.tree) if name != ".git")


def litter(farm):
    """What a build leaves: an ignored file, an unknown one, a changed one."""
    (farm.tree / "x.o").write_text("")
    (farm.tree / "junk").mkdir()
    (farm.tree / "junk/file").write_text("")
    (farm.tree / "a").write_text("changed")


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ({"mode": "incremental"}, [".gitignore", "a", "junk", "two", "x.o"]),
        ({"mode": "full"}, [".gitignore", "a", "two"]),
        ({"mode": "full", "method": "fresh"}, [".gitignore", "a", "two"]),
        ({"mode": "full", "method": "clean"}, [".gitignore", "a", "two", "x.o"]),
        ({"mode": "full", "method": "clobber"}, [".gitignore", "a", "two"]),
        ({"mode": "full", "method": "copy"}, [".gitignore", "a", "two"]),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_earlier_builds_left_is_treated_as_the_mode_says(farm, repo, mode, left):
    step = {"repourl": str(repo.path), **mode}
    assert got(farm.build(Git(**step))) == (SUCCESS, repo.head())
    litter(farm)
    two = repo.commit("two")
    assert got(farm.build(Git(**step))) == (SUCCESS, two)
    assert (files(farm), (farm.tree / "a").read_text()) == (left, "1\n")


def test_branches_and_revisions_are_checked_out_and_back(farm, repo):
    one = repo.head()
    repo.branch("topic/x")
    topic = repo.commit("topic")
    repo.checkout("main")
    two = repo.commit("two")
    step = {"repourl": str(repo.path)}
    seen = [
        got(farm.build(Git(**step), branch=branch, revision=revision))[1]
        for branch, revision in [("topic/x", None), ("main", one), (None, None), ("main", topic), ("main", None)]
    ]
    assert seen == [topic, one, two, topic, two]
    assert (farm.tree / ".git/HEAD").read_text() == "ref: refs/heads/main\n"


def test_the_newest_revision_is_used_if_that_is_wanted(farm, repo):
    one = repo.head()
    two = repo.commit("two")
    build = farm.build(Git(repourl=str(repo.path), alwaysUseLatest=True), branch="gone", revision=one)
    assert got(build) == (SUCCESS, two)


def test_other_references_and_tags_are_fetched(farm, repo):
    repo.git("tag", "-a", "-m", "release", "v1")
    one = repo.head()
    two = repo.commit("two")
    repo.git("update-ref", "refs/pull/1/head", two)
    repo.git("reset", "-q", "--hard", one)
    step = {"repourl": str(repo.path)}
    for mode in ({}, {"mode": "full", "method": "clobber"}):
        assert got(farm.build(Git(**step, **mode), branch="refs/pull/1/head")) == (SUCCESS, two)
        assert got(farm.build(Git(**step, **mode), branch="v1")) == (SUCCESS, one)


def test_the_merge_of_a_pull_request_is_built_at_its_newest(farm, repo):
    pull = repo.commit("pull")
    merge = repo.commit("merge")
    repo.git("update-ref", "refs/pull/7/merge", merge)
    build = farm.build(GitHub(repourl=str(repo.path)), branch="refs/pull/7/merge", revision=pull)
    assert got(build) == (SUCCESS, merge)
    assert got(farm.build(GitHub(repourl=str(repo.path)), branch="main", revision=pull)) == (SUCCESS, pull)


def test_a_shallow_clone_has_no_history_and_still_finds_a_revision(farm, repo):
    one = repo.head()
    two = repo.commit("two")
    step = {"repourl": f"file://{repo.path}", "mode": "full", "method": "clobber", "shallow": True}
    assert got(farm.build(Git(**step))) == (SUCCESS, two)
    assert (farm.tree / ".git/shallow").read_text().split() == [two]
    assert got(farm.build(Git(**step), revision=one)) == (SUCCESS, one)


def test_submodules_are_fetched_updated_and_cleaned(farm, repo, tmp_path):
    part = GitRepo(tmp_path / "part")
    part.commit("p1")
    allow = "protocol.file.allow"
    repo.git("-c", f"{allow}=always", "submodule", "add", "-q", str(part.path), "part")
    repo.commit("with part", {})
    step = {"repourl": str(repo.path), "submodules": True, "config": {allow: "always"}}
    assert got(farm.build(Git(**step))) == (SUCCESS, repo.head())
    assert (farm.tree / "part/p1").exists()
    (farm.tree / "part/junk").write_text("")
    farm.build(Git(**step, mode="full"))
    assert not (farm.tree / "part/junk").exists()
    part.commit("p2")
    farm.build(Git(**step))
    assert not (farm.tree / "part/p2").exists()
    farm.build(Git(**step, remoteSubmodules=True))
    assert (farm.tree / "part/p2").exists()


DIFF = b"""\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1 +1 @@
-1
+patched
diff --git a/new b/new
new file mode 100644
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
"""


def test_a_patch_is_applied_and_gone_in_the_next_build(farm, repo):
    step = {"repourl": str(repo.path)}
    assert got(farm.build(Git(**step), patch=DIFF)) == (SUCCESS, repo.head())
    assert ((farm.tree / "a").read_text(), (farm.tree / "new").read_text()) == ("patched\n", "new\n")
    farm.build(Git(**step))
    assert ((farm.tree / "a").read_text(), files(farm)) == ("1\n", [".gitignore", "a"])


def test_a_patch_that_does_not_fit_fails(farm, repo):
    repo.commit("other", {"a": "other\n"})
    build = farm.build(Git(repourl=str(repo.path)), patch=DIFF)
    assert build["results"] == FAILURE
    assert "eerror: patch failed: a:1\n" in farm.log(build)


def test_the_description_is_kept(farm, repo):
    repo.git("tag", "v1")
    repo.commit("two")
    step = Git(repourl=str(repo.path), getDescription={"tags": True, "abbrev": 0}, tags=True)
    assert farm.build(step)["properties"]["commit-description"] == "v1"


def test_a_missing_branch_fails_with_gits_words(farm, repo):
    farm.build(Git(repourl=str(repo.path)))
    build = farm.build(Git(repourl=str(repo.path)), branch="gone")
    assert got(build) == (FAILURE, None)
    assert "efatal: couldn't find remote ref gone\n" in farm.log(build)


def test_a_broken_repository_is_replaced_if_that_is_wanted(farm, repo):
    step = {"repourl": str(repo.path)}
    farm.build(Git(**step))
    shutil.rmtree(farm.tree / ".git/objects")
    assert farm.build(Git(**step))["results"] == FAILURE
    assert got(farm.build(Git(**step, clobberOnFailure=True))) == (SUCCESS, repo.head())


def test_locks_that_a_killed_git_has_left_do_not_matter(farm, repo):
    step = {"repourl": str(repo.path)}
    farm.build(Git(**step))
    two = repo.commit("two")
    (farm.tree / ".git/index.lock").write_text("")
    assert got(farm.build(Git(**step))) == (SUCCESS, two)
    assert not (farm.tree / ".git/index.lock").exists()


def test_a_failed_clone_is_tried_again(farm, repo, tmp_path):
    build = farm.build(Git(repourl=str(tmp_path / "nowhere"), retry=(0, 2)))
    assert build["results"] == FAILURE
    assert farm.log(build).count("hgit clone --progress") == 3


def test_a_commit_is_made_tagged_and_pushed(farm, tmp_path):
    bare = tmp_path / "bare"
    seed = GitRepo(tmp_path / "seed")
    one = seed.commit("one", {"version": "1\n"})
    seed.git("clone", "-q", "--bare", str(seed.path), str(bare))
    fetch = {"repourl": str(bare), "branch": "main", "mode": "full", "method": "clobber"}
    farm.build(Git(**fetch), patch=DIFF.replace(b"a/a", b"a/version").replace(b"b/a", b"b/version"))
    build = farm.build(
        Git(repourl=str(bare), branch="main"),
        GitCommit(paths=["."], messages=["nothing"], emptyCommits="ignore"),
        GitCommit(paths=["."], messages=["subject", "body"], emptyCommits="create-empty-commit"),
        GitTag(tagName="v2", annotated=True, messages=["release"]),
        GitPush(repourl=str(bare), branch="main"),
        GitPush(repourl=str(bare), branch="v2"),
    )
    assert build["results"] == SUCCESS
    seed.git("fetch", "-q", "--tags", str(bare), "main")
    assert seed.git("log", "--format=%s|%b|%P", "-1", "FETCH_HEAD") == f"subject|body\n|{one}"
    assert seed.git("rev-parse", "v2^{commit}") == seed.git("rev-parse", "FETCH_HEAD")


def test_nothing_to_commit_is_a_failure_by_default(farm, repo):
    build = farm.build(Git(repourl=str(repo.path)), GitCommit(paths=["."], messages=["m"]))
    assert build["results"] == FAILURE


def test_secrets_are_gone_after_the_step(farm, repo):
    step = Git(repourl="git@127.0.0.1:x.git", port=1, sshPrivateKey="KEY", sshHostKey="ssh-rsa AAAA")
    build = farm.build(step)
    assert build["results"] == FAILURE
    assert "KEY" not in farm.log(build)
    assert sorted(os.listdir(farm.tree.parent)) == ["build"]


def test_what_git_would_take_for_an_option_is_refused(farm, repo):
    build = farm.build(Git(repourl=str(repo.path)), branch="--upload-pack=touch x")
    assert "begins with '-'" in farm.log(build, "err.text")
