"""Where new ids come from: known before the commit, so that rows can be written in groups and never read back.

On SQLite one process owns the file: ids continue after the highest one and stay dense.  On a database server several
masters share the tables, so each reserves blocks of ids from a counter row in a short transaction of its own; what is
left of a block at the end of a process is a gap, which is harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import sqlalchemy as sa

from buildmaster.db import schema

BLOCK = 100
"""How many ids a master takes from the counter at a time."""


class IdSource(Protocol):
    """Gives the next id of a table; safe to call from any thread."""

    def next_id(self, table: str) -> int: ...


class DenseIds:
    """Ids for the one process that writes to a database: the highest stored one, plus one."""

    def __init__(self, highest: dict[str, int]) -> None:
        self._last = highest
        self._lock = threading.Lock()

    @classmethod
    def load(cls, conn: sa.Connection) -> DenseIds:
        """Continue after what the tables hold."""
        highest = {t.name: conn.execute(sa.select(sa.func.max(t.c.id))).scalar() or 0 for t in schema.NUMBERED}
        return cls({name: max(0, found) for name, found in highest.items()})

    def next_id(self, table: str) -> int:
        with self._lock:
            self._last[table] = last = self._last[table] + 1
        return last


class BlockIds:
    """Ids for one of several masters.

    ``reserve(table, count)`` returns the first id of a block of ``count`` that nobody else will get; it commits in a
    transaction of its own and may block for a moment.
    """

    def __init__(self, reserve: Callable[[str, int], int], block: int = BLOCK) -> None:
        self._reserve = reserve
        self._block = block
        self._free: dict[str, tuple[int, int]] = {}
        self._locks = {t.name: threading.Lock() for t in schema.NUMBERED}

    def preload(self, tables: Iterable[str]) -> None:
        """Take a first block for these tables now, so that the first caller need not wait."""
        for table in tables:
            with self._locks[table]:
                self._refill(table)

    def next_id(self, table: str) -> int:
        with self._locks[table]:
            first, end = self._free.get(table, (0, 0))
            if first >= end:
                first, end = self._refill(table)
            self._free[table] = (first + 1, end)
        return first

    def _refill(self, table: str) -> tuple[int, int]:
        first = self._reserve(table, self._block)
        self._free[table] = (first, first + self._block)
        return self._free[table]


def reserve_block(conn: sa.Connection, name: str, count: int) -> int:
    """Take ``count`` ids of a table from its counter row, inside the caller's transaction; returns the first."""
    blocks, table = schema.id_blocks, schema.metadata.tables[name]
    taken = conn.execute(
        sa.update(blocks).where(blocks.c.name == name).values(next_id=blocks.c.next_id + count)
    ).rowcount
    if not taken:
        first = (conn.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0) + 1
        conn.execute(sa.insert(blocks).values(name=name, next_id=first + count))
        return first
    return int(conn.execute(sa.select(blocks.c.next_id).where(blocks.c.name == name)).scalar_one()) - count
