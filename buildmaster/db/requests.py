"""Build requests: their moves between held, pending, claimed and complete, each guarded by the state it starts from.

The guard is a condition of the UPDATE, so of two masters (or two jobs) that want the same request one wins and the
other learns it.  Completing the last request of a buildset completes the buildset in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import MAX_AUTOMATIC_RETRIES, RequestState
from buildmaster.base.records import Request
from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, SKIPPED, worst_of
from buildmaster.db import reasons, schema
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_requests, _buildsets, _builds = schema.buildrequests, schema.buildsets, schema.builds
_TABLES = (_requests, _buildsets)

OPEN = (RequestState.HELD, RequestState.PENDING)
HOLD_SECONDS = 60.0
"""How long a request waits for the verdict of a custom collapse function before it is released without."""


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


def _note(txn: Txn, event: str, request: Request, **more: Any) -> None:
    txn.note("buildrequest", event, **to_fields(request), **more)


# -- adding and collapsing ---------------------------------------------------------------------------------------------


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
    _note(txn, "new", request)
    return request.requestid


_with_key = sa.select(_requests.c.id).where(
    _requests.c.state.in_([int(state) for state in OPEN]),
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


def supersede(txn: Txn, older: Sequence[int], newer: int) -> list[int]:
    """End those of the older requests that are still unclaimed as SKIPPED, naming their successor.

    Returns the ids of those that were ended.
    """
    ended = complete_in(txn, older, SKIPPED, txn.now(), states=OPEN, superseded_by=newer)
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
    request = get(txn.conn, requestid)
    assert request is not None
    _note(txn, "update", request)
    return True


# -- claiming ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Claim:
    """One build that a master wants to start, and the request that it is for."""

    requestid: int
    builderid: int
    workerid: int | None


_IDS: sa.BindParameter[Any] = sa.bindparam("ids_", expanding=True)
_pending_of = (
    sa.select(_requests)
    .where(_requests.c.id.in_(_IDS), _requests.c.state == int(RequestState.PENDING))
    .order_by(_requests.c.id)
    .with_for_update()
)
_mark_claimed = (
    sa.update(_requests)
    .where(_requests.c.id.in_(_IDS))
    .values(state=int(RequestState.CLAIMED), claimed_by_masterid=sa.bindparam("by_"), claimed_at=sa.bindparam("at_"))
)


def claim(txn: Txn, claims: Sequence[Claim], masterid: int) -> dict[int, Request]:
    """Take these pending requests for a master; returns those that were still pending, as they are now, by id."""
    wanted = sorted({claim.requestid for claim in claims})
    pending = txn.execute(_pending_of, {"ids_": wanted}, touches=(_requests,))
    taken = [from_row(row) for row in pending]
    return {request.requestid: request for request in _take(txn, taken, masterid, txn.now())}


def _take(txn: Txn, pending: Sequence[Request], masterid: int, at: float) -> list[Request]:
    if not pending:
        return []
    ids = [request.requestid for request in pending]
    txn.execute(_mark_claimed, {"ids_": ids, "by_": masterid, "at_": at}, touches=(_requests,))
    state = int(RequestState.CLAIMED)
    taken = [attrs.evolve(one, state=state, claimed_by_masterid=masterid, claimed_at=at) for one in pending]
    for request in taken:
        _note(txn, "claimed", request)
    return taken


def claim_exactly(txn: Txn, requestids: Sequence[int], masterid: int, at: float | None = None) -> bool:
    """Take these pending requests, all or none; False if one of them is not pending."""
    wanted = sorted(set(requestids))
    query = sa.select(_requests).where(_requests.c.id.in_(wanted), _requests.c.state == RequestState.PENDING)
    found = [from_row(row) for row in txn.execute(query.order_by(_requests.c.id).with_for_update())]
    if len(found) != len(wanted):
        return False
    _take(txn, found, masterid, txn.now() if at is None else at)
    return True


def unclaim(txn: Txn, requestids: Iterable[int], masterid: int | None = None) -> list[int]:
    """Put claimed requests back into the queue (only those of this master, if given); returns which were."""
    condition = [_requests.c.id.in_(sorted(set(requestids))), _requests.c.state == RequestState.CLAIMED]
    if masterid is not None:
        condition.append(_requests.c.claimed_by_masterid == masterid)
    query = sa.select(_requests.c.id).where(*condition).order_by(_requests.c.id).with_for_update()
    found = list(txn.execute(query, touches=_TABLES).scalars())
    ending = _to_be_cancelled(txn, found)
    complete_in(txn, ending, CANCELLED)
    back = [requestid for requestid in found if requestid not in ending]
    if back:
        _put_back(txn, back, 0)
    return back


def _put_back(txn: Txn, requestids: Sequence[int], retries: int) -> None:
    txn.execute(
        sa.update(_requests)
        .where(_requests.c.id.in_(requestids), _requests.c.state == RequestState.CLAIMED)
        .values(
            state=int(RequestState.PENDING),
            claimed_by_masterid=None,
            claimed_at=None,
            retries=_requests.c.retries + retries,
        )
    )
    for request in get_many(txn.conn, requestids):
        _note(txn, "unclaimed", request)


# -- completing --------------------------------------------------------------------------------------------------------

_own = _requests.alias("own")
_siblings = (
    sa.select(_requests)
    .join(_own, _own.c.buildsetid == _requests.c.buildsetid)
    .where(_own.c.id.in_(_IDS))
    .order_by(_requests.c.id)
    .with_for_update()
)


def _with_siblings(txn: Txn, requestids: Sequence[int]) -> dict[int, Any]:
    """All requests of the buildsets that these requests belong to, locked against other masters."""
    return {row.id: row for row in txn.execute(_siblings, {"ids_": list(requestids)}, touches=_TABLES)}


def complete_in(
    txn: Txn,
    requestids: Sequence[int],
    results: int,
    at: float | None = None,
    states: Iterable[RequestState] = (RequestState.HELD, RequestState.PENDING, RequestState.CLAIMED),
    superseded_by: int | None = None,
) -> list[int]:
    """End these requests, and each buildset of which this was the last open request; to be called inside a write.

    Only those in one of ``states`` are ended; their ids are returned.  ``results`` RETRY puts claimed requests back
    into the queue instead; one that has been retried :data:`~buildmaster.base.moves.MAX_AUTOMATIC_RETRIES` times
    ends as EXCEPTION.
    """
    wanted = sorted(set(requestids))
    if not wanted:
        return []
    rows = _with_siblings(txn, wanted)
    allowed = {int(state) for state in states}
    moving = [requestid for requestid in wanted if requestid in rows and rows[requestid].state in allowed]
    if results == RETRY:
        outcomes = _retry(txn, [rows[requestid] for requestid in moving])
    else:
        outcomes = dict.fromkeys(moving, results)
    when = txn.now() if at is None else at
    for outcome in sorted(set(outcomes.values())):
        _end(txn, [rows[i] for i in outcomes if outcomes[i] == outcome], outcome, when, superseded_by)
    end_buildsets(txn, _finished_by(rows, outcomes), when)
    return list(outcomes)


def _end(txn: Txn, rows: Sequence[Any], results: int, at: float, superseded_by: int | None) -> None:
    values: dict[str, Any] = {"state": int(RequestState.COMPLETE), "results": results, "complete_at": at}
    txn.execute(
        sa.update(_requests)
        .where(_requests.c.id.in_([row.id for row in rows]), _requests.c.state != RequestState.COMPLETE)
        .values(**values, superseded_by=superseded_by),
        touches=_TABLES,
    )
    more = {} if superseded_by is None else {"superseded_by": superseded_by}
    for row in rows:
        ended = attrs.evolve(from_row(row), **values, superseded_by=superseded_by)
        _note(txn, "complete", ended, **more)


def release_in(txn: Txn, requestids: Sequence[int], count_retry: bool = False) -> list[int]:
    """Put claimed requests back into the queue; to be called inside a write.

    With ``count_retry`` this is one of the automatic retries, and a request that had too many ends as EXCEPTION.
    Returns the ids of those that have ended.
    """
    if count_retry:
        return complete_in(txn, requestids, RETRY, states=(RequestState.CLAIMED,))
    unclaim(txn, requestids)
    return []


def _retry(txn: Txn, rows: Sequence[Any]) -> dict[int, int]:
    """Put back those that may be tried once more; returns the results of those that may not."""
    claimed = [row for row in rows if row.state == RequestState.CLAIMED]
    ending = dict.fromkeys(_to_be_cancelled(txn, [row.id for row in claimed]), CANCELLED)
    for row in claimed:
        if row.id not in ending and row.retries >= MAX_AUTOMATIC_RETRIES:
            ending[row.id] = EXCEPTION
            detail = {"retries": MAX_AUTOMATIC_RETRIES}
            reasons.record(txn, "buildrequest", row.id, "master", "retried too often", detail)
    again = [row for row in claimed if row.id not in ending]
    if again:
        _put_back(txn, [row.id for row in again], 1)
    for row in again:
        reasons.record(txn, "buildrequest", row.id, "master", "retried", {"retries": row.retries + 1})
    return ending


def _to_be_cancelled(txn: Txn, requestids: Sequence[int]) -> list[int]:
    """Those of these requests that somebody wanted to cancel while they were being built."""
    if not requestids:
        return []
    column = schema.reasons.c
    query = sa.select(column.subjectid).where(
        column.subject == "buildrequest", column.subjectid.in_(requestids), column.verdict == _WANTED
    )
    return list(txn.execute(query.distinct(), touches=(schema.reasons,)).scalars())


_WANTED = "cancel wanted"


def _finished_by(rows: Mapping[int, Any], ending: Mapping[int, int]) -> dict[int, int]:
    """Buildset → results, of the buildsets that have no open request once those in ``ending`` have these results."""
    by_buildset: dict[int, list[int | None]] = {}
    for row in rows.values():
        done = row.state == RequestState.COMPLETE
        by_buildset.setdefault(row.buildsetid, []).append(ending.get(row.id, row.results if done else None))
    return {
        buildsetid: worst_of(outcome for outcome in outcomes if outcome is not None)
        for buildsetid, outcomes in by_buildset.items()
        if None not in outcomes
    }


def finished_buildsets(txn: Txn, buildsetids: Sequence[int]) -> dict[int, int]:
    """Buildset → results, of those whose requests are all complete."""
    query = sa.select(_requests).where(_requests.c.buildsetid.in_(buildsetids)).with_for_update()
    rows = {row.id: row for row in txn.execute(query)}
    finished = _finished_by(rows, {})
    with_requests = {row.buildsetid for row in rows.values()}
    return {**finished, **{buildsetid: 0 for buildsetid in buildsetids if buildsetid not in with_requests}}


def end_buildsets(txn: Txn, finished: Mapping[int, int], at: float) -> None:
    """Mark these buildsets complete with these results and tell.

    A buildset's results are the worst of its requests'; a superseded (SKIPPED) one counts only if all are.
    """
    for buildsetid, results in finished.items():
        moved = txn.execute(
            sa.update(_buildsets)
            .where(_buildsets.c.id == buildsetid, _buildsets.c.complete == 0)
            .values(complete=1, complete_at=at, results=results),
            touches=(_buildsets,),
        ).rowcount
        if moved:
            fields = {"complete": True, "complete_at": at, "results": results}
            txn.note("buildset", "complete", bsid=buildsetid, buildsetid=buildsetid, **fields)


def cancel(txn: Txn, requestid: int, reason: str, actor: str = "user") -> bool:
    """End an unclaimed request as CANCELLED; False if it is claimed or complete.

    The build of a claimed one must be stopped; should it be interrupted before it is, the request is not built again.
    """
    ended = complete_in(txn, [requestid], CANCELLED, states=OPEN)
    request = get(txn.conn, requestid)
    if request is None or (not ended and request.state != RequestState.CLAIMED):
        return False
    reasons.record(txn, "buildrequest", requestid, actor, "cancelled" if ended else _WANTED, {"reason": reason})
    if ended:
        _note(txn, "cancel", request, reason=reason)
    return bool(ended)


def set_priority(txn: Txn, requestids: Sequence[int], priority: int) -> list[int]:
    """Give these requests another priority, complete ones excepted; returns which were changed."""
    wanted = sorted(set(requestids))
    condition = (_requests.c.id.in_(wanted), _requests.c.state != RequestState.COMPLETE)
    found = list(txn.execute(sa.select(_requests.c.id).where(*condition)).scalars())
    if not found:
        return []
    txn.execute(sa.update(_requests).where(*condition).values(priority=priority))
    for request in get_many(txn.conn, found):
        _note(txn, "update", request)
    return found


# -- reading -----------------------------------------------------------------------------------------------------------


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


def open_before(conn: sa.Connection, builderid: int, requestid: int) -> list[Request]:
    """The unclaimed requests of a builder that are older than this one, oldest first; none that is being retried."""
    query = (
        sa.select(_requests)
        .where(
            _requests.c.builderid == builderid,
            _requests.c.state.in_([int(state) for state in OPEN]),
            _requests.c.id < requestid,
            _requests.c.retries == 0,
        )
        .order_by(_requests.c.id)
    )
    return [from_row(row) for row in conn.execute(query)]


def claimed_without_build(conn: sa.Connection, masterid: int) -> list[int]:
    """Requests that this master claimed and for which no build runs."""
    running = (
        sa.select(_builds.c.id).where(_builds.c.buildrequestid == _requests.c.id, _builds.c.complete == 0).exists()
    )
    query = sa.select(_requests.c.id).where(
        _requests.c.state == RequestState.CLAIMED, _requests.c.claimed_by_masterid == masterid, ~running
    )
    return list(conn.execute(query).scalars())


def newest_complete(conn: sa.Connection, builderids: Iterable[int]) -> dict[int, float]:
    """When the newest build of each builder ended, in epoch seconds; builders without one are left out."""
    newest: dict[int, float] = {}
    for builderid in builderids:
        recent = sa.select(_builds.c.complete_at).where(_builds.c.builderid == builderid, _builds.c.complete == 1)
        found = conn.execute(recent.order_by(_builds.c.number.desc()).limit(20)).scalars().all()
        if found:
            newest[builderid] = max(found)
    return newest


def superseded_chain(conn: sa.Connection, requestid: int) -> list[int]:
    """This request and all that it took over, directly or through others."""
    chain = [requestid]
    frontier: Sequence[int] = [requestid]
    while frontier:
        step = sa.select(_requests.c.id).where(_requests.c.id.in_(frontier)).cte("chain", recursive=True)
        older = _requests.alias("older")
        chained = step.union_all(sa.select(older.c.id).join(step, older.c.superseded_by == step.c.id))
        seen = set(chain)
        found = [i for i in conn.execute(sa.select(chained.c.id)).scalars() if i not in seen]
        chain += found
        # a server may cut a long recursion short; go on from the oldest end until nothing new turns up
        frontier = [min(found)] if len(found) > 500 else []
    return chain


def change_ids(conn: sa.Connection, requestid: int) -> list[int]:
    """All the changes that this request's build includes, those of superseded requests too, oldest first."""
    return change_ids_of_many(conn, [requestid])[requestid]


