"""The lock that keeps a second master out of a directory.

The kernel holds it for as long as the process lives, so it needs no mending after a crash.  The file also holds the
owner's process id, for the message; the file itself stays when the lock is released.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

LOCK_FILE = "buildmaster.lock"


class DirectoryLocked(Exception):
    """Another process holds the directory; ``pid`` is its process id, None if that could not be read."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        self.directory = directory
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{directory} is in use by {owner}: one directory serves one master. Stop that one first, or create a "
            "directory of its own for this one with 'buildmaster create-master'"
        )


class DatabaseLocked(DirectoryLocked):
    """Another master, of another directory, uses the database file."""

    def __init__(self, database: Path, pid: int | None) -> None:
        super().__init__(database, pid)
        owner = f"process {pid}" if pid else "another process"
        self.args = (
            f"the database {database} is in use by the master that is {owner}: an SQLite file serves one master. Stop "
            "that one first, or give this one its own c['db']['db_url']; several masters share a PostgreSQL or MySQL "
            "database",
        )


class DirectoryLock:
    """An exclusive hold on a master's directory."""

    refusal: type[DirectoryLocked] = DirectoryLocked

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._file: IO[bytes] | None = None

    @property
    def path(self) -> Path:
        """The lock file."""
        return self.directory / LOCK_FILE

    def take(self) -> None:
        """Take the lock, without waiting.

        Raises :class:`DirectoryLocked` if another process has it, and OSError if the file cannot be written.
        """
        if self._file is not None:
            return
        file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
        try:
            self._lock_patiently(file)
        except BlockingIOError:
            file.close()
            raise self.refusal(self.directory, self._read_pid()) from None
        except BaseException:
            file.close()
            raise
        file.truncate(0)
        file.write(b" %d\n" % os.getpid())
        self._file = file

    def release(self) -> None:
        """Give the directory back; nothing happens if it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def owner(self) -> int | None:
        """The process id of whoever holds the lock now; None if nobody does.  0 stands for an unknown holder."""
        if self._file is not None:
            return os.getpid()
        try:
            with self.path.open("r+b") as file:
                _lock(file)
        except BlockingIOError:
            return self._read_pid() or 0
        except OSError:
            return None
        return None

    def _lock_patiently(self, file: IO[bytes]) -> None:
        """Lock; whoever only asks for the :meth:`owner` holds it for an instant, which must not look like a master."""
        for _ in range(4):
            try:
                return _lock(file)
            except BlockingIOError:
                time.sleep(0.02)
        return _lock(file)

    def _read_pid(self) -> int | None:
        try:
            return int(self.path.read_bytes().strip())
        except (OSError, ValueError):
            return None


class DatabaseLock(DirectoryLock):
    """An exclusive hold on an SQLite database, whatever directory its master has."""

    refusal = DatabaseLocked

    @property
    def path(self) -> Path:
        """The lock file, beside the database."""
        return self.directory.with_name(self.directory.name + ".lock")


if os.name == "nt":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        """Lock the first byte; the process id is written after it, where others may read."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            raise BlockingIOError from None

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
