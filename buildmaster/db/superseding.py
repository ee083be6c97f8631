"""What services that cancel builds look at: the requests of some builders that have not ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.records import SourceStamp
from buildmaster.db import included, schema, sourcestamps

_requests, _builders = schema.buildrequests, schema.builders

PART = 500


@attrs.frozen
class OpenRequest:
    """A request that waits or is being built."""

    requestid: int
    builder: str  # its name
    buildsetid: int
    stamps: Sequence[SourceStamp]
    newest_change: int = 0  # the id of the newest change it includes; 0 if there is none


def of_builders(conn: sa.Connection, builders: Iterable[str]) -> list[OpenRequest]:
    """All requests of these builders (by name) that have not ended, oldest first."""
    wanted = sorted(set(builders))
    rows: list[sa.Row] = []
    for start in range(0, len(wanted), PART):
        rows += conn.execute(_open().where(_builders.c.name.in_(wanted[start : start + PART]))).all()
    return _whole(conn, rows)


def of_buildset(conn: sa.Connection, buildsetid: int) -> list[OpenRequest]:
    """The requests of a buildset that have not ended."""
    return _whole(conn, conn.execute(_open().where(_requests.c.buildsetid == buildsetid)).all())


def with_failures(conn: sa.Connection, results: Sequence[int]) -> list[tuple[int, str]]:
    """(buildset id, builder) of requests that ended with one of these results while others of theirs have not."""
    waiting = _requests.alias("waiting")
    unfinished = (
        sa.select(waiting.c.id)
        .where(waiting.c.buildsetid == _requests.c.buildsetid, waiting.c.state != RequestState.COMPLETE)
        .exists()
    )
    open_sets = sa.select(schema.buildsets.c.id).where(schema.buildsets.c.complete == 0)
    query = (
        sa.select(_requests.c.buildsetid, _builders.c.name)
        .join(_builders, _builders.c.id == _requests.c.builderid)
        .where(_requests.c.buildsetid.in_(open_sets), _requests.c.results.in_(list(results)), unfinished)
        .order_by(_requests.c.id)
    )
    return [(row.buildsetid, row.name) for row in conn.execute(query)]


def stamps_of(conn: sa.Connection, buildsetid: int) -> list[SourceStamp]:
    """The source stamps of a buildset."""
    return sourcestamps.of_buildsets(conn, [buildsetid])[buildsetid]


def _open() -> sa.Select:
    return (
        sa.select(_requests.c.id, _requests.c.buildsetid, _builders.c.name)
        .join(_builders, _builders.c.id == _requests.c.builderid)
        .where(_requests.c.state != RequestState.COMPLETE)
        .order_by(_requests.c.id)
    )


def _whole(conn: sa.Connection, rows: Sequence[sa.Row]) -> list[OpenRequest]:
    stamps = sourcestamps.of_buildsets(conn, [row.buildsetid for row in rows])
    changes = included.change_ids_of_many(conn, [row.id for row in rows]) if rows else {}
    return [
        OpenRequest(row.id, row.name, row.buildsetid, tuple(stamps[row.buildsetid]), max(changes[row.id], default=0))
        for row in sorted(rows)
    ]
