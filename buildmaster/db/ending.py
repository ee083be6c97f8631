"""How requests end, and the buildsets that they belong to.

Completing the last open request of a buildset completes the buildset in the same transaction.  A request that shall be
retried does not end but is pending again, so that is decided here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import MAX_AUTOMATIC_RETRIES, RequestState
from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, worst_of
from buildmaster.db import reasons, requests, schema
from buildmaster.db.txn import Txn

_requests, _buildsets = schema.buildrequests, schema.buildsets
_TABLES = (_requests, _buildsets)
_IDS: sa.BindParameter[Any] = sa.bindparam("ids_", expanding=True)
_WANTED = "cancel wanted"


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
        ended = [rows[i] for i in outcomes if outcomes[i] == outcome]
        _end(txn, ended, outcome, when, superseded_by, results == RETRY)
    end_buildsets(txn, _finished_by(rows, outcomes), when)
    return list(outcomes)


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


def _end(txn: Txn, rows: Sequence[Any], results: int, at: float, superseded_by: int | None, interrupted: bool) -> None:
    values: dict[str, Any] = {"state": int(RequestState.COMPLETE), "results": results, "complete_at": at}
    txn.execute(
        sa.update(_requests)
        .where(_requests.c.id.in_([row.id for row in rows]), _requests.c.state != RequestState.COMPLETE)
        .values(**values, superseded_by=superseded_by),
        touches=_TABLES,
    )
    for row in rows:
        more: dict[str, Any] = {} if superseded_by is None else {"superseded_by": superseded_by}
        if interrupted or row.retries:
            more["interrupted"] = True  # a build of it was, which may have left children that it waited for
        ended = attrs.evolve(requests.from_row(row), **values, superseded_by=superseded_by)
        requests.note(txn, "complete", ended, **more)


def _retry(txn: Txn, rows: Sequence[Any]) -> dict[int, int]:
    """Put back those that may be tried once more; returns the results of those that may not."""
    claimed = [row for row in rows if row.state == RequestState.CLAIMED]
    ending = dict.fromkeys(to_be_cancelled(txn, [row.id for row in claimed]), CANCELLED)
    for row in claimed:
        if row.id not in ending and row.retries >= MAX_AUTOMATIC_RETRIES:
            ending[row.id] = EXCEPTION
            detail = {"retries": MAX_AUTOMATIC_RETRIES}
            reasons.record(txn, "buildrequest", row.id, "master", "retried too often", detail)
    again = [row for row in claimed if row.id not in ending]
    if again:
        put_back(txn, [row.id for row in again], 1)
    for row in again:
        reasons.record(txn, "buildrequest", row.id, "master", "retried", {"retries": row.retries + 1})
    return ending


def put_back(txn: Txn, requestids: Sequence[int], retries: int) -> None:
    """Make these claimed requests pending again, counting so many more automatic retries."""
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
    for request in requests.get_many(txn.conn, requestids):
        requests.note(txn, "unclaimed", request)


def to_be_cancelled(txn: Txn, requestids: Sequence[int]) -> list[int]:
    """Those of these requests that somebody wanted to cancel while they were being built."""
    if not requestids:
        return []
    column = schema.reasons.c
    query = sa.select(column.subjectid).where(
        column.subject == "buildrequest", column.subjectid.in_(requestids), column.verdict == _WANTED
    )
    return list(txn.execute(query.distinct(), touches=(schema.reasons,)).scalars())


def cancel(txn: Txn, requestid: int, reason: str, actor: str = "user") -> bool:
    """End an unclaimed request as CANCELLED; False if it is claimed or complete.

    The build of a claimed one must be stopped; should it be interrupted before it is, the request is not built again.
    """
    ended = complete_in(txn, [requestid], CANCELLED, states=requests.OPEN)
    request = requests.get(txn.conn, requestid)
    if request is None or (not ended and request.state != RequestState.CLAIMED):
        return False
    reasons.record(txn, "buildrequest", requestid, actor, "cancelled" if ended else _WANTED, {"reason": reason})
    if ended:
        requests.note(txn, "cancel", request, reason=reason)
    return bool(ended)


def finished_buildsets(txn: Txn, buildsetids: Sequence[int]) -> dict[int, int]:
    """Buildset → results, of those whose requests are all complete."""
    query = sa.select(_requests).where(_requests.c.buildsetid.in_(buildsetids)).with_for_update()
    rows = {row.id: row for row in txn.execute(query)}
    finished = _finished_by(rows, {})
    with_requests = {row.buildsetid for row in rows.values()}
    return {**finished, **{buildsetid: 0 for buildsetid in buildsetids if buildsetid not in with_requests}}


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
