"""``create-master`` and ``upgrade-master``: what they write and what they leave alone."""

from __future__ import annotations

import ast
import hashlib
import sqlite3
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from buildmaster.cli.create_master import command
from buildmaster.config import FileLoader


def create(*args: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in args])


def assigned(tac: Path) -> dict[str, object]:
    found = {}
    for node in ast.parse(tac.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                pass
    return found


def test_a_new_directory_gets_a_tac_file_a_sample_a_password_and_a_database(tmp_path):
    path = tmp_path / "m"
    result = create(path)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in path.iterdir() if "sqlite" not in p.name) == [
        "buildbot.tac",
        "master.cfg.sample",
        "password.txt",
    ]
    assert (path / "state.sqlite").exists()
    assert stat.S_IMODE((path / "password.txt").stat().st_mode) == 0o600
    assert "Next: copy master.cfg.sample to master.cfg" in result.output


def test_the_documented_defaults_stand_in_the_tac_file(tmp_path):
    create(tmp_path / "m")
    assert assigned(tmp_path / "m" / "buildbot.tac") == {
        "basedir": str(tmp_path / "m"),
        "configfile": "master.cfg",
        "umask": None,
        "rotateLength": 10000000,
        "maxRotatedFiles": 10,
    }


def test_options_reach_the_tac_file(tmp_path):
    create("--config", "it's.cfg", "--log-size", "5", "--log-count", "None", tmp_path / "m")
    found = assigned(tmp_path / "m" / "buildbot.tac")
    assert (found["configfile"], found["rotateLength"], found["maxRotatedFiles"]) == ("it's.cfg", 5, None)
    assert (tmp_path / "m" / "it's.cfg.sample").exists()


def test_without_rotation_the_tac_file_sets_no_log(tmp_path):
    create("--no-logrotate", tmp_path / "m")
    text = (tmp_path / "m" / "buildbot.tac").read_text()
    assert "rotateLength" not in text
    assert "ILogObserver" not in text


def test_a_relocatable_tac_file_names_no_directory(tmp_path):
    create("--relocatable", tmp_path / "m")
    assert str(tmp_path) not in (tmp_path / "m" / "buildbot.tac").read_text()


def test_quiet_says_nothing(tmp_path):
    assert create("--quiet", tmp_path / "m").output == ""


def test_the_database_of_the_sample_is_the_one_that_was_asked_for(tmp_path):
    create("--db", "sqlite:///other.sqlite", tmp_path / "m")
    assert "'sqlite:///other.sqlite'" in (tmp_path / "m" / "master.cfg.sample").read_text()
    assert (tmp_path / "m" / "other.sqlite").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--log-size", "big"), "not a number of bytes"), (("--log-count", "few"), "neither a number of files nor None")],
)
def test_an_option_that_is_no_number_is_named(tmp_path, option, words):
    result = create(*option, tmp_path / "m")
    assert result.exit_code == 2
    assert words in result.output


def test_a_masters_directory_is_not_made_twice(tmp_path):
    create(tmp_path / "m")
    result = create(tmp_path / "m")
    assert result.exit_code == 1
    assert "is a master's directory already" in result.output


def test_a_directory_with_something_in_it_needs_force(tmp_path):
    (tmp_path / "master.cfg").write_text("mine")
    assert create(tmp_path).exit_code == 1
    assert create("--force", tmp_path).exit_code == 0
    assert (tmp_path / "master.cfg").read_text() == "mine"


def test_force_leaves_the_files_that_are_there(tmp_path):
    (tmp_path / "buildbot.tac").write_text("mine")
    result = create("--force", tmp_path)
    assert "exists already and was left as it is" in result.output
    assert (tmp_path / "buildbot.tac").read_text() == "mine"


def test_a_database_of_buildbot_is_recognised_and_not_a_byte_of_it_changes(tmp_path):
    database = tmp_path / "state.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('abcdef')")
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    result = create("--db", f"sqlite:///{database}", tmp_path / "m")
    assert result.exit_code == 1
    assert "belongs to another program" in result.output
    assert "--db" in result.output
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "state.sqlite"]


@pytest.mark.needs("psycopg")
def test_an_unreachable_database_is_told_without_its_password(tmp_path):
    result = create("--db", "postgresql://me:sesame@127.0.0.1:1/none", tmp_path / "m")
    assert result.exit_code == 1
    assert "cannot be used" in result.output
    assert "sesame" not in result.output


def test_the_sample_is_a_valid_and_closed_configuration(tmp_path):
    create(tmp_path / "m")
    config = FileLoader(str(tmp_path / "m"), "master.cfg.sample").loadConfig()
    assert [b.name for b in config.builders] == ["tests"]
    assert config.www["port"].endswith("interface=127.0.0.1")
    assert config.protocols["pb"]["port"].endswith("interface=127.0.0.1")
    assert config.www["authz"] is not None
