"""The commands, with real processes."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import RealMaster, buildmaster, environment, lives, real_master, wait_until

pytestmark = pytest.mark.needs("buildbot-worker")


@pytest.fixture
def master(tmp_path: Path) -> Iterator[RealMaster]:
    with real_master(tmp_path / "master") as made:
        yield made.create()


# -- start and stop ---------------------------------------------------------------------------------------------------


def test_start_returns_when_the_master_answers_and_stop_when_it_is_gone(master):
    started = master.run("start")
    assert (started.returncode, started.stderr) == (0, "")
    assert f"as process {master.pid}" in started.stdout
    assert f"http://localhost:{master.web}/" in started.stdout
    assert [m["active"] for m in master.get("masters")] == [True]
    pid = master.pid
    stopped = master.run("stop")
    assert (stopped.returncode, f"Process {pid} has ended" in stopped.stdout) == (0, True)
    assert not lives(pid)
    assert master.pid is None
    assert "BuildMaster is running" in master.log()


def test_a_second_master_on_one_directory_is_refused_with_the_pid_of_the_first(master):
    master.start()
    second = master.run("start")
    assert second.returncode == 1
    assert f"runs in {master.path} already, as process {master.pid}" in second.stderr


def test_quiet_prints_nothing(master):
    assert master.run("start", "--quiet").stdout == ""
    assert master.run("stop", "--quiet").stdout == ""


def test_every_error_of_the_configuration_is_printed_by_start_with_its_place(master):
    master.configure(
        "c['colour'] = 'red'", "c['schedulers'].append(schedulers.ForceScheduler(name='x', builderNames=['y']))"
    )
    done = master.run("start")
    assert done.returncode == 1
    assert "colour" in done.stderr
    assert "'y'" in done.stderr or "y" in done.stderr.split()
    assert "master.cfg" in done.stderr
    assert master.pid is None


def test_a_configuration_that_raises_is_told_with_file_and_line(master):
    master.configure("raise ValueError('out of paper')")
    done = master.run("start")
    assert done.returncode == 1
    assert "out of paper" in done.stderr
    line = len((master.path / "master.cfg").read_text().splitlines())
    assert f"master.cfg:{line}" in done.stderr or f"line {line}" in done.stderr


def test_a_web_port_in_use_is_named(master):
    with socket.socket() as other:
        other.bind(("127.0.0.1", master.web))
        other.listen()
        done = master.run("start")
    assert done.returncode == 1
    assert str(master.web) in done.stderr
    assert master.pid is None


def test_a_worker_port_in_use_is_named(master):
    with socket.socket() as other:
        other.bind(("127.0.0.1", master.pb))
        other.listen()
        done = master.run("start")
    assert done.returncode == 1
    assert str(master.pb) in done.stderr


def test_after_a_kill_the_next_start_removes_the_stale_pid_file_and_says_so(master):
    master.start()
    pid = master.pid
    master.kill()
    again = master.run("start")
    assert again.returncode == 0, again.stderr
    assert f"was left by process {pid}, which is gone: removed" in again.stdout


def test_a_start_that_takes_too_long_is_no_longer_waited_for_but_goes_on(master):
    master.configure("import time; time.sleep(1)")
    done = master.run("start", "--start_timeout", "0.1")
    assert done.returncode == 1
    assert "not running after 0.1 seconds" in done.stderr
    wait_until(lambda: master.get("masters"))


def test_a_process_that_ends_without_a_word_is_told(master):
    master.configure("import os; os._exit(3)")
    done = master.run("start")
    assert done.returncode == 1
    assert f"ended without a word. See the end of {master.path / 'twistd.log'}" in done.stderr


def test_stop_during_a_start_ends_it_and_start_says_so(master):
    master.configure("import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.5)")
    done = master.run("start")
    assert done.returncode == 1
    assert "stopped before it was running" in done.stderr
    assert master.pid is None


def test_stop_without_a_master_succeeds_and_says_so(master):
    done = master.run("stop")
    assert (done.returncode, done.stdout) == (0, f"No master runs in {master.path}\n")


def test_restart_leaves_another_process_running(master):
    master.start()
    first = master.pid
    assert master.run("restart").returncode == 0
    assert master.pid != first
    assert lives(master.pid)


def test_in_the_foreground_the_master_ends_with_its_signal_and_status_0(master):
    process = subprocess.Popen(
        [sys.executable, "-m", "buildmaster.cli.main", "start", "--nodaemon", str(master.path)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "runs in" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_without_a_log_of_its_own_a_foreground_master_logs_to_standard_output(tmp_path):
    with real_master(tmp_path / "m") as master:
        master.create("--no-logrotate")
        process = subprocess.Popen(
            [sys.executable, "-m", "buildmaster.cli.main", "start", "--nodaemon", "-q", str(master.path)],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert any("BuildMaster is running" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


def test_a_tac_file_written_for_buildbot_is_honoured(master):
    (master.path / "buildbot.tac").write_text(
        f"""
