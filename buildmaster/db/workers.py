"""Workers: who they are, which builders they serve, where they are connected, whether they are paused.

Everything that happens to many workers at once (a start, a fleet that comes back) is one job here, whose statements do
not grow with the number of workers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_workers, _configured, _connected = schema.workers, schema.configured_workers, schema.connected_workers
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode

_CHUNK = 500
"""Values in one IN list."""


@attrs.frozen
class WorkerRow:
    """A worker as it is stored."""

    workerid: int
    name: str
    info: Mapping[str, Any]
    paused: bool
    pause_reason: str | None
    graceful: bool
    last_connection: float | None  # epoch seconds


@attrs.frozen
class Arrival:
    """A worker has connected to this master."""

    workerid: int
    name: str
    info: Mapping[str, Any]


@attrs.frozen
class Departure:
    """A worker's connection to this master has ended."""

    workerid: int
    name: str


def find_ids(txn: Txn, names: Iterable[str]) -> dict[str, WorkerRow]:
    """The rows of these workers by name; those that are new are stored."""
    names = list(dict.fromkeys(names))
    found = {row.name: row for row in _rows(txn, _workers.c.name, names)}
    for name in names:
        if name not in found:
            found[name] = WorkerRow(txn.new_id("workers"), name, {}, False, None, False, None)
            txn.insert(_workers, id=found[name].workerid, name=name, info="{}")
    return found


def find_id(txn: Txn, name: str) -> int:
    """The id of one worker, which is stored if it is new."""
    return find_ids(txn, [name])[name].workerid


def _rows(txn: Txn, column: sa.Column, values: Collection[Any]) -> Iterator[WorkerRow]:
    for part in _parts(list(values)):
        for row in txn.execute(sa.select(_workers).where(column.in_(part)), touches=(_workers,)):
            yield _to_record(row)


def _to_record(row: Any) -> WorkerRow:
    return WorkerRow(
        workerid=row.id,
        name=row.name,
        info=_decode(row.info),
        paused=bool(row.paused),
        pause_reason=row.pause_reason,
        graceful=bool(row.graceful),
        last_connection=row.last_connection,
    )


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


# -- which builders they serve -------------------------------------------------------------------------------------


def configure(txn: Txn, masterid: int, wanted: Mapping[int, Iterable[int]]) -> None:
    """Make these workers (id → builder ids) serve exactly these builders on this master; others stay as they are."""
    have: set[tuple[int, int]] = set()
    for part in _parts(sorted(wanted)):
        query = sa.select(_configured.c.workerid, _configured.c.builderid).where(
            _configured.c.masterid == masterid, _configured.c.workerid.in_(part)
        )
        have.update((row.workerid, row.builderid) for row in txn.execute(query))
    want = {(workerid, builderid) for workerid, builderids in wanted.items() for builderid in builderids}
    _remove(txn, masterid, have - want)
    txn.insert_many(
        _configured,
        [{"workerid": w, "builderid": b, "masterid": masterid} for w, b in sorted(want - have)],
    )


def _remove(txn: Txn, masterid: int, gone: Collection[tuple[int, int]]) -> None:
    if gone:
        statement = sa.delete(_configured).where(
            _configured.c.workerid == sa.bindparam("w"),
            _configured.c.builderid == sa.bindparam("b"),
            _configured.c.masterid == masterid,
        )
        txn.execute(statement, [{"w": w, "b": b} for w, b in sorted(gone)])


def deconfigure_all(txn: Txn, masterid: int, keep: Collection[int] = ()) -> None:
    """Forget which builders the workers serve on this master, except for the workers to keep."""
    kept = set(keep)
    query = sa.select(_configured.c.workerid).where(_configured.c.masterid == masterid).distinct()
    gone = [workerid for workerid in txn.execute(query).scalars() if workerid not in kept]
    for part in _parts(sorted(gone)):
        txn.execute(sa.delete(_configured).where(_configured.c.masterid == masterid, _configured.c.workerid.in_(part)))


# -- where they are connected --------------------------------------------------------------------------------------


