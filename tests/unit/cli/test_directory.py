"""A master's directory as the command line sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildmaster.base.dirlock import DirectoryLock, DirectoryLocked
from buildmaster.cli.directory import MasterDirectory, process_alive
from buildmaster.cli.main import Failed

TAC = "configfile = 'other.cfg'\napplication = service.Application('buildmaster')\n"


@pytest.fixture
def directory(tmp_path: Path) -> MasterDirectory:
    (tmp_path / "buildbot.tac").write_text(TAC)
    return MasterDirectory(tmp_path)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_a_directory_that_does_not_exist_is_named_with_the_mend(tmp_path):
    with pytest.raises(Failed, match=r"does not exist.*create-master"):
        MasterDirectory(tmp_path / "none").tac()


def test_a_directory_without_a_tac_file_is_not_a_masters(tmp_path):
    with pytest.raises(Failed, match=r"no buildbot\.tac"):
        MasterDirectory(tmp_path).tac()


def test_a_workers_directory_is_refused(tmp_path):
    (tmp_path / "buildbot.tac").write_text("application = service.Application('buildbot-worker')\n")
    with pytest.raises(Failed, match="does not describe a master"):
        MasterDirectory(tmp_path).tac()


def test_the_tac_file_may_be_called_buildmaster_tac(tmp_path):
    (tmp_path / "buildmaster.tac").write_text(TAC)
    assert MasterDirectory(tmp_path).tac() == tmp_path / "buildmaster.tac"


def test_the_configuration_is_the_one_that_the_tac_file_names(directory):
    assert directory.config_file() == directory.path / "other.cfg"


def test_a_configuration_name_that_is_computed_is_found_by_running_the_tac_file(directory):
    (directory.path / "buildbot.tac").write_text("import os\nconfigfile = os.path.join('conf', 'master.py')\n")
    assert directory.config_file() == directory.path / "conf" / "master.py"


def test_without_a_tac_file_the_configuration_is_master_cfg(tmp_path):
    assert MasterDirectory(tmp_path).config_file() == tmp_path / "master.cfg"


def test_nothing_runs_in_a_fresh_directory(directory):
    assert directory.running_pid() is None


def test_the_owner_of_the_lock_is_the_running_master(directory):
    lock = DirectoryLock(directory.path)
    lock.take()
    assert directory.running_pid() == os.getpid()
    lock.release()
    assert directory.running_pid() is None


def test_the_pid_file_of_a_live_process_counts(directory):
    directory.pid_file.write_text(str(os.getpid()))
    assert directory.running_pid() == os.getpid()


def test_the_pid_file_of_a_dead_process_is_stale_and_is_removed(directory):
    pid = ended_process()
    directory.pid_file.write_text(str(pid))
    assert directory.running_pid() is None
    assert directory.remove_stale_pid_file() == pid
    assert not directory.pid_file.exists()


def test_a_pid_that_was_given_to_another_process_later_is_stale(directory):
    directory.pid_file.write_text(str(os.getpid()))
    os.utime(directory.pid_file, (1, 1))
    assert directory.running_pid() is None


def test_a_garbled_pid_file_is_stale(directory):
    directory.pid_file.write_text("not a number")
    assert directory.running_pid() is None
    assert directory.remove_stale_pid_file() == 0
    assert not directory.pid_file.exists()


def test_a_zombie_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not process_alive(process.pid)
    process.wait()


def test_a_second_lock_on_one_directory_is_refused_with_the_owners_pid(tmp_path):
    first = DirectoryLock(tmp_path)
    first.take()
    with pytest.raises(DirectoryLocked, match=f"in use by process {os.getpid()}"):
        DirectoryLock(tmp_path).take()
    first.release()
    DirectoryLock(tmp_path).take()


def test_a_lock_ends_with_its_process(tmp_path):
    code = f"from buildmaster.base.dirlock import DirectoryLock; DirectoryLock({str(tmp_path)!r}).take(); print('held')"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "held\n"
    assert DirectoryLock(tmp_path).owner() is None
