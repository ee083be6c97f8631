"""Storing rows that come from elsewhere, a table at a time: what copying and importing share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from buildmaster.db import schema
from buildmaster.db.migrate import SchemaError

GROUP_ROWS = 1000
GROUP_BYTES = 4 * 1024 * 1024
"""How much is written in one transaction at most."""

REPORT_ROWS = 100_000
"""After how many rows of a table its progress is told."""

Say = Callable[[str], None]
Row = dict[str, Any]


class NotEmpty(SchemaError):
    """The destination holds data."""


class CopyFailed(Exception):
    """Rows could not be stored; the message names their table and the mend."""


def must_be_empty(conn: sa.Connection) -> None:
    """Raise :class:`NotEmpty` if any table has rows, but for the one that a fresh journal begins with."""
    with conn.begin():
        for table in schema.metadata.sorted_tables:
            query = sa.select(sa.literal(1)).select_from(table)
            if table is schema.journal_head:
                query = query.where(table.c.position > 0)
            if conn.execute(query.limit(1)).first() is not None:
                raise NotEmpty(f"the destination is not empty (its table {table.name!r} has rows): name an empty one")


class Storing:
    """Stores the rows of one table through a connection of its own.

    Rows that refer to rows which do not exist raise :class:`CopyFailed`, or are left out with ``skip_orphans``.
    """

    def __init__(self, table: sa.Table, new: sa.Connection, say: Say, skip_orphans: bool) -> None:
        self._table, self._new, self._say = table, new, say
        self._skip_orphans = skip_orphans
        self._insert = sa.insert(table)
        # a row may refer to a later one of its own table: such references are set when all rows are there
        self._own = [key.parent.name for key in table.foreign_keys if key.column.table is table]
        self._later: list[Row] = []
        self._stored = self._skipped = 0

    def run(self, rows: Iterable[Row]) -> int:
        """Store the rows in groups, each in one transaction; returns how many."""
        for group in groups(iter(rows)):
            before = self._stored // REPORT_ROWS
            self._store(group)
            if self._stored // REPORT_ROWS > before:
                self._say(f"{self._table.name}: {self._stored} rows so far")
        for group in groups(iter(self._later)):
            self._refer(group)
        left_out = f", {self._skipped} left out that refer to rows which do not exist" if self._skipped else ""
        self._say(f"{self._table.name}: {self._stored} rows{left_out}")
        return self._stored

    def _store(self, group: list[Row]) -> None:
        for row in group:
            given = {name: row[name] for name in self._own if row[name] is not None}
            if given:
                self._later.append({**_key(self._table, row), **given})
                row.update(dict.fromkeys(given))
        if self._written(group):
            return
        for row in group:
            if not self._written([row]):
                self._skipped += 1

    def _written(self, group: list[Row]) -> bool:
        """Whether the rows could be stored; raises CopyFailed if not, unless that is what may be skipped."""
        try:
            with self._new.begin():
                self._new.execute(self._insert, group)
        except Exception as e:
            if self._skip_orphans and _is_orphan(e):
                return False
            raise self._failed(group, e) from e
        self._stored += len(group)
        return True

    def _refer(self, group: list[Row]) -> None:
        try:
            self._set(group)
        except Exception as e:
            if not _is_orphan(e):
                raise self._failed(group, e) from e
            for row in group:
                self._set_alone(row)

    def _set_alone(self, row: Row) -> None:
        try:
            self._set([row])
        except Exception as e:
            if not (self._skip_orphans and _is_orphan(e)):  # else it stays without
                raise self._failed([row], e) from e

    def _set(self, group: list[Row]) -> None:
        keys = self._table.primary_key.columns
        with self._new.begin():
            for row in group:
                wanted = {name: row[name] for name in self._own if name in row}
                self._new.execute(sa.update(self._table).where(*(key == row[key.name] for key in keys)).values(wanted))

    def _failed(self, group: list[Row], why: Exception) -> CopyFailed:
        first, last = (_key(self._table, row) for row in (group[0], group[-1]))
        where = f"{first}" if first == last else f"{first} to {last}"
        mend = ". With --ignore-fk-error-rows rows that refer to missing ones are left out" if _is_orphan(why) else ""
        return CopyFailed(
            f"table {self._table.name!r}, rows {where}: {getattr(why, 'orig', why)}{mend}. Empty the destination "
            "before the next attempt"
        )


def groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows in groups of bounded number and size."""
    for row in rows:
        group, size = [row], _size(row)
        for another in itertools.islice(rows, GROUP_ROWS - 1):
            group.append(another)
            size += _size(another)
            if size > GROUP_BYTES:
                break
        yield group


def _size(row: Row) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str | bytes))


def _key(table: sa.Table, row: Row) -> Row:
    return {column.name: row[column.name] for column in table.primary_key.columns}


def _is_orphan(error: Exception) -> bool:
    """Whether a row was refused because it refers to one that does not exist."""
    if not isinstance(error, exc.DBAPIError):
        return False
    original: Any = error.orig
    if getattr(original, "sqlstate", None) == "23503":
        return True
    first = original.args[0] if original is not None and original.args else None
    return first == 1452 or "FOREIGN KEY constraint failed" in str(original)
