"""What a write job sees of its transaction.

Rows given to :meth:`Txn.insert` and :meth:`Txn.update` are kept back and sent in groups, one statement for all rows of
a table, over all jobs of the batch.  :meth:`Txn.execute` runs at once; it first sends what was kept back, unless told
that its tables are not among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.ids import IdSource

_ORDER = {table.name: rank for rank, table in enumerate(schema.metadata.sorted_tables)}


def _default(column: sa.Column) -> Any:
    return column.default.arg if column.default is not None else None  # type: ignore[attr-defined]


_TEMPLATES = {t.name: {c.name: _default(c) for c in t.c} for t in schema.metadata.sorted_tables}
_INSERTS = {t.name: t.insert() for t in schema.metadata.sorted_tables}
_UPDATES: dict[tuple[str, str, tuple[str, ...]], sa.Update] = {}


def _update_statement(table: sa.Table, key: str, columns: tuple[str, ...]) -> sa.Update:
    address = (table.name, key, columns)
    statement = _UPDATES.get(address)
    if statement is None:
        values = {name: sa.bindparam("v_" + name, type_=table.c[name].type) for name in columns}
        statement = sa.update(table).where(table.c[key] == sa.bindparam("key_")).values(**values)
        _UPDATES[address] = statement
    return statement


class _Updates:
    """Updates of one table that set the same columns."""

    def __init__(self, table: sa.Table, key: str, columns: tuple[str, ...]) -> None:
        self.table, self.key, self.columns = table, key, columns
        self.rows: list[dict[str, Any]] = []

    def overlaps(self, table: sa.Table, columns: Iterable[str]) -> bool:
        return self.table is table and not set(self.columns).isdisjoint(columns)


class Txn:
    """One batch's transaction, handed to each of its jobs in turn; lives in the writer thread only."""

    def __init__(self, conn: sa.Connection, ids: IdSource, now: float, masterid: int | None, counters: Counter) -> None:
        self.conn = conn
        self.masterid = masterid
        self.facts: list[tuple[str, str, Mapping[str, Any]]] = []
        self._ids = ids
        self._now = now
        self._counters = counters
        self._inserts: dict[str, list[dict[str, Any]]] = {}
        self._updates: list[_Updates] = []

    def now(self) -> float:
        """Epoch seconds on the master's clock when the batch began."""
        return self._now

    def new_id(self, table: str) -> int:
        """The id that the next row of this table shall have."""
        return self._ids.next_id(table)

    def note(self, kind: str, event: str, **fields: Any) -> None:
        """Record a fact; it is stored in the journal and handed on when, and only when, this job is committed."""
        self.facts.append((kind, event, fields))

    def insert(self, table: sa.Table, **row: Any) -> None:
        """Add a row; columns not named get their declared default or NULL.  Sent with the batch's other rows."""
        self._inserts.setdefault(table.name, []).append({**_TEMPLATES[table.name], **row})

    def insert_many(self, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add several rows."""
        template = _TEMPLATES[table.name]
        full = [{**template, **row} for row in rows]
        if full:
            self._inserts.setdefault(table.name, []).extend(full)

    def update(self, table: sa.Table, key: Any, key_column: str = "id", **values: Any) -> None:
        """Set columns of the row with this key, unguarded.  Sent with the batch's other rows, in order.

        A row that waits to be inserted is inserted with these values.  For a guarded update, whose row count decides,
        use :meth:`execute`.
        """
        for waiting in reversed(self._inserts.get(table.name, ())):
            if waiting[key_column] == key:
                waiting.update(values)
                return
        columns = tuple(sorted(values))
        row = {"key_": key, **{"v_" + name: value for name, value in values.items()}}
        for group in reversed(self._updates):
            if group.table is table and group.key == key_column and group.columns == columns:
                group.rows.append(row)
                return
            if group.overlaps(table, columns):
                break
        group = _Updates(table, key_column, columns)
        group.rows.append(row)
        self._updates.append(group)

    def execute(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        touches: Sequence[sa.Table] | None = None,
    ) -> sa.CursorResult:
        """Run a statement now.

        ``touches`` names all tables that the statement reads or writes; if none of them has rows waiting, the waiting
        rows stay where they are.  Without it everything that waits is sent first.
        """
        if touches is None or self._waiting(touches):
            self.flush()
        self._counters["statements"] += 1
        return self.conn.execute(statement, parameters)

    def flush(self) -> None:
        """Send the rows that wait: inserts, referred-to tables first, then updates in their order."""
        if self._inserts:
            waiting, self._inserts = self._inserts, {}
            for name in sorted(waiting, key=_ORDER.__getitem__):
                self._counters["statements"] += 1
                self.conn.execute(_INSERTS[name], waiting[name])
        if self._updates:
            groups, self._updates = self._updates, []
            for group in groups:
                self._counters["statements"] += 1
                self.conn.execute(_update_statement(group.table, group.key, group.columns), group.rows)

    def _waiting(self, tables: Sequence[sa.Table]) -> bool:
        names = {table.name for table in tables}
        return not names.isdisjoint(self._inserts) or any(group.table.name in names for group in self._updates)