def change_ids_of_many(conn: sa.Connection, requestids: Sequence[int]) -> dict[int, list[int]]:
    """The changes of each of these requests, those of superseded requests included, oldest first."""
    followed = set(conn.execute(_followed, {"ids_": list(requestids)}).scalars())
    chains = {i: superseded_chain(conn, i) if i in followed else [i] for i in requestids}
    members = sorted({member for chain in chains.values() for member in chain})
    changes: dict[int, set[int]] = {member: set() for member in members}
    for start in range(0, len(members), 500):
        part = members[start : start + 500]
        for member, changeid in conn.execute(_changes_of, {"ids_": part}):
            changes[member].add(changeid)
    return {i: sorted(set().union(*(changes[member] for member in chain))) for i, chain in chains.items()}


def _changes_query() -> sa.CompoundSelect:
    """(request, change) pairs: by the buildset's list of changes, and by its source stamps."""
    listed, stamped, changes = schema.buildset_changes, schema.buildset_sourcestamps, schema.changes
    by_list = (
        sa.select(_requests.c.id, listed.c.changeid)
        .join(listed, listed.c.buildsetid == _requests.c.buildsetid)
        .where(_requests.c.id.in_(_IDS))
    )
    by_stamp = (
        sa.select(_requests.c.id, changes.c.id)
        .join(stamped, stamped.c.buildsetid == _requests.c.buildsetid)
        .join(changes, changes.c.sourcestampid == stamped.c.sourcestampid)
        .where(_requests.c.id.in_(_IDS))
    )
    return sa.union(by_list, by_stamp)


_changes_of = _changes_query()
_followed = sa.select(_requests.c.superseded_by).where(_requests.c.superseded_by.in_(_IDS)).distinct()