def attend(txn: Txn, masterid: int, events: Sequence[Arrival | Departure]) -> None:
    """Store arrivals at and departures from this master, in their order, and tell each of them.

    Arriving twice or leaving without having been there is no error.
    """
    ids = sorted({event.workerid for event in events})
    present: set[int] = set()
    for part in _parts(ids):
        query = sa.select(_connected.c.workerid).where(
            _connected.c.masterid == masterid, _connected.c.workerid.in_(part)
        )
        present.update(txn.execute(query, touches=(_connected,)).scalars())
    last = {event.workerid: event for event in events}
    come = {w for w, event in last.items() if isinstance(event, Arrival)} - present
    gone = sorted({w for w, event in last.items() if isinstance(event, Departure)} & present)
    for part in _parts(gone):
        txn.execute(sa.delete(_connected).where(_connected.c.masterid == masterid, _connected.c.workerid.in_(part)))
    txn.insert_many(_connected, [{"workerid": w, "masterid": masterid} for w in sorted(come)])
    for event in events:
        _tell_attendance(txn, masterid, event)
    for workerid in sorted(last):
        txn.update(_workers, workerid, last_connection=txn.now())


def _tell_attendance(txn: Txn, masterid: int, event: Arrival | Departure) -> None:
    if isinstance(event, Arrival):
        txn.update(_workers, event.workerid, info=_encode(event.info).decode())
        txn.note(
            "worker", "connected", workerid=event.workerid, name=event.name, masterid=masterid, workerinfo=event.info
        )
    else:
        txn.note("worker", "disconnected", workerid=event.workerid, name=event.name, masterid=masterid)


def connect(txn: Txn, workerid: int, masterid: int, info: Mapping[str, Any]) -> None:
    """Store that one worker has connected, and tell."""
    attend(txn, masterid, [Arrival(workerid, _name(txn, workerid), info)])


def disconnect(txn: Txn, workerid: int, masterid: int) -> None:
    """Store that one worker's connection has ended, and tell."""
    attend(txn, masterid, [Departure(workerid, _name(txn, workerid))])


def disconnect_all(txn: Txn, masterid: int) -> list[int]:
    """Nobody is connected to this master (it starts, or is found dead); returns the ids of those who seemed to be."""
    query = (
        sa.select(_connected.c.workerid, _workers.c.name)
        .join(_workers, _workers.c.id == _connected.c.workerid)
        .where(_connected.c.masterid == masterid)
        .order_by(_connected.c.workerid)
    )
    gone = [Departure(row.workerid, row.name) for row in txn.execute(query)]
    if gone:
        attend(txn, masterid, gone)
    return [event.workerid for event in gone]


def missing(txn: Txn, workerid: int, masterid: int, last_connection: Any, notify: Iterable[str]) -> None:
    """Tell that a worker has been away too long; ``notify`` are the mail addresses that want to know."""
    txn.note(
        "worker",
        "missing",
        workerid=workerid,
        name=_name(txn, workerid),
        masterid=masterid,
        last_connection=last_connection,
        notify=list(notify),
    )


# -- whether they take builds --------------------------------------------------------------------------------------


def set_paused(txn: Txn, workerid: int, paused: bool, pause_reason: str | None = None) -> None:
    """Store whether a worker is paused, and why, and tell."""
    txn.update(_workers, workerid, paused=int(paused), pause_reason=pause_reason if paused else None)
    _tell_state(txn, workerid)


def set_graceful(txn: Txn, workerid: int, graceful: bool) -> None:
    """Store whether a worker is to be shut down when it is idle, and tell."""
    txn.update(_workers, workerid, graceful=int(graceful))
    _tell_state(txn, workerid)


def _tell_state(txn: Txn, workerid: int) -> None:
    row = get_in(txn, workerid)
    if row is not None:
        txn.note(
            "worker",
            "state_updated",
            workerid=workerid,
            name=row.name,
            masterid=txn.masterid,
            paused=row.paused,
            pause_reason=row.pause_reason,
            graceful=row.graceful,
        )


def get_in(txn: Txn, workerid: int) -> WorkerRow | None:
    """One worker as this transaction sees it."""
    row = txn.execute(sa.select(_workers).where(_workers.c.id == workerid), touches=(_workers,)).first()
    return None if row is None else _to_record(row)


def _name(txn: Txn, workerid: int) -> str:
    row = get_in(txn, workerid)
    return "" if row is None else row.name
