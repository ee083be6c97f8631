"""The tables that :class:`~buildmaster.steps.mtrlogobserver.MTR` writes, in a database of the user's.

It is reached through a module of Python's database interface (PEP 249): MySQLdb, pymysql, psycopg2, sqlite3 and their
like.  Columns may be added to the tables; those named here must stay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs

NAME, VARIANT, INFO, KIND = 100, 64, 255, 32
"""Characters that a column holds; longer text is cut."""


@attrs.frozen
class TestFailure:
    """A test that failed: its name with the suite, its combination (``innodb``), the remark on its line, the text."""

    __test__ = False  # not for test collectors that go by the name

    name: str
    variant: str
    info: str
    text: list[str] = attrs.field(factory=list)


@attrs.frozen
class TestRun:
    """One run: of which branch and revision, by which builder (``platform``), when (epoch seconds)."""

    __test__ = False

    branch: str | None
    revision: str | None
    platform: str
    number: int
    kind: str
    info: str
    seconds: float


def create_tables(txn: Any, dbapi: Any) -> None:
    """Make the tables that are not there yet."""
    txn.execute(
        f"CREATE TABLE IF NOT EXISTS test_run (id {_serial(dbapi)}, branch VARCHAR({NAME}), revision VARCHAR(256), "
        f"platform VARCHAR({NAME}) NOT NULL, dt {_time(dbapi)} NOT NULL, bbnum INT NOT NULL, "
        f"typ VARCHAR({KIND}) NOT NULL, info VARCHAR({INFO}))"
    )
    txn.execute(
        f"CREATE TABLE IF NOT EXISTS test_failure (test_run_id INT NOT NULL, test_name VARCHAR({NAME}) NOT NULL, "
        f"test_variant VARCHAR({VARIANT}) NOT NULL, info_text VARCHAR({INFO}), failure_text TEXT, "
        "PRIMARY KEY (test_run_id, test_name, test_variant))"
    )
    txn.execute(
        "CREATE TABLE IF NOT EXISTS test_warnings (test_run_id INT NOT NULL, list_id INT NOT NULL, "
        f"list_idx INT NOT NULL, test_name VARCHAR({NAME}) NOT NULL, PRIMARY KEY (test_run_id, list_id, list_idx))"
    )


def insert_run(txn: Any, dbapi: Any, run: TestRun, failures: list[TestFailure], warnings: list[list[str]]) -> int:
    """Add a run with its failures and its lists of tests that warnings at a server's end belong to; its id."""
    number = _insert_test_run(txn, dbapi, run)
    for failure in failures:
        row = (number, failure.name[:NAME], failure.variant[:VARIANT], failure.info[:INFO], "\n".join(failure.text))
        columns = "test_run_id, test_name, test_variant, info_text, failure_text"
        txn.execute(f"INSERT INTO test_failure ({columns}) VALUES ({_marks(dbapi, len(row))})", row)
    for list_number, tests in enumerate(warnings):
        for place, name in enumerate(tests):
            warning = (number, list_number, place, name[:NAME])
            columns = "test_run_id, list_id, list_idx, test_name"
            txn.execute(f"INSERT INTO test_warnings ({columns}) VALUES ({_marks(dbapi, len(warning))})", warning)
    return number


def _insert_test_run(txn: Any, dbapi: Any, run: TestRun) -> int:
    at = datetime.fromtimestamp(run.seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    row = (run.branch, run.revision, run.platform[:NAME], at, run.number, run.kind[:KIND], str(run.info)[:INFO])
    statement = (
        f"INSERT INTO test_run (branch, revision, platform, dt, bbnum, typ, info) VALUES ({_marks(dbapi, len(row))})"
    )
    if _is_postgres(dbapi):
        txn.execute(f"{statement} RETURNING id", row)
        return int(txn.fetchone()[0])
    txn.execute(statement, row)
    return int(txn.lastrowid)


def _marks(dbapi: Any, count: int) -> str:
    """So many placeholders, as this interface writes them."""
    return ", ".join(["?" if dbapi.paramstyle == "qmark" else "%s"] * count)


def _is_postgres(dbapi: Any) -> bool:
    return str(dbapi.__name__).startswith(("psycopg", "pg8000"))


def _serial(dbapi: Any) -> str:
    if _is_postgres(dbapi):
        return "SERIAL PRIMARY KEY"
    return "INTEGER PRIMARY KEY" if dbapi.__name__ == "sqlite3" else "INTEGER PRIMARY KEY AUTO_INCREMENT"


def _time(dbapi: Any) -> str:
    return "TIMESTAMP" if _is_postgres(dbapi) else "DATETIME"
