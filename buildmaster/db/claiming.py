"""A master takes pending requests for itself, and gives them back.

The guard is a condition of the UPDATE, so of two masters (or two jobs) that want the same request one wins and the
other learns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.base.results import CANCELLED, RETRY
from buildmaster.db import ending, requests, schema
from buildmaster.db.txn import Txn

_requests = schema.buildrequests
_IDS: sa.BindParameter[Any] = sa.bindparam("ids_", expanding=True)


@attrs.frozen
class Claim:
    """One build that a master wants to start, and the request that it is for."""

    requestid: int
    builderid: int
    workerid: int | None


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
    taken = [requests.from_row(row) for row in pending]
    return {request.requestid: request for request in _take(txn, taken, masterid, txn.now())}


def _take(txn: Txn, pending: Sequence[Request], masterid: int, at: float) -> list[Request]:
    if not pending:
        return []
    ids = [request.requestid for request in pending]
    txn.execute(_mark_claimed, {"ids_": ids, "by_": masterid, "at_": at}, touches=(_requests,))
    state = int(RequestState.CLAIMED)
    taken = [attrs.evolve(one, state=state, claimed_by_masterid=masterid, claimed_at=at) for one in pending]
    for request in taken:
        requests.note(txn, "claimed", request)
    return taken


def claim_exactly(txn: Txn, requestids: Sequence[int], masterid: int, at: float | None = None) -> bool:
    """Take these pending requests, all or none; False if one of them is not pending."""
    wanted = sorted(set(requestids))
    query = sa.select(_requests).where(_requests.c.id.in_(wanted), _requests.c.state == RequestState.PENDING)
    found = [requests.from_row(row) for row in txn.execute(query.order_by(_requests.c.id).with_for_update())]
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
    found = list(txn.execute(query, touches=(_requests, schema.buildsets)).scalars())
    cancelled = ending.to_be_cancelled(txn, found)
    ending.complete_in(txn, cancelled, CANCELLED)
    back = [requestid for requestid in found if requestid not in cancelled]
    if back:
        ending.put_back(txn, back, 0)
    return back


def release_in(txn: Txn, requestids: Sequence[int], count_retry: bool = False) -> list[int]:
    """Put claimed requests back into the queue; to be called inside a write.

    With ``count_retry`` this is one of the automatic retries, and a request that had too many ends as EXCEPTION.
    Returns the ids of those that have ended.
    """
    if count_retry:
        return ending.complete_in(txn, requestids, RETRY, states=(RequestState.CLAIMED,))
    unclaim(txn, requestids)
    return []