from twisted.application import service
from buildbot.master import BuildMaster
basedir = {str(master.path)!r}
rotateLength = 20000
maxRotatedFiles = 3
configfile = 'master.cfg'
umask = None
application = service.Application('buildmaster')
from twisted.python.logfile import LogFile
from twisted.python.log import ILogObserver, FileLogObserver
logfile = LogFile.fromFullPath(basedir + "/twistd.log", rotateLength=rotateLength, maxRotatedFiles=maxRotatedFiles)
application.setComponent(ILogObserver, FileLogObserver(logfile).emit)
m = BuildMaster(basedir, configfile, umask)
m.setServiceParent(application)
m.log_rotation.rotateLength = rotateLength
m.log_rotation.maxRotatedFiles = maxRotatedFiles
"""
    )
    master.start()
    assert "BuildMaster is running" in master.log()


def test_what_a_configuration_prints_and_logs_arrives_in_the_log(master):
    master.configure("import logging; print('printed here'); logging.getLogger('mine').warning('logged there')")
    master.start()
    assert "printed here" in master.log()
    assert "[mine] logged there" in master.log()


# -- the database -----------------------------------------------------------------------------------------------------


def refused_start(master: RealMaster) -> str:
    done = master.run("start")
    assert done.returncode == 1, done.stdout
    assert master.pid is None
    return done.stderr


def test_a_database_of_buildbot_is_refused_and_not_altered(master):
    file = master.path / "state.sqlite"
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE migrate_version (version INTEGER)")
    before = file.read_bytes()
    assert "belongs to another program" in refused_start(master)
    assert file.read_bytes() == before


def test_a_database_of_a_later_version_is_refused(master):
    with sqlite3.connect(master.path / "state.sqlite") as connection:
        connection.execute("UPDATE buildmaster_version SET version_num = '9999'")
    assert "newer than this version" in refused_start(master)


def test_a_missing_database_is_refused_with_the_mend_and_upgrade_master_makes_it(master):
    (master.path / "state.sqlite").unlink()
    assert "upgrade-master" in refused_start(master)
    assert master.run("upgrade-master").returncode == 0
    master.start()


@pytest.mark.needs("psycopg")
def test_an_unreachable_database_server_is_named_without_the_password(master):
    master.configure("c['db'] = {'db_url': 'postgresql://me:sesame@127.0.0.1:1/none'}")
    told = refused_start(master)
    assert "127.0.0.1" in told
    assert "sesame" not in told


def test_a_database_where_nothing_can_be_written_is_told_with_the_mend(master):
    master.configure("c['db'] = {'db_url': 'sqlite:////proc/none/state.sqlite'}")
    told = refused_start(master)
    assert "cannot be used" in told
    assert "Let the master's user own the file" in told


def test_a_database_locked_by_another_process_is_told(master):
    connection = sqlite3.connect(master.path / "state.sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        assert "locked" in refused_start(master)
    finally:
        connection.close()


# -- the configuration ------------------------------------------------------------------------------------------------


def test_checkconfig_takes_a_file_a_directory_or_the_current_directory(master):
    for done in (
        buildmaster("checkconfig", master.path / "master.cfg"),
        buildmaster("checkconfig", master.path),
        buildmaster("checkconfig", cwd=master.path),
    ):
        assert (done.returncode, done.stdout) == (0, f"{master.path / 'master.cfg'} is a valid configuration\n")


def test_checkconfig_reports_all_errors_together_and_binds_nothing(master):
    master.configure("c['colour'] = 'red'", "c['taste'] = 'sour'")
    with socket.socket() as other:
        other.bind(("127.0.0.1", master.web))
        other.listen()
        done = buildmaster("checkconfig", master.path)
    assert done.returncode == 1
    assert "colour" in done.stderr
    assert "taste" in done.stderr
    quiet = buildmaster("checkconfig", "--quiet", master.path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")


def test_checkconfig_of_a_file_that_is_not_there(tmp_path):
    done = buildmaster("checkconfig", tmp_path / "none.cfg")
    assert done.returncode == 1
    assert "does not exist" in done.stderr


def test_reconfig_adds_a_builder_and_says_so(master):
    master.start()
    master.configure("c['builders'].append(builder('two', 'true'))", "c['schedulers'][1].builderNames.append('two')")
    done = master.run("reconfig")
    assert done.returncode == 0, done.stderr
    assert "added builder: two" in done.stdout
    assert sorted(b["name"] for b in master.get("builders")) == ["one", "two"]


@pytest.mark.parametrize("verb", ["reconfig", "sighup"])
def test_a_bad_configuration_leaves_the_old_one_in_force_and_all_errors_are_printed(master, verb):
    master.start()
    master.configure("c['colour'] = 'red'", "c['taste'] = 'sour'")
    done = master.run(verb)
    assert done.returncode == 1
    assert "old configuration stays in force" in done.stderr
    assert "colour" in done.stderr
    assert "taste" in done.stderr
    assert [b["name"] for b in master.get("builders")] == ["one"]


def test_a_new_web_port_that_is_taken_leaves_the_old_configuration_in_force(master):
    master.start()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        master.configure(
            f"c['www']['port'] = 'tcp:{taken}:interface=127.0.0.1'",
            "c['builders'].append(builder('two', 'true')); c['schedulers'][1].builderNames.append('two')",
        )
        done = master.run("reconfig")
    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert [b["name"] for b in master.get("builders")] == ["one"]


def test_the_database_cannot_be_changed_by_a_reconfiguration(master):
    master.start()
    master.configure("c['db'] = {'db_url': 'sqlite:///other.sqlite'}")
    done = master.run("reconfig")
    assert done.returncode == 1
    assert "c['db']['db_url'] was changed, which takes a restart" in done.stderr


def test_reconfig_without_a_master_fails(master):
    done = master.run("reconfig")
    assert (done.returncode, "No master runs in" in done.stderr) == (1, True)


# -- work -------------------------------------------------------------------------------------------------------------


def test_a_change_that_was_sent_is_stored_and_built(master):
    master.start()
    address = f"127.0.0.1:{master.pb}"
    done = buildmaster("sendchange", "-m", address, "-W", "me <me@example.org>", "-r", "r1", "-c", "grün", "a.c", "b.c")
    assert (done.returncode, done.stdout) == (0, "change sent successfully\n"), done.stderr
    [change] = master.get("changes")
    assert (change["author"], change["revision"], change["comments"]) == ("me <me@example.org>", "r1", "grün")
    assert change["files"] == ["a.c", "b.c"]
    [build] = wait_until(lambda: [b for b in master.get("builds") if b["complete"]])
    assert build["results"] == 0


def test_a_wrong_password_is_told(master):
    master.start()
    done = buildmaster("sendchange", "-m", f"127.0.0.1:{master.pb}", "-W", "me", "-a", "change:wrong")
    assert done.returncode == 1
    assert "The change was not sent" in done.stderr


def test_a_clean_stop_lets_the_running_build_finish(master):
    master.configure(
        "c['builders'] = [builder('one', 'sh', '-c', 'while [ ! -e ../../../../go ]; do sleep 0.1; done')]"
    )
    master.start()
    wait_until(lambda: master.get("workers")[0]["connected_to"])
    master.control("forceschedulers/force", "force")
    wait_until(lambda: [s for s in master.get("builds/1/steps") if s["started_at"]])
    pid = master.pid
    assert master.run("stop", "--clean", "--no-wait").returncode == 0
    (master.path / "go").touch()
    (master.path.parent / "go").touch()
    wait_until(lambda: not lives(pid))
    with sqlite3.connect(master.path / "state.sqlite") as connection:
        assert connection.execute("SELECT results FROM builds").fetchall() == [(0,)]


# -- quickstart -------------------------------------------------------------------------------------------------------


def git(cwd: Path, *args: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *identity, *args], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    commit(path, "first")
    return path


def commit(repository: Path, text: str) -> None:
    (repository / "file").write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", text)


@pytest.mark.needs("git")
@pytest.mark.parametrize(("commits", "command", "status"), [(1, "cat file", 0), (3, "cat file; false", 1)])
def test_quickstart_builds_the_newest_commit_and_leaves_the_master_running(
    repository, tmp_path, commits, command, status
):
    for n in range(1, commits):
        commit(repository, f"commit {n}")
    target = tmp_path / "ci"
    master = RealMaster(target)
    try:
        done = buildmaster("quickstart", target, "--repo", repository, "--command", command, "--port", master.web)
        assert done.returncode == status, done.stdout + done.stderr + master.log()
        assert "noticed commit" in done.stdout
        assert "git: success" in done.stdout
        assert f"test: {'failure' if status else 'success'}" in done.stdout
        assert f"buildmaster stop {target}" in done.stdout
        assert lives(master.pid)
        assert f"page       http://localhost:{master.web}/" in done.stdout
        assert len(master.get("changes")) == 1
        again = buildmaster("quickstart", target, "--repo", repository)
        assert (again.returncode, "exists already and holds a master" in again.stderr) == (1, True)
        commit(repository, "one more")
        wait_until(lambda: len([b for b in master.get("builds") if b["complete"]]) == 2)
    finally:
        master.end()


def test_quickstart_of_nothing_is_refused_and_leaves_nothing(tmp_path):
    done = buildmaster("quickstart", tmp_path / "ci", "--repo", tmp_path / "none")
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert not (tmp_path / "ci").exists()
