"""A mirror of a real git repository."""

from __future__ import annotations

import os
import stat

import pytest

from buildmaster.net.git_mirror import Auth, GitError, Mirror
from tests.support.git_repo import GitRepo
from tests.support.real_reactor import reactor, run

pytestmark = pytest.mark.needs("git")


@pytest.fixture
def repo(tmp_path):
    return GitRepo(tmp_path / "repo")


@pytest.fixture
def mirror(tmp_path, repo):
    made = Mirror(reactor, str(repo.path), str(tmp_path / "work" / "mirror"))
    run(made.prepare())
    return made


def news(mirror, moved, known=(), first=None):
    return [(item.ref, list(item.commits)) for item in run(mirror.news(moved, known, first))]


def test_commits_are_told_with_the_files_they_change_against_their_first_parent(repo, mirror):
    repo.commit("one", {"a": "1"})
    repo.branch("topic")
    two = repo.commit("two", {"b é": "2", "a": "2"})
    repo.checkout("main")
    repo.commit("three", {"c": "3"})
    merge = repo.merge("topic")
    run(mirror.news({"refs/heads/main": (None, merge)}, ()))
    found = run(mirror.commits([two, merge]))
    assert [(commit.comments, list(commit.files)) for commit in found] == [
        ("two", ["a", "b é"]),
        ("Merge branch 'topic'", ["a", "b é"]),
    ]


def test_a_commit_of_two_branches_is_told_once_by_the_first_of_them(repo, mirror):
    base = repo.commit("base")
    shared = repo.commit("shared")
    repo.branch("b")
    own = repo.commit("own")
    moved = {"refs/heads/b": (None, own), "refs/heads/main": (base, shared)}
    assert news(mirror, moved, [base]) == [("refs/heads/main", [shared]), ("refs/heads/b", [own])]


def test_parents_come_before_their_children(repo, mirror):
    base = repo.commit("base")
    repo.branch("topic")
    one = repo.commit("one")
    repo.checkout("main")
    two = repo.commit("two")
    merge = repo.merge("topic")
    (item,) = news(mirror, {"refs/heads/main": (base, merge)}, [base])
    assert set(item[1]) == {one, two, merge}
    assert item[1][-1] == merge


def test_what_is_known_but_gone_does_not_matter(repo, mirror):
    tip = repo.commit("one")
    assert news(mirror, {"refs/heads/main": ("e" * 40, tip)}, ["e" * 40]) == [("refs/heads/main", [tip])]


def test_a_branch_that_is_rewritten_after_it_was_asked_for_is_looked_at_again(repo, mirror):
    """What was asked for has not come, and would later not be known as old: the whole history would be told again."""
    base = repo.commit("base")
    gone = repo.commit("gone")
    repo.git("reset", "-q", "--hard", base)
    tip = repo.commit("other")
    words = "refs/heads/main of .*repo was rewritten while it was looked at"
    with pytest.raises(GitError, match=words):
        run(mirror.news({"refs/heads/main": (base, gone)}, [base]))
    with pytest.raises(GitError, match=words):
        run(mirror.fetch({"refs/heads/main": gone}))
    assert news(mirror, {"refs/heads/main": (base, tip)}, [base]) == [("refs/heads/main", [tip])]


def test_the_default_branch_is_told(repo, mirror):
    tip = repo.commit("one")
    remote = run(mirror.remote_refs(["HEAD", "refs/heads/*"]))
    assert (remote.head, dict(remote.objects)) == ("refs/heads/main", {"HEAD": tip, "refs/heads/main": tip})


def test_an_annotated_tag_stands_for_its_commit(repo, mirror):
    tip = repo.commit("one")
    repo.git("tag", "-a", "-m", "release", "v1")
    remote = run(mirror.remote_refs(["refs/tags/*"]))
    assert dict(remote.objects) == {"refs/tags/v1": tip}
    assert news(mirror, {"refs/tags/v1": (None, tip)}) == [("refs/tags/v1", [tip])]


def test_a_thousand_references_cost_as_few_commands_as_one(repo, mirror, monkeypatch):
    tip = repo.commit("one")
    repo.git("update-ref", "--stdin", stdin="".join(f"create refs/heads/b{n:04} {tip}\n" for n in range(1000)))
    commands = []
    run_git = mirror._git
    monkeypatch.setattr(mirror, "_git", lambda args, *a, **kw: commands.append(args[0]) or run_git(args, *a, **kw))
    remote = run(mirror.remote_refs())
    run(mirror.news({ref: (None, sha) for ref, sha in remote.objects.items() if ref != "HEAD"}, ()))
    assert commands == ["ls-remote", "-c", "cat-file", "rev-list"]  # -c: fetch


def test_a_missing_repository_is_told_with_the_reason(tmp_path, mirror):
    other = Mirror(reactor, str(tmp_path / "nowhere"), str(tmp_path / "work" / "mirror"))
    run(other.prepare())
    with pytest.raises(GitError, match=r"git ls-remote of .*nowhere failed with exit code 128: fatal: .*"):
        run(other.remote_refs())


def test_a_missing_program_is_told_with_the_mend(tmp_path):
    with pytest.raises(GitError, match=r"cannot run .*no-git.*point gitbin= to it"):
        run(Mirror(reactor, "x", str(tmp_path / "m"), gitbin="/no-git").prepare())


def test_secrets_are_on_disk_only_while_they_are_used(tmp_path, mirror):
    work = tmp_path / "work"
    with mirror.authenticated(Auth("KEY", "host key")):
        (directory,) = [path for path in work.iterdir() if path.name != "mirror"]
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
            "key": 0o600,
            "known_hosts": 0o600,
            "ssh": 0o700,
        }
        assert (directory / "key").read_text() == "KEY\n"
    assert os.listdir(work) == ["mirror"]


def test_references_that_are_gone_are_forgotten(repo, mirror):
    tip = repo.commit("one")
    run(mirror.news({"refs/heads/main": (None, tip)}, ()))
    run(mirror.forget(["refs/heads/main"]))
    assert run(mirror._git(["for-each-ref"])).stdout == b""
