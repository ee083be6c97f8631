"""The external build database: every build in the table ``builds``, those that wait in ``build_queue``.

The functions take a cursor of any program that has the file open; :class:`BuildDatabase` runs them for the master,
in a thread, each in a transaction of its own.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.enterprise import adbapi
from twisted.internet import defer

SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    builder TEXT NOT NULL,
    repository TEXT NOT NULL DEFAULT '',
    branch TEXT,
    revision TEXT,
    requested_by TEXT,                      -- a mail address
    state TEXT NOT NULL DEFAULT 'queued',   -- queued, starting, running, then how it ended: success, failure, refused …
    buildset INTEGER,                       -- what the master calls it
    started_at REAL,                        -- seconds since the epoch
    finished_at REAL,
    url TEXT,
    mail TEXT,                              -- due, sent, failed
    mail_tries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS build_queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    build INTEGER NOT NULL UNIQUE REFERENCES builds (id)
);
CREATE INDEX IF NOT EXISTS builds_under_way ON builds (state) WHERE state IN ('starting', 'running');
CREATE INDEX IF NOT EXISTS mails_due ON builds (id) WHERE mail = 'due';
"""
MAIL_TRIES = 10
"""A mail that was refused so many times is given up."""
MAILS_AT_ONCE = 20

Row = dict[str, Any]


def connect(path: str) -> sqlite3.Connection:
    """Open the database; it is made if it is not there."""
    connection = sqlite3.connect(path, timeout=30)
    prepare(connection)
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing, and let rows be read by name."""
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)


def enqueue(
    cursor: Any,
    builder: str,
    repository: str = "",
    branch: str | None = None,
    revision: str | None = None,
    requested_by: str | None = None,
) -> int:
    """Add a build to the end of the queue; returns its id."""
    cursor.execute(
        "INSERT INTO builds (builder, repository, branch, revision, requested_by) VALUES (?, ?, ?, ?, ?)",
        (builder, repository, branch, revision, requested_by),
    )
    build = cursor.lastrowid
    cursor.execute("INSERT INTO build_queue (build) VALUES (?)", (build,))
    return build


def heads(cursor: Any) -> list[Row]:
    """The first build in the queue of each builder."""
    return _rows(
        cursor,
        "SELECT builds.* FROM builds JOIN build_queue ON build = id WHERE position IN"
        " (SELECT min(position) FROM build_queue JOIN builds ON build = id GROUP BY builder) ORDER BY position",
    )


def under_way(cursor: Any) -> list[Row]:
    """The builds that the master was asked for, or was about to be asked for, and whose end is not known."""
    return _rows(cursor, "SELECT * FROM builds WHERE state IN ('starting', 'running') ORDER BY id")


def starting(cursor: Any, build: int) -> None:
    """The master is going to be asked for this build: from here on look for it there before asking again."""
    cursor.execute("UPDATE builds SET state = 'starting' WHERE id = ? AND state = 'queued'", (build,))


def started(cursor: Any, build: int, buildset: int) -> None:
    """The master has stored this build's buildset."""
    cursor.execute("UPDATE builds SET state = 'running', buildset = ? WHERE id = ?", (buildset, build))
    cursor.execute("DELETE FROM build_queue WHERE build = ?", (build,))


def finished(cursor: Any, build: int, state: str, begun: float | None, ended: float, url: str | None) -> bool:
    """The build has ended and its mail is due; False, changing nothing, if that was known already."""
    cursor.execute(
        "UPDATE builds SET state = ?, started_at = ?, finished_at = ?, url = ?, mail = 'due'"
        " WHERE id = ? AND finished_at IS NULL",
        (state, begun, ended, url, build),
    )
    changed = cursor.rowcount == 1
    cursor.execute("DELETE FROM build_queue WHERE build = ?", (build,))
    return changed


def mails_due(cursor: Any, again: bool) -> list[Row]:
    """The next builds whose mail was not tried yet, or, ``again``, that could not be sent."""
    return _rows(
        cursor,
        f"SELECT * FROM builds WHERE mail = 'due' AND (mail_tries = 0 OR {int(again)})"
        f" ORDER BY mail_tries, id LIMIT {MAILS_AT_ONCE}",
    )


def mailed(cursor: Any, build: int, sent: bool) -> None:
    """A mail was sent, or could not be."""
    cursor.execute(
        "UPDATE builds SET mail_tries = mail_tries + 1,"
        " mail = CASE WHEN ? THEN 'sent' WHEN mail_tries + 1 >= ? THEN 'failed' ELSE 'due' END WHERE id = ?",
        (sent, MAIL_TRIES, build),
    )


def _rows(cursor: Any, statement: str) -> list[Row]:
    return [dict(row) for row in cursor.execute(statement).fetchall()]


class BuildDatabase:
    """The database as the master uses it: one connection in a thread of its own."""

    def __init__(self, path: str, reactor: Any) -> None:
        self.path = path
        self._pool = adbapi.ConnectionPool(
            "sqlite3",
            path,
            timeout=30,
            check_same_thread=False,
            cp_min=1,
            cp_max=1,
            cp_openfun=prepare,
            cp_noisy=False,
            cp_reactor=reactor,
        )

    def run(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        """``function(cursor, *args)`` in a transaction; fires with its value after the commit."""
        return self._pool.runInteraction(function, *args)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._pool.close()
