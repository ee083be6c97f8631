"""``copy-db``, ``cleanupdb`` and ``dataspec`` on the command line."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from buildmaster.base.dirlock import DirectoryLock
from buildmaster.cli import cleanupdb, copy_db, create_master, dataspec
from tests.unit.cli.test_upgrade import CONFIG


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "m"
    assert CliRunner().invoke(create_master.command, [str(path)]).exit_code == 0
    (path / "master.cfg").write_text(CONFIG)
    return path


def run(command: object, *args: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in args])  # type: ignore[arg-type]


def test_a_database_is_copied_once_and_told(directory):
    with sqlite3.connect(directory / "state.sqlite") as conn:
        conn.execute("INSERT INTO users (id, identifier) VALUES (1, 'p')")
    result = run(copy_db.command, "sqlite:///other.sqlite", directory)
    assert result.exit_code == 0, result.output
    assert "users: 1 rows" in result.output
    assert result.output.splitlines()[-1].startswith(f"2 rows copied to sqlite:///{directory}/other.sqlite.")
    with sqlite3.connect(directory / "other.sqlite") as conn:
        assert conn.execute("SELECT identifier FROM users").fetchall() == [("p",)]
    again = run(copy_db.command, "sqlite:///other.sqlite", directory)
    assert (again.exit_code, "the destination is not empty" in again.output) == (1, True)
    quiet = run(copy_db.command, "-q", "--ignore-fk-error-rows", "sqlite:///third.sqlite", directory)
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///state.sqlite", "is the master's own database"),
        ("oracle://x", "only sqlite, postgresql and mysql databases are supported"),
        ("sqlite:////no/such/place.sqlite", "cannot be used: unable to open database file"),
        pytest.param("postgresql://me:geheim@127.0.0.1:1/x", "cannot be used", marks=pytest.mark.needs("psycopg")),
    ],
)
def test_a_destination_that_cannot_be_used_is_named_without_its_password(directory, url, told):
    result = run(copy_db.command, url, directory)
    assert result.exit_code == 1
    assert told in result.output
    assert "geheim" not in result.output


def test_a_database_of_another_program_is_not_written_to(directory):
    with sqlite3.connect(directory / "other.sqlite") as conn:
        conn.execute("CREATE TABLE builds (id INTEGER)")
    result = run(copy_db.command, "sqlite:///other.sqlite", directory)
    assert (result.exit_code, "belongs to another program" in result.output) == (1, True)


def test_a_running_master_s_database_is_left_alone_unless_cleaning_is_forced(directory):
    lock = DirectoryLock(directory)
    lock.take()
    try:
        assert "would be missing there" in run(copy_db.command, "sqlite:///other.sqlite", directory).output
        refused = run(cleanupdb.command, directory)
        assert (refused.exit_code, "With --force it is not waited for" in refused.output) == (1, True)
        assert run(cleanupdb.command, "--force", directory).exit_code == 0
    finally:
        lock.release()


def test_cleaning_tells_what_it_did(directory):
    result = run(cleanupdb.command, directory)
    assert (result.exit_code, result.output) == (0, "0 of 0 logs stored anew; their text takes 0 bytes less\n")
    assert run(cleanupdb.command, "-q", directory).output == ""


def test_the_data_api_is_described_as_json_or_as_a_script(tmp_path):
    assert run(dataspec.command, "-o", tmp_path / "spec.json").exit_code == 0
    spec = json.loads((tmp_path / "spec.json").read_text())
    [steps] = [each for each in spec if each["path"] == "steps/n:stepid"]
    assert (steps["type"], steps["plural"]) == ("step", "steps")
    fields = {field["name"]: field for field in steps["type_spec"]["fields"]}
    assert fields["buildid"]["type"] == "integer"
    assert run(dataspec.command, "-o", tmp_path / "spec.js", "-g", "dataspec").exit_code == 0
    script = (tmp_path / "spec.js").read_text()
    assert json.loads(script.removeprefix("window.dataspec = ").removesuffix(";\n")) == spec
    assert "no name of a JavaScript variable" in run(dataspec.command, "-g", "a b").output
    assert "cannot be written" in run(dataspec.command, "-o", tmp_path / "no" / "x").output
