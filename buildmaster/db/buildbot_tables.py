"""Reading a Buildbot database: its tables as they are, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from buildmaster.base.results import RETRY

OldRow = Mapping[str, Any]
"""A row as it is there, by column."""

PAGE = 500
"""How many rows are read at a time."""


class BuildbotDatabase:
    """Reads the tables of a Buildbot database through a connection whose transaction sees one instant."""

    def __init__(self, conn: sa.Connection) -> None:
        self.conn = conn
        self._tables = sa.MetaData()
        self._tables.reflect(conn)

    def __contains__(self, name: str) -> bool:
        return name in self._tables.tables

    def table(self, name: str) -> sa.Table:
        """A table as it is there."""
        return self._tables.tables[name]

    def pages(self, name: str, key: str = "id") -> Iterator[list[OldRow]]:
        """The rows in groups, ordered by a unique column; none if there is no such table."""
        if name not in self:
            return
        table = self.table(name)
        query = sa.select(table).order_by(table.c[key]).limit(PAGE)
        page = self._read(query)
        while page:
            yield page
            page = self._read(query.where(table.c[key] > page[-1][key]))

    def rows(self, name: str, key: str = "id") -> Iterator[OldRow]:
        """The rows, ordered by a unique column."""
        for page in self.pages(name, key):
            yield from page

    def beside(self, page: list[OldRow], name: str, column: str, key: str = "id") -> dict[int, list[OldRow]]:
        """The rows of another table whose ``column`` refers to the ``key`` of a page's rows, by that key."""
        found: dict[int, list[OldRow]] = {}
        if name in self:
            table = self.table(name)
            of_page = table.c[column].between(page[0][key], page[-1][key])
            for row in self._read(sa.select(table).where(of_page)):
                found.setdefault(row[column], []).append(row)
        return found

    def belonging(self, to: str, name: str, column: str, key: str = "id") -> Iterator[OldRow]:
        """The rows of a table without a key of its own, whose ``column`` refers to the ``key`` of the table ``to``."""
        for page in self.pages(to, key):
            for rows in self.beside(page, name, column, key).values():
                yield from rows

    def among(self, name: str, column: str, ids: Iterable[int]) -> dict[int, OldRow]:
        """The rows of a table with these ids, by id."""
        table, wanted = self.table(name), sorted(set(ids))
        parts = (wanted[start : start + PAGE] for start in range(0, len(wanted), PAGE))
        return {
            row[column]: row for part in parts for row in self._read(sa.select(table).where(table.c[column].in_(part)))
        }

    def names(self, name: str, column: str) -> dict[int, str]:
        """The texts of a table of names, by id."""
        return {row["id"]: row[column] for row in self.rows(name)}

    def chunks(self) -> Iterator[OldRow]:
        """The pieces of all logs with ``type``, their log's, in order."""
        logs, chunks = self.table("logs"), self.table("logchunks")
        query = (
            sa.select(chunks, logs.c.type)
            .join(logs, logs.c.id == chunks.c.logid)
            .order_by(chunks.c.logid, chunks.c.first_line)
        )
        result = self.conn.execute(query, execution_options={"stream_results": True, "yield_per": 50})
        yield from result.mappings()

    def _read(self, query: sa.Select) -> list[OldRow]:
        found: Iterable[Any] = self.conn.execute(query).mappings()
        return list(found)

    def compressions(self) -> set[int]:
        """The numbers of the compressions that logs have there."""
        return set(self.conn.execute(sa.select(self.table("logchunks").c.compressed).distinct()).scalars())

    # -- what was going on ---

    def interrupted_builds(self) -> set[int]:
        """The builds that have no end."""
        builds = self.table("builds")
        return set(self.conn.execute(sa.select(builds.c.id).where(builds.c.complete_at.is_(None))).scalars())

    def ends_of_open_requests(self) -> dict[int, tuple[int, int | None]]:
        """What an unfinished request's last build came to, where that is final: results and time."""
        builds, requests = self.table("builds"), self.table("buildrequests")
        query = (
            sa.select(requests.c.id, builds.c.results, builds.c.complete_at)
            .join(builds, builds.c.buildrequestid == requests.c.id)
            .where(requests.c.complete == 0)
            .order_by(builds.c.id)
        )
        last = {row[0]: (row[1], row[2]) for row in self.conn.execute(query)}
        return {number: end for number, end in last.items() if end[0] not in (None, RETRY) and end[1] is not None}

    def orphaned_requests(self) -> set[int]:
        """Unfinished requests that an interrupted build waited for: that build begins anew and asks for others."""
        builds, sets, requests = self.table("builds"), self.table("buildsets"), self.table("buildrequests")
        query = (
            sa.select(requests.c.id)
            .join(sets, sets.c.id == requests.c.buildsetid)
            .join(builds, builds.c.id == sets.c.parent_buildid)
            .where(requests.c.complete == 0, requests.c.waited_for == 1, builds.c.complete_at.is_(None))
        )
        return set(self.conn.execute(query).scalars())
