"""``upgrade-master``: backups, samples, and what it refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from buildmaster.base.dirlock import DirectoryLock
from buildmaster.cli import create_master, upgrade_master
from buildmaster.cli.database import back_up, upgrade_database
from buildmaster.cli.main import Failed

CONFIG = """
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {}
c["workers"] = [worker.Worker("w", "p")]
c["builders"] = [util.BuilderConfig(name="b", workernames=["w"], factory=util.BuildFactory())]
c["schedulers"] = [schedulers.ForceScheduler(name="f", builderNames=["b"])]
c["protocols"] = {"pb": {"port": 9989}}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "m"
    assert CliRunner().invoke(create_master.command, [str(path)]).exit_code == 0
    (path / "master.cfg").write_text(CONFIG)
    return path


def upgrade(*args: object) -> Result:
    return CliRunner().invoke(upgrade_master.command, [str(a) for a in args])


def test_a_directory_of_this_version_stays_as_it_is(directory):
    before = sorted(p.name for p in directory.iterdir())
    result = upgrade(directory)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"{directory} is up to date"
    assert [n for n in sorted(p.name for p in directory.iterdir()) if n not in (*before, "buildmaster.lock")] == []


def test_a_secret_of_the_database_s_address_is_looked_up(directory):
    (directory / "secrets").mkdir()
    (directory / "secrets/file").touch(0o600)
    (directory / "secrets/file").write_text("hidden.sqlite")
    wanted = f"""
from buildbot.plugins import secrets
c["secretsProviders"] = [secrets.SecretInAFile(dirname="{directory}/secrets")]
c["db"] = {{"db_url": util.Interpolate("sqlite:///%(secret:file)s")}}
"""
    (directory / "master.cfg").write_text(CONFIG + wanted)
    result = upgrade(directory)
    assert result.exit_code == 0, result.output
    assert (directory / "hidden.sqlite").exists()
    sample = (directory / "master.cfg.sample.new").read_text()
    assert "util.Interpolate('sqlite:///%(secret:file)s')" in sample and "hidden" not in sample
    (directory / "secrets/file").unlink()
    assert "secret key file is not found in any provider" in upgrade(directory).output


def test_a_changed_sample_gets_a_new_one_beside_it(directory):
    (directory / "master.cfg.sample").write_text("mine")
    assert "yours was changed" in upgrade(directory).output
    assert (directory / "master.cfg.sample").read_text() == "mine"
    assert "BuildmasterConfig" in (directory / "master.cfg.sample.new").read_text()


def test_with_replace_a_changed_sample_is_overwritten(directory):
    (directory / "master.cfg.sample").write_text("mine")
    upgrade("--replace", directory)
    assert "BuildmasterConfig" in (directory / "master.cfg.sample").read_text()


def test_a_running_master_is_not_upgraded(directory):
    lock = DirectoryLock(directory)
    lock.take()
    result = upgrade(directory)
    lock.release()
    assert result.exit_code == 1
    assert "is in use by process" in result.output


def test_a_configuration_with_errors_upgrades_nothing(directory):
    (directory / "master.cfg").write_text("c = BuildmasterConfig = {'colour': 'red'}")
    result = upgrade(directory)
    assert result.exit_code == 1
    assert "nothing was upgraded" in result.output
    assert "colour" in result.output


def test_without_a_configuration_there_is_nothing_to_go_by(directory):
    (directory / "master.cfg").unlink()
    result = upgrade(directory)
    assert result.exit_code == 1
    assert "tells which database is to be upgraded" in result.output


def test_a_backup_holds_what_the_database_held(tmp_path):
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (7)")
    line = back_up(sa.make_url(f"sqlite:///{tmp_path}/s.sqlite"))
    [copy] = tmp_path.glob("s.sqlite.*.backup")
    assert line == f"{tmp_path}/s.sqlite copied to {copy}"
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]


def test_a_server_is_not_backed_up_behind_its_owners_back():
    with pytest.raises(Failed, match="--no-backup"):
        back_up(sa.make_url("postgresql://host/db"))


def test_a_database_of_this_version_is_not_backed_up(tmp_path):
    upgrade_database("sqlite:///s.sqlite", tmp_path)
    lines = upgrade_database("sqlite:///s.sqlite", tmp_path, backup=lambda url: "backed up")
    assert [line.partition(" (")[0] for line in lines] == [f"database sqlite:///{tmp_path}/s.sqlite is ready"]
