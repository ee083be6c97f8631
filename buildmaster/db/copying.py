"""Copying a whole database into an empty one, of the same or of another kind.

The source is read in one transaction, so that the copy is of one instant; the destination is written in groups of rows.
Tables come after those that they refer to.  Counters of ids are left out: they begin anew after the highest ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from buildmaster.db import dialects, migrate, schema
from buildmaster.db.storing import GROUP_ROWS, Row, Say, Storing, must_be_empty

_SELF_MADE = frozenset({"id_blocks"})


def copy(
    source: sa.URL,
    destination: sa.URL,
    say: Say,
    skip_orphans: bool = False,
    source_kwargs: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Copy all rows; returns how many of each table.

    ``say`` is called with a line now and then.  Rows that refer to rows which do not exist end the copy, or are left
    out with ``skip_orphans``.  Raises :class:`~.migrate.SchemaError`, having changed nothing, unless the source is of
    this revision and the destination empty, and :class:`~.storing.CopyFailed`.
    """
    reading, writing = dialects.create_engine(source, False, source_kwargs), dialects.create_engine(destination, True)
    try:
        with one_instant(reading).connect() as old, writing.connect() as new:
            migrate.check(old)
            migrate.check(new, create=True)
            must_be_empty(new)
            with new.begin():
                new.execute(sa.delete(schema.journal_head))
            copied = {}
            with old.begin():
                for table in schema.metadata.sorted_tables:
                    if table.name not in _SELF_MADE:
                        copied[table.name] = Storing(table, new, say, skip_orphans).run(_rows(table, old))
            return copied
    finally:
        reading.dispose()
        writing.dispose()


def one_instant(engine: sa.Engine) -> sa.Engine:
    """The engine with transactions that see the database as it was at their beginning."""
    if engine.url.get_backend_name() == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _rows(table: sa.Table, old: sa.Connection) -> Iterator[Row]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    result = old.execute(query, execution_options={"stream_results": True, "yield_per": GROUP_ROWS})
    return (dict(row) for row in result.mappings())
