"""What goes wrong in the database of a simulated master: crashes, refused commits, slow transactions."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import exc

from buildmaster.db import dialects, memory
from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.testing.master import InlineMaster, MemoryMaster

MESSAGES = {"locked": "database is locked", "broken": "database disk image is malformed"}


class Crash(BaseException):
    """The process ends here."""


class Faults:
    """What is planned to go wrong; it listens to the signals of the database."""

    def __init__(self) -> None:
        self.signals = 0
        self.forget()

    def forget(self) -> None:
        """Nothing goes wrong any more."""
        self.crash_in = 0
        self.refuse: list[str] = []
        self.slow = 0
        self.slow_seconds = 0.0
        self.slow_late = False

    def __call__(self, name: str) -> None:
        self.signals += 1
        if self.crash_in:
            self.crash_in -= 1
            if not self.crash_in:
                raise Crash
        if name == "before-commit" and self.refuse:
            message = MESSAGES[self.refuse.pop()]
            raise exc.DatabaseError("COMMIT", {}, sqlite3.OperationalError(message))


class SlowExecutor(InlineExecutor):
    """Works in the clock's turns, and takes its time when that is planned."""

    def __init__(self, clock: Any, faults: Faults) -> None:
        super().__init__(clock)
        self._faults = faults

    def write(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Run a job, slowly if that is planned."""
        faults = self._faults
        if not faults.slow:
            super().write(job, done)
            return
        faults.slow -= 1
        if faults.slow_late:
            self._clock.callLater(faults.slow_seconds, super().write, job, done)
        else:
            super().write(job, lambda result: self._clock.callLater(faults.slow_seconds, done, result))


class SimulatedMaster(InlineMaster):
    """A master whose database work may be slow."""

    faults: Faults

    def make_executor(self) -> Any:
        """Database work in the caller's thread, by plan not at once."""
        return SlowExecutor(self.reactor, self.faults)


class SimulatedKit(MemoryMaster):
    """A master in memory with faults."""

    master_class = SimulatedMaster

    def __init__(self, basedir: Path, config: Any, now: float, faults: Faults) -> None:
        super().__init__(basedir, config, now)
        self.master.faults = faults


@contextlib.contextmanager
def listening(faults: Faults) -> Iterator[None]:
    """Have the faults hear the signals of every database."""
    Database.probe = staticmethod(faults)
    try:
        yield
    finally:
        Database.probe = None


@contextlib.contextmanager
def fast_directory() -> Iterator[Path]:
    """A temporary directory, in memory where there is such a place: histories are about order, not about disks."""
    place = next((p for p in ("/dev/shm",) if os.access(p, os.W_OK)), None)
    with tempfile.TemporaryDirectory(dir=place) as made:
        yield Path(made)


class Directory:
    """A directory in which masters are played one after the other.

    What costs most of a master's start is kept: the empty database, and the engines with their compiled statements.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / "master"
        self._empty = path / "empty.sqlite"
        self._engines: dict[Any, Any] = {}
        self._create = dialects.create_engine

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Path]:
        """The directory, holding nothing but an empty database."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        with mock.patch.object(dialects, "create_engine", self._engine):
            if not self._empty.exists():
                self._make_empty()
            shutil.copy(self._empty, self.path / "state.sqlite")
            yield self.path

    def _engine(self, url: Any, *args: Any, **kwargs: Any) -> Any:
        key = (str(url), repr(args), repr(kwargs))
        if key not in self._engines:
            self._engines[key] = self._create(url, *args, **kwargs)
        memory._of_engine.pop(self._engines[key], None)  # a new master knows nothing
        return self._engines[key]

    def _make_empty(self) -> None:
        from buildmaster.db import migrate

        engine = self._engine(dialects.parse_url("sqlite:///state.sqlite", str(self.path)), True)
        with engine.connect() as conn:
            migrate.check(conn, True)
        shutil.copy(self.path / "state.sqlite", self._empty)
