"""Which older requests a new one makes superfluous: found by the key that they must share, or by a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.base.results import SKIPPED
from buildmaster.db import ending, reasons, requests, schema
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_requests = schema.buildrequests

HOLD_SECONDS = 60.0
"""How long a request waits for the verdict of a custom collapse function before it is released without."""

_with_key = sa.select(_requests.c.id).where(
    _requests.c.state.in_([int(state) for state in requests.OPEN]),
    _requests.c.builderid == sa.bindparam("builder_"),
    _requests.c.collapse_key == sa.bindparam("key_"),
    _requests.c.retries == 0,
)


def pending_with_key(txn: Txn, builderid: int, key: str) -> list[int]:
    """The unclaimed requests of this builder that have this collapse key.

    One whose build was interrupted is not among them: it gets the build that it had, whenever the interruption came.
    """
    # rows of other keys may go on waiting to be sent; they can't be among those looked for
    touches = None if memory_of(txn).get(("pending", builderid, key)) else ()
    return list(txn.execute(_with_key, {"builder_": builderid, "key_": key}, touches=touches).scalars())


def open_before(conn: sa.Connection, builderid: int, requestid: int) -> list[Request]:
    """The unclaimed requests of a builder that are older than this one, oldest first; none that is being retried."""
    query = (
        sa.select(_requests)
        .where(
            _requests.c.builderid == builderid,
            _requests.c.state.in_([int(state) for state in requests.OPEN]),
            _requests.c.id < requestid,
            _requests.c.retries == 0,
        )
        .order_by(_requests.c.id)
    )
    return [requests.from_row(row) for row in conn.execute(query)]


def supersede(txn: Txn, older: Sequence[int], newer: int) -> list[int]:
    """End those of the older requests that are still unclaimed as SKIPPED, naming their successor.

    Returns the ids of those that were ended.
    """
    ended = ending.complete_in(txn, older, SKIPPED, txn.now(), states=requests.OPEN, superseded_by=newer)
    for requestid in ended:
        detail = {"superseded_by": newer}
        reasons.record(txn, "buildrequest", requestid, "collapser", "superseded", detail)
    return ended


def release(txn: Txn, requestid: int, superfluous: Sequence[int], why: str | None = None) -> bool:
    """Let a held request into the queue, ending those older ones that the verdicts found superfluous.

    ``why`` says, for the record, that there was no verdict (a deadline passed, the callable raised).  Returns False,
    changing nothing, if the request is not held any more.
    """
    moved = txn.execute(
        sa.update(_requests)
        .where(_requests.c.id == requestid, _requests.c.state == RequestState.HELD)
        .values(state=int(RequestState.PENDING))
    ).rowcount
    if not moved:
        return False
    if superfluous:
        supersede(txn, superfluous, requestid)
    if why is not None:
        reasons.record(txn, "buildrequest", requestid, "collapser", "not asked", {"why": why})
    request = requests.get(txn.conn, requestid)
    assert request is not None
    requests.note(txn, "update", request)
    return True
