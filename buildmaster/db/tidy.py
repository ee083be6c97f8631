"""SQLite's write-ahead log goes back into the database file when nothing else is to be written.

SQLite does that by itself when the log has grown to 4 MB, in the middle of whatever is written then, and never makes
the log file smaller.  A pause is the better moment: the next burst finds an empty log, and a copy of the directory has
all in one file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

IDLE_SECONDS = 0.05
WORTHWHILE_BYTES = 128 * 1024


class Tidying:
    """Asks for ``tidy`` when the database has been idle for a while and its log is worth it."""

    def __init__(self, file: str | None, clock: Any, tidy: Callable[[], None]) -> None:
        self._log = None if file is None else f"{file}-wal"
        self._clock = clock
        self._tidy = tidy
        self._due: Any = None

    def idle(self) -> None:
        """Nothing is to be written at the moment."""
        if self._log is not None and self._due is None:
            self._due = self._clock.callLater(IDLE_SECONDS, self._look)

    def busy(self) -> None:
        """Something is written, or the database is being closed."""
        due, self._due = self._due, None
        if due is not None:
            due.cancel()

    def _look(self) -> None:
        self._due = None
        try:
            size = os.path.getsize(self._log or "")
        except OSError:
            return
        if size >= WORTHWHILE_BYTES:
            self._tidy()


def empty_log(conn: sa.Connection) -> None:
    """Move what the write-ahead log holds into the database file and truncate the log.

    Does not wait for anybody: if some reader still needs the log, it stays as long as it is.
    """
    dbapi: Any = conn.connection.dbapi_connection
    (wait,) = dbapi.execute("PRAGMA busy_timeout").fetchone()
    dbapi.execute("PRAGMA busy_timeout=0")
    try:
        dbapi.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        dbapi.execute(f"PRAGMA busy_timeout={wait}")
