"""Builds: one run of a builder's steps for one or more requests.

A running build keeps its :class:`BuildRow` in memory and hands it to each write, so nothing that was just written is
read back, and every fact carries the whole row as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import BUILD_MOVES, BuildState, check_move
from buildmaster.base.results import RETRY, SUCCESS
from buildmaster.db import build_properties, claiming, ending, schema
from buildmaster.db.txn import Txn

_builds = schema.builds


@attrs.frozen
class BuildRow:
    """A build as it is stored."""

    buildid: int
    number: int  # counts the builder's builds from 1
    builderid: int
    buildrequestid: int
    workerid: int | None
    masterid: int
    started_at: float  # epoch seconds
    state_string: str
    epoch: int = 0  # which life of the master runs it
    complete: bool = False
    complete_at: float | None = None
    locks_duration_s: int = 0  # whole seconds spent waiting for locks, its steps' included
    results: int | None = None

    @property
    def state(self) -> BuildState:
        """Where it stands in :data:`~buildmaster.base.moves.BUILD_MOVES`."""
        return BuildState.COMPLETE if self.complete else BuildState.RUNNING

    def fields(self) -> dict[str, Any]:
        """What facts about this build carry."""
        fields = attrs.asdict(self)
        del fields["epoch"]
        return fields


def from_row(row: Any) -> BuildRow:
    """A stored build, of a row with all columns of the table."""
    return BuildRow(
        buildid=row.id,
        number=row.number,
        builderid=row.builderid,
        buildrequestid=row.buildrequestid,
        workerid=row.workerid,
        masterid=row.masterid,
        started_at=row.started_at,
        state_string=row.state_string,
        epoch=row.epoch,
        complete=bool(row.complete),
        complete_at=row.complete_at,
        locks_duration_s=row.locks_duration_s,
        results=row.results,
    )


# -- writing -------------------------------------------------------------------------------------------------------


_highest_number = sa.select(sa.func.max(_builds.c.number)).where(_builds.c.builderid == sa.bindparam("builderid_"))


def next_number(txn: Txn, builderid: int) -> int:
    """The number that the builder's next build shall have."""
    highest = txn.execute(_highest_number, {"builderid_": builderid}, touches=(_builds,)).scalar()
    return (highest or 0) + 1


def add(
    txn: Txn,
    builderid: int,
    buildrequestid: int,
    workerid: int | None,
    masterid: int,
    state_string: str = "created",
    number: int | None = None,
    buildid: int | None = None,
    epoch: int = 0,
) -> BuildRow:
    """Store a new build, by default with the builder's next number.

    Fails on the unique (builder, number) if another master took that number first; the job may then be run again.
    """
    row = BuildRow(
        buildid=buildid if buildid is not None else txn.new_id("builds"),
        number=number if number is not None else next_number(txn, builderid),
        builderid=builderid,
        buildrequestid=buildrequestid,
        workerid=workerid,
        masterid=masterid,
        started_at=txn.now(),
        state_string=state_string,
        epoch=epoch,
    )
    values = attrs.asdict(row)
    values["id"] = values.pop("buildid")
    values["complete"] = 0
    txn.insert(_builds, **values)
    txn.note("build", "new", **row.fields())
    return row


def set_state_string(txn: Txn, row: BuildRow) -> None:
    """Store what a running build is doing."""
    txn.update(_builds, row.buildid, state_string=row.state_string)
    txn.note("build", "update", **row.fields())


def set_worker(txn: Txn, row: BuildRow) -> None:
    """Store the worker of a build that was added before one was chosen."""
    txn.update(_builds, row.buildid, workerid=row.workerid)
    txn.note("build", "update", **row.fields())


def add_locks_duration(txn: Txn, buildid: int, seconds: int) -> None:
    """Add to the time that a build, or its steps, waited for locks."""
    txn.execute(
        sa.update(_builds).where(_builds.c.id == buildid).values(locks_duration_s=_builds.c.locks_duration_s + seconds),
        touches=(_builds,),
    )


_finish = (
    sa.update(_builds)
    .where(_builds.c.id == sa.bindparam("id_"), _builds.c.complete == 0)
    .values(
        complete=1,
        complete_at=sa.bindparam("complete_at_"),
        results=sa.bindparam("results_"),
        state_string=sa.bindparam("state_string_"),
        locks_duration_s=sa.bindparam("locks_duration_s_"),
    )
)


def finish(
    txn: Txn,
    row: BuildRow,
    request_ids: Sequence[int] = (),
    properties: Mapping[str, tuple[Any, str]] | None = None,
) -> bool:
    """The end of a build, of its requests and of their buildsets, in one transaction.

    ``row`` is the finished row.  With the result RETRY the requests go back into the queue instead.  Returns False,
    changing nothing, if the build had ended already (its master was thought dead, say).
    """
    check_move(BUILD_MOVES, BuildState.RUNNING, row.state)
    values = {
        "id_": row.buildid,
        "complete_at_": row.complete_at,
        "results_": row.results,
        "state_string_": row.state_string,
        "locks_duration_s_": row.locks_duration_s,
    }
    if txn.execute(_finish, values, touches=(_builds,)).rowcount != 1:
        return False
    if properties is not None:
        build_properties.replace(txn, row.buildid, properties)
    txn.note("build", "finished", **row.fields())
    _settle_requests(txn, row, request_ids)
    return True


