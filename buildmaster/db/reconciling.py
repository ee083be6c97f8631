"""What of the rows no longer agrees with what runs, and how it is ended."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.results import RETRY
from buildmaster.db import builds, buildsets, requests, schema
from buildmaster.db.txn import Txn


@attrs.frozen
class Findings:
    """What differs between the rows and what runs."""

    orphaned_builds: Sequence[builds.BuildRow] = ()  # this master's, run by nobody
    orphaned_claims: Sequence[int] = ()  # requests that this master has without a build
    overdue_holds: Sequence[int] = ()  # requests whose collapse verdict did not come
    finished_buildsets: Sequence[int] = ()  # incomplete, though all their requests are complete


def survey(conn: sa.Connection, masterid: int, held_since: float) -> Findings:
    """Look for what may have to be mended; requests that have been held since before ``held_since`` are overdue."""
    return Findings(
        builds.find(conn, masterid=masterid, complete=False),
        orphaned_claims(conn, masterid),
        [r.requestid for r in requests.in_state(conn, RequestState.HELD) if r.submitted_at < held_since],
        buildsets.overdue(conn),
    )


def orphaned_claims(conn: sa.Connection, masterid: int) -> list[int]:
    """Requests that this master claimed and for which no build runs."""
    requests, builds = schema.buildrequests.c, schema.builds.c
    runs = sa.select(builds.id).where(builds.buildrequestid == requests.id, builds.complete == 0).exists()
    query = sa.select(requests.id).where(
        requests.state == RequestState.CLAIMED, requests.claimed_by_masterid == masterid, ~runs
    )
    return list(conn.execute(query).scalars())


def abandoned_requests(conn: sa.Connection) -> list[int]:
    """Open requests that a build waited for which has ended for good, so that nobody waits for them any more."""
    child, parent = schema.buildrequests, schema.buildrequests.alias("parent")
    sets, parent_build = schema.buildsets, schema.builds
    query = (
        sa.select(child.c.id)
        .join(sets, sets.c.id == child.c.buildsetid)
        .join(parent_build, parent_build.c.id == sets.c.parent_buildid)
        .join(parent, parent.c.id == parent_build.c.buildrequestid)
        .where(
            child.c.state != RequestState.COMPLETE,
            child.c.waited_for == 1,
            parent_build.c.complete == 1,
            parent.c.state == RequestState.COMPLETE,
        )
        .order_by(child.c.id)
    )
    return list(conn.execute(query).scalars())


def end_orphan(txn: Txn, row: builds.BuildRow) -> None:
    """End a build that nobody runs, with its steps and logs; its request is pending again."""
    ended = attrs.evolve(
        row, complete=True, complete_at=txn.now(), results=RETRY, state_string="interrupted, will be retried"
    )
    if not builds.finish(txn, ended, [row.buildrequestid]):
        return
    steps, logs = schema.steps, schema.logs
    unfinished = sa.select(steps.c.id).where(steps.c.buildid == row.buildid)
    txn.execute(sa.update(logs).where(logs.c.stepid.in_(unfinished), logs.c.complete == 0).values(complete=1))
    txn.execute(
        sa.update(steps)
        .where(steps.c.buildid == row.buildid, steps.c.complete == 0)
        .values(complete=1, complete_at=txn.now(), results=RETRY)
    )
