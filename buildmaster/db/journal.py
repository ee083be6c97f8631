"""The journal's rows: facts in commit order, and how far each consumer has read.

Positions are taken from a counter row as the last thing before COMMIT, under that row's lock: they are dense and in
commit order on every database, so a reader that has seen position *n* has seen all before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.base.records import Fact
from buildmaster.db import schema
from buildmaster.db.txn import Txn

_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode

_head, _facts, _cursors = schema.journal_head, schema.journal, schema.cursors
_advance = sa.update(_head).where(_head.c.id == 1).values(position=_head.c.position + sa.bindparam("count_"))
_advance_returning = _advance.returning(_head.c.position)
_position = sa.select(_head.c.position).where(_head.c.id == 1)
_insert = _facts.insert()


class CursorMoved(Exception):
    """Another process moved this consumer's cursor; what was decided from the old place is void."""


def store(txn: Txn, now: float) -> list[Fact]:
    """Give the transaction's facts their positions and store them; the last statements before COMMIT."""
    noted = txn.facts
    if not noted:
        return []
    if txn.conn.dialect.update_returning:
        last = txn.execute(_advance_returning, {"count_": len(noted)}, touches=()).scalar_one()
    else:
        txn.execute(_advance, {"count_": len(noted)}, touches=())
        last = txn.execute(_position, touches=()).scalar_one()
    first = last - len(noted) + 1
    facts = [Fact(first + n, kind, event, fields, txn.masterid, now) for n, (kind, event, fields) in enumerate(noted)]
    txn.execute(_insert, [_row(fact) for fact in facts], touches=())
    return facts


def _row(fact: Fact) -> dict[str, Any]:
    return {
        "position": fact.position,
        "kind": fact.kind,
        "event": fact.event,
        "fields": _encode(fact.fields).decode(),
        "masterid": fact.masterid,
        "at": fact.at,
    }


def head(conn: sa.Connection) -> tuple[int, int]:
    """(position of the newest fact, position up to which facts were pruned)."""
    row = conn.execute(sa.select(_head.c.position, _head.c.pruned).where(_head.c.id == 1)).one()
    return row.position, row.pruned


def read(
    conn: sa.Connection, after: int, limit: int = 500, kinds: Iterable[tuple[str, str]] | None = None, upto: int = 0
) -> list[Fact]:
    """Facts after a position, oldest first; of these kinds only, if given; not beyond ``upto``, if given."""
    query = sa.select(_facts).where(_facts.c.position > after).order_by(_facts.c.position).limit(limit)
    if upto:
        query = query.where(_facts.c.position <= upto)
    if kinds is not None:
        by_kind = sorted({kind for kind, _ in kinds})
        query = query.where(_facts.c.kind.in_(by_kind), _facts.c.event.in_(sorted({event for _, event in kinds})))
    return [Fact(r.position, r.kind, r.event, _decode(r.fields), r.masterid, r.at) for r in conn.execute(query)]


def read_wanted(
    conn: sa.Connection, after: int, limit: int, kinds: Iterable[tuple[str, str]] | None, upto: int
) -> tuple[list[Fact], int]:
    """What :func:`read` reads, and up to where facts had been pruned when it was read."""
    return read(conn, after, limit, kinds, upto), head(conn)[1]


def cursor(conn: sa.Connection, name: str) -> int | None:
    """Where this consumer stands, or None if it is not known."""
    return conn.execute(sa.select(_cursors.c.position).where(_cursors.c.name == name)).scalar()


def cursors(conn: sa.Connection, prefix: str = "") -> dict[str, int]:
    """All consumers whose name begins so, with their positions."""
    query = sa.select(_cursors.c.name, _cursors.c.position)
    if prefix:
        query = query.where(_cursors.c.name.startswith(prefix, autoescape=True))
    return {row.name: row.position for row in conn.execute(query)}


def open_cursor(txn: Txn, name: str, at_head: bool = True) -> int:
    """The position of this consumer, a new one starting at the head (or at the oldest fact that is kept)."""
    found = txn.execute(sa.select(_cursors.c.position).where(_cursors.c.name == name), touches=(_cursors,)).scalar()
    if found is not None:
        return int(found)
    position, pruned = head(txn.conn)
    start = position if at_head else pruned
    txn.insert(_cursors, name=name, position=start, updated_at=txn.now())
    return start


_move = (
    sa.update(_cursors)
    .where(_cursors.c.name == sa.bindparam("name_"), _cursors.c.position == sa.bindparam("from_"))
    .values(position=sa.bindparam("to_"), updated_at=sa.bindparam("at_"))
)


def move_cursor(txn: Txn, name: str, before: int, after: int) -> None:
    """Move a consumer on, if it still stands where it was read; raises :class:`CursorMoved` otherwise."""
    moved = txn.execute(
        _move, {"name_": name, "from_": before, "to_": after, "at_": txn.now()}, touches=(_cursors,)
    ).rowcount
    if moved != 1:
        raise CursorMoved(name)


def save_cursors(txn: Txn, moves: Sequence[tuple[str, int, int]]) -> None:
    """Move several consumers on, (name, before, after) each; one that stands elsewhere by now is left alone."""
    parameters = [{"name_": n, "from_": before, "to_": after, "at_": txn.now()} for n, before, after in moves]
    txn.execute(_move, parameters, touches=(_cursors,))


def drop_cursors(txn: Txn, names: Sequence[str]) -> None:
    """Forget consumers that left the configuration."""
    if names:
        txn.execute(sa.delete(_cursors).where(_cursors.c.name.in_(names)), touches=(_cursors,))


def record_gap(txn: Txn, name: str, after: int, up_to: int) -> None:
    """Store that a consumer missed the facts in (``after``, ``up_to``], because they were pruned."""
    txn.insert(schema.cursor_gaps, name=name, after_position=after, up_to_position=up_to, at=txn.now())


def prune(txn: Txn, up_to: int, count: int = 1000) -> int:
    """Delete at most ``count`` of the oldest facts, none beyond ``up_to``; returns how many are still to go."""
    pruned = txn.execute(sa.select(_head.c.pruned).where(_head.c.id == 1), touches=()).scalar_one()
    target = min(up_to, pruned + count)
    if target <= pruned:
        return 0
    txn.execute(sa.delete(_facts).where(_facts.c.position > pruned, _facts.c.position <= target), touches=())
    txn.execute(sa.update(_head).where(_head.c.id == 1).values(pruned=target), touches=())
    return up_to - target