def _settle_requests(txn: Txn, row: BuildRow, request_ids: Sequence[int]) -> None:
    assert row.results is not None and row.complete_at is not None
    if not request_ids:
        return
    if row.results == RETRY:
        claiming.release_in(txn, list(request_ids), count_retry=True)
    else:
        ending.complete_in(txn, list(request_ids), row.results, row.complete_at)


def finish_by_id(txn: Txn, buildid: int, results: int) -> bool:
    """End a build of which only the id is known; its requests are left alone.  False if it had ended already."""
    txn.flush()
    row = get(txn.conn, buildid)
    if row is None or row.complete:
        return False
    return finish(txn, attrs.evolve(row, complete=True, complete_at=txn.now(), results=results))


def want_stopped(txn: Txn, buildid: int, reason: str, actor: str = "user") -> bool:
    """Somebody wants a build to end: should it be interrupted before that, its request is not built again.

    False if it has ended already.
    """
    txn.flush()
    row = get(txn.conn, buildid)
    if row is None or row.complete:
        return False
    ending.cancel(txn, row.buildrequestid, reason, actor)
    return True


# -- reading -------------------------------------------------------------------------------------------------------


def get(conn: sa.Connection, buildid: int) -> BuildRow | None:
    """The build with this id."""
    row = conn.execute(sa.select(_builds).where(_builds.c.id == buildid)).first()
    return from_row(row) if row else None


def get_by_number(conn: sa.Connection, builderid: int, number: int) -> BuildRow | None:
    """The builder's build with this number."""
    where = (_builds.c.builderid == builderid, _builds.c.number == number)
    row = conn.execute(sa.select(_builds).where(*where)).first()
    return from_row(row) if row else None


def find(
    conn: sa.Connection,
    builderid: int | None = None,
    buildrequestid: int | None = None,
    workerid: int | None = None,
    masterid: int | None = None,
    complete: bool | None = None,
    limit: int | None = None,
) -> list[BuildRow]:
    """Builds that match all that is given, in order of their ids."""
    query = sa.select(_builds).order_by(_builds.c.id)
    for column, wanted in (
        (_builds.c.builderid, builderid),
        (_builds.c.buildrequestid, buildrequestid),
        (_builds.c.workerid, workerid),
        (_builds.c.masterid, masterid),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if complete is not None:
        query = query.where(_builds.c.complete == int(complete))
    return [from_row(row) for row in conn.execute(query.limit(limit) if limit is not None else query)]


def for_change(conn: sa.Connection, changeid: int) -> list[BuildRow]:
    """Builds whose buildset has the source stamp of this change."""
    query = (
        sa.select(_builds)
        .join(schema.buildrequests, schema.buildrequests.c.id == _builds.c.buildrequestid)
        .join(
            schema.buildset_sourcestamps,
            schema.buildset_sourcestamps.c.buildsetid == schema.buildrequests.c.buildsetid,
        )
        .join(schema.changes, schema.changes.c.sourcestampid == schema.buildset_sourcestamps.c.sourcestampid)
        .where(schema.changes.c.id == changeid)
        .order_by(_builds.c.id)
        .distinct()
    )
    return [from_row(row) for row in conn.execute(query)]


def triggered(conn: sa.Connection, buildid: int) -> list[BuildRow]:
    """Builds of the buildsets that this build caused."""
    query = (
        sa.select(_builds)
        .join(schema.buildrequests, schema.buildrequests.c.id == _builds.c.buildrequestid)
        .join(schema.buildsets, schema.buildsets.c.id == schema.buildrequests.c.buildsetid)
        .where(schema.buildsets.c.parent_buildid == buildid)
        .order_by(_builds.c.id)
    )
    return [from_row(row) for row in conn.execute(query)]


def previous_successful(
    conn: sa.Connection, builderid: int, number: int, sources: Iterable[tuple[str, str | None, str]]
) -> BuildRow | None:
    """The newest successful build before ``number`` of exactly these (repository, branch, codebase)."""
    wanted = set(sources)
    query = (
        sa.select(_builds)
        .where(_builds.c.builderid == builderid, _builds.c.number < number, _builds.c.results == SUCCESS)
        .order_by(_builds.c.number.desc())
        .limit(100)
    )
    for row in conn.execute(query):
        if _sources_of(conn, row.buildrequestid) == wanted:
            return from_row(row)
    return None


def _sources_of(conn: sa.Connection, buildrequestid: int) -> set[tuple[str, str | None, str]]:
    stamps, links, asked = schema.sourcestamps, schema.buildset_sourcestamps, schema.buildrequests
    query = (
        sa.select(stamps.c.repository, stamps.c.branch, stamps.c.codebase)
        .join(links, links.c.sourcestampid == stamps.c.id)
        .join(asked, asked.c.buildsetid == links.c.buildsetid)
        .where(asked.c.id == buildrequestid)
    )
    return {(row.repository, row.branch, row.codebase) for row in conn.execute(query)}
