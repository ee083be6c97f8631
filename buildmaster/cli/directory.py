"""A master's directory as the command line sees it from outside: its files and the process that runs in it."""

from __future__ import annotations

import ast
import contextlib
import os
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buildmaster.base.dirlock import DirectoryLock, DirectoryLocked
from buildmaster.cli.main import Failed

TAC_FILES = ("buildbot.tac", "buildmaster.tac")
PID_FILE = "twistd.pid"
DEFAULT_CONFIG = "master.cfg"


class MasterDirectory:
    """One directory that ``create-master`` (ours or Buildbot's) has made."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    @property
    def pid_file(self) -> Path:
        """Where a running master leaves its process id."""
        return self.path / PID_FILE

    @property
    def log_file(self) -> Path:
        """The log that is written unless the tac file says otherwise."""
        return self.path / "twistd.log"

    def find_tac(self) -> Path | None:
        """The file that describes the application; None if there is none."""
        return next((self.path / name for name in TAC_FILES if (self.path / name).is_file()), None)

    def tac(self) -> Path:
        """The file that describes the application.

        Raises :class:`~buildmaster.cli.main.Failed` if there is none, or if it is not that of a master.
        """
        if not self.path.is_dir():
            raise Failed(f"{self.path} does not exist. 'buildmaster create-master {self.path}' makes a new master")
        found = self.find_tac()
        if found is None:
            raise Failed(
                f"{self.path} is not a master's directory: it has no buildbot.tac. "
                f"'buildmaster create-master --force {self.path}' writes one and leaves an existing master.cfg alone"
            )
        try:
            text = found.read_text(encoding="utf-8", errors="replace")
        except OSError as e:
            raise Failed(f"{found} cannot be read: {e.strerror}") from None
        if not any(word in text for word in ("Application('buildmaster')", 'Application("buildmaster")')):
            raise Failed(f"{found} does not describe a master: it has no line service.Application('buildmaster')")
        return found

    def config_file(self) -> Path:
        """The configuration that the tac file names, else ``master.cfg``."""
        tac = self.find_tac()
        name = _assigned(tac, "configfile") if tac else None
        return self.path / (name if isinstance(name, str) else DEFAULT_CONFIG)

    def running_pid(self) -> int | None:
        """The process id of the master that runs in this directory; None if none does."""
        owner = DirectoryLock(self.path).owner() if (self.path / "buildmaster.lock").exists() else None
        if owner:
            return owner
        pid = self.recorded_pid()
        return pid if pid and process_alive(pid) and not self._reused(pid) else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory, so that no master can start in it.

        Raises :class:`~buildmaster.cli.main.Failed` if it is no master's, if a master runs in it, and for an OSError of
        what is done meanwhile.
        """
        self.tac()
        lock = DirectoryLock(self.path)
        try:
            pid = self.running_pid()
            if pid is not None:
                raise DirectoryLocked(self.path, pid)
            lock.take()
            yield
        except (DirectoryLocked, OSError) as e:
            raise Failed(str(e)) from None
        finally:
            lock.release()

    def recorded_pid(self) -> int | None:
        """What the pid file says, whether or not that process still lives."""
        try:
            return int(self.pid_file.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return 0

    def _reused(self, pid: int) -> bool:
        """Whether a process of this number was started after the pid file was written, so is another one."""
        started = process_start_time(pid)
        try:
            return started is not None and started > self.pid_file.stat().st_mtime + 5
        except OSError:
            return False

    def remove_stale_pid_file(self) -> int | None:
        """Remove the pid file that a dead master has left; returns the process id that it named.

        None if there was no such file.  To be called only when :meth:`running_pid` is None.
        """
        pid = self.recorded_pid()
        if pid is None:
            return None
        try:
            self.pid_file.unlink(missing_ok=True)
        except OSError as e:
            raise Failed(f"{self.pid_file} is left over from a dead process and cannot be removed: {e}") from None
        return pid


def _assigned(tac: Path, name: str) -> Any:
    """The value that a tac file gives to a module-level name, None if it gives none.

    A literal is read without running the file.
    """
    try:
        tree = ast.parse(tac.read_text(encoding="utf-8"), str(tac))
    except (OSError, SyntaxError, ValueError):
        return None
    found = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found = node.value
    if found is None:
        return None
    try:
        return ast.literal_eval(found)
    except ValueError:
        return runpy.run_path(str(tac)).get(name)


def process_alive(pid: int) -> bool:
    """Whether a process of this id exists and is not a zombie."""
    if os.name == "nt":  # os.kill(pid, 0) would end it there; the directory's lock is what tells
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    stat = _stat_fields(pid)
    return stat is None or stat[0] != "Z"


def process_start_time(pid: int) -> float | None:
    """When a process began, in seconds since the epoch; None where the system does not tell."""
    stat = _stat_fields(pid)
    if stat is None:
        return None
    try:
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return time.time() - uptime + int(stat[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the state letter on (proc(5), the third)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
