"""Build requests: their rows as records and as the fields of facts, added, read and given a priority.

Requests move between held, pending, claimed and complete.  Each move is guarded by the state it starts from, which is
a condition of the UPDATE: see :mod:`~buildmaster.db.collapsing`, :mod:`~buildmaster.db.claiming` and
:mod:`~buildmaster.db.ending`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.db import schema
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_requests = schema.buildrequests

OPEN = (RequestState.HELD, RequestState.PENDING)
"""Where a request stands that no master has claimed."""


def from_row(row: Any) -> Request:
    """The record of a row of ``buildrequests``."""
    return Request(
        requestid=row.id,
        buildsetid=row.buildsetid,
        builderid=row.builderid,
        priority=row.priority,
        state=row.state,
        submitted_at=row.submitted_at,
        waited_for=bool(row.waited_for),
        results=row.results,
        complete_at=row.complete_at,
        claimed_by_masterid=row.claimed_by_masterid,
        claimed_at=row.claimed_at,
        collapse_key=row.collapse_key,
        superseded_by=row.superseded_by,
        retries=row.retries,
    )


def to_fields(request: Request) -> dict[str, Any]:
    """A request as the fields of its facts."""
    complete = request.state == RequestState.COMPLETE
    return {
        "buildrequestid": request.requestid,
        "buildsetid": request.buildsetid,
        "builderid": request.builderid,
        "priority": request.priority,
        "claimed": request.claimed_at is not None,
        "claimed_at": request.claimed_at,
        "claimed_by_masterid": request.claimed_by_masterid,
        "complete": complete,
        "results": request.results,
        "submitted_at": request.submitted_at,
        "complete_at": request.complete_at,
        "waited_for": request.waited_for,
        "held": request.state == RequestState.HELD,
    }


def note(txn: Txn, event: str, request: Request, **more: Any) -> None:
    """Tell what happened to a request, with all that is known of it now."""
    txn.note("buildrequest", event, **to_fields(request), **more)


def add(
    txn: Txn,
    buildsetid: int,
    builderid: int,
    priority: int,
    state: RequestState,
    waited_for: bool,
    key: str | None,
) -> int:
    """Store a new request and tell."""
    request = Request(
        requestid=txn.new_id("buildrequests"),
        buildsetid=buildsetid,
        builderid=builderid,
        priority=priority,
        state=state,
        submitted_at=txn.now(),
        waited_for=waited_for,
        collapse_key=key,
    )
    txn.insert(
        _requests,
        id=request.requestid,
        buildsetid=buildsetid,
        builderid=builderid,
        priority=priority,
        state=int(state),
        submitted_at=request.submitted_at,
        waited_for=int(waited_for),
        collapse_key=key,
    )
    if key is not None:
        memory_of(txn).stage(("pending", builderid, key), True)
    note(txn, "new", request)
    return request.requestid


def set_priority(txn: Txn, requestids: Sequence[int], priority: int) -> list[int]:
    """Give these requests another priority, complete ones excepted; returns which were changed."""
    wanted = sorted(set(requestids))
    condition = (_requests.c.id.in_(wanted), _requests.c.state != RequestState.COMPLETE)
    found = list(txn.execute(sa.select(_requests.c.id).where(*condition)).scalars())
    if not found:
        return []
    txn.execute(sa.update(_requests).where(*condition).values(priority=priority))
    for request in get_many(txn.conn, found):
        note(txn, "update", request)
    return found


def get(conn: sa.Connection, requestid: int) -> Request | None:
    """The request with this id."""
    row = conn.execute(sa.select(_requests).where(_requests.c.id == requestid)).first()
    return None if row is None else from_row(row)


def get_many(conn: sa.Connection, requestids: Iterable[int]) -> list[Request]:
    """These requests in the order of their ids; unknown ids are left out."""
    wanted = sorted(set(requestids))
    found: list[Request] = []
    for start in range(0, len(wanted), 500):
        query = sa.select(_requests).where(_requests.c.id.in_(wanted[start : start + 500])).order_by(_requests.c.id)
        found += [from_row(row) for row in conn.execute(query)]
    return found


def in_state(conn: sa.Connection, state: RequestState, builderid: int | None = None) -> list[Request]:
    """All requests in this state (of one builder, if given), oldest first."""
    query = sa.select(_requests).where(_requests.c.state == state).order_by(_requests.c.id)
    if builderid is not None:
        query = query.where(_requests.c.builderid == builderid)
    return [from_row(row) for row in conn.execute(query)]
