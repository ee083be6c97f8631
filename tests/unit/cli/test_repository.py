"""What quickstart finds out about a repository, with real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildmaster.cli.main import Failed
from buildmaster.cli.repository import Repository, files_of, guess_command, has_uncommitted_changes, inspect

pytestmark = pytest.mark.needs("git")


def git(cwd: Path, *args: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(["git", *identity, *args], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "-q", "-b", "work")
    (path / "Makefile").write_text("test:\n\ttrue\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path


def test_a_path_gives_the_branch_that_is_checked_out_and_its_commit(repository, tmp_path):
    found = inspect("project", None, tmp_path)
    assert found == Repository(str(repository), "work", git(repository, "rev-parse", "HEAD"))
    assert (found.name, found.is_local) == ("project", True)


def test_without_a_path_the_repository_around_is_taken(repository):
    (repository / "sub").mkdir()
    assert inspect(None, None, repository / "sub").url == str(repository)


def test_outside_of_any_repository_one_has_to_be_named(tmp_path):
    with pytest.raises(Failed, match="--repo PATH_OR_URL"):
        inspect(None, None, tmp_path)


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(Failed, match="nowhere does not exist"):
        inspect("nowhere", None, tmp_path)


def test_a_directory_that_is_no_repository_is_refused_in_gits_words(tmp_path):
    (tmp_path / "plain").mkdir()
    with pytest.raises(Failed, match="git cannot read"):
        inspect("plain", None, tmp_path)


def test_a_repository_without_a_commit_is_refused(tmp_path):
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(Failed, match="has no commit yet"):
        inspect("empty", None, tmp_path)


def test_a_branch_that_does_not_exist_is_refused_and_the_others_are_listed(repository, tmp_path):
    with pytest.raises(Failed, match=r"no branch 'other'\. It has: work"):
        inspect("project", "other", tmp_path)


def test_a_detached_head_gives_the_branch_that_ends_there(repository, tmp_path):
    git(repository, "checkout", "-q", "--detach")
    assert inspect("project", None, tmp_path).branch == "work"


def test_a_url_is_taken_as_it_is(repository, tmp_path):
    assert inspect(f"file://{repository}", None, tmp_path).url == f"file://{repository}"


def test_without_git_its_installation_is_advised(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="git was not found"):
        inspect(None, None, tmp_path)


def test_uncommitted_changes_are_seen(repository, tmp_path):
    found = inspect("project", None, tmp_path)
    assert not has_uncommitted_changes(found)
    (repository / "Makefile").write_text("")
    assert has_uncommitted_changes(found)


def test_the_test_command_is_guessed_from_the_files_of_the_commit(repository, tmp_path):
    assert files_of(inspect("project", None, tmp_path)) == {"Makefile"}
    assert guess_command({"Makefile", "README"}) == "make test"
    assert guess_command({"README"}) == "git log -1 --stat"
