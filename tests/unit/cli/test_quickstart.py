"""What quickstart decides and writes, before anything runs."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.quickstart import Plan, free_port, make_plan, write_directory
from buildmaster.cli.repository import Repository
from buildmaster.config import FileLoader
from tests.support.git_repo import GitRepo

ELSEWHERE = Repository("https://example.org/you/project.git", "main", "f" * 40)


def test_a_repository_elsewhere_is_built_in_a_directory_here(tmp_path):
    plan = make_plan(None, ELSEWHERE, "make", None, tmp_path)
    assert plan.directory.path == tmp_path / "project-ci"


def test_a_local_repository_is_built_beside_itself(tmp_path):
    plan = make_plan(None, Repository(str(tmp_path / "code" / "project"), "main", "f" * 40), "make", None, tmp_path)
    assert plan.directory.path == tmp_path / "code" / "project-ci"


def test_a_directory_with_something_in_it_is_not_touched(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="exists already"):
        make_plan(tmp_path, ELSEWHERE, "make", None, tmp_path)


def test_a_directory_with_a_master_is_told_how_to_start(tmp_path):
    (tmp_path / "buildbot.tac").touch()
    with pytest.raises(Failed, match=r"holds a master\. 'buildmaster start"):
        make_plan(tmp_path, ELSEWHERE, "make", None, tmp_path)


def test_the_next_port_is_taken_when_the_usual_one_is_in_use():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        assert free_port(taken, 50) > taken
        with pytest.raises(Failed, match=f"Port {taken} is not free"):
            free_port(taken, 1)


@pytest.mark.needs("git")
def test_what_is_written_is_a_closed_and_valid_configuration(tmp_path: Path):
    repo = GitRepo(tmp_path / "repo's")
    head = repo.commit("first")
    directory = MasterDirectory(tmp_path / "m")
    write_directory(Plan(directory, Repository(str(repo.path), "main", head), "echo it's", 8010))
    config = FileLoader(str(directory.path), "master.cfg").loadConfig()
    assert [b.name for b in config.builders] == ["repo's"]
    assert config.www["port"] == "tcp:8010:interface=127.0.0.1"
    assert config.www["authz"] is not None
    assert stat.S_IMODE((directory.path / "password.txt").stat().st_mode) == 0o600
    assert (directory.path / "password.txt").read_text().strip() not in (directory.path / "master.cfg").read_text()
