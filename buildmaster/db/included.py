"""Which changes a request stands for: those of its buildset, and those of the requests that it took over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema

_requests = schema.buildrequests
_IDS: sa.BindParameter[Any] = sa.bindparam("ids_", expanding=True)


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
