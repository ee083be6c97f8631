"""Schedulers: who runs them, what they have classified, and when their timers are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.base.records import NewBuildset
from buildmaster.db import buildsets, holding, schema
from buildmaster.db.txn import Txn

_schedulers, _masters = schema.schedulers, schema.scheduler_masters
_classified, _timers, _firings = schema.scheduler_changes, schema.scheduler_timers, schema.scheduler_firings
_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder().decode


@attrs.frozen
class SchedulerRow:
    """A scheduler as it is stored."""

    schedulerid: int
    name: str
    enabled: bool
    masterid: int | None  # of the master that runs it
    filter: Mapping[str, Any] | None  # its declared change filter, as JSON


def find_id(txn: Txn, name: str) -> int:
    """The id of the scheduler of this name, which is stored if it is new."""
    found = txn.execute(sa.select(_schedulers.c.id).where(_schedulers.c.name == name), touches=(_schedulers,)).scalar()
    if found is None:
        found = txn.new_id("schedulers")
        txn.insert(_schedulers, id=found, name=name, enabled=1)
    return found


def set_master(txn: Txn, schedulerid: int, masterid: int | None) -> bool:
    """Take a scheduler for a master, or (None) let go of it; False if another active master has it."""
    return holding.set_master(txn, _masters.c.schedulerid, schedulerid, masterid)


PLACE = "scheduler:"
"""A scheduler's place in the journal is stored under its name with this before it."""


def forget_places_but(txn: Txn, names: Sequence[str]) -> list[str]:
    """Drop how far schedulers have read that are not among these; the names of those that had a place.

    Where several masters use the database nothing is dropped, for another master's configuration may have them.
    """
    if txn.execute(sa.select(sa.func.count()).select_from(schema.masters)).scalar_one() > 1:
        return []
    cursors = schema.cursors
    stored = txn.execute(sa.select(cursors.c.name).where(cursors.c.name.startswith(PLACE, autoescape=True))).scalars()
    gone = sorted(set(stored) - {PLACE + name for name in names})
    for start in range(0, len(gone), 500):
        txn.execute(sa.delete(cursors).where(cursors.c.name.in_(gone[start : start + 500])), touches=(cursors,))
    return [name.removeprefix(PLACE) for name in gone]


def skip(txn: Txn) -> None:
    """What a scheduler stores that is off: nothing but, with it, that it has passed over a fact."""


def enable(txn: Txn, schedulerid: int, enabled: bool) -> None:
    """Switch a scheduler on or off and tell."""
    txn.update(_schedulers, schedulerid, enabled=int(enabled))
    found = get(txn.conn, schedulerid)
    if found is not None:
        txn.note(
            "scheduler",
            "updated",
            schedulerid=schedulerid,
            name=found.name,
            enabled=bool(enabled),
            masterid=found.masterid,
        )


def set_filter(txn: Txn, schedulerid: int, declared: Mapping[str, Any] | None) -> None:
    """Store a scheduler's declared filter, by which refusals are computed again."""
    txn.update(_schedulers, schedulerid, filter=None if declared is None else _encode(declared).decode())


def _query() -> sa.Select:
    return sa.select(_schedulers, _masters.c.masterid).select_from(
        _schedulers.outerjoin(_masters, _masters.c.schedulerid == _schedulers.c.id)
    )


def _from_row(row: Any) -> SchedulerRow:
    declared = None if row.filter is None else _decode(row.filter)
    return SchedulerRow(row.id, row.name, bool(row.enabled), row.masterid, declared)


def get(conn: sa.Connection, schedulerid: int) -> SchedulerRow | None:
    """The scheduler with this id."""
    row = conn.execute(_query().where(_schedulers.c.id == schedulerid)).first()
    return None if row is None else _from_row(row)


def get_all(conn: sa.Connection) -> list[SchedulerRow]:
    """Every scheduler that was ever configured, by id."""
    return [_from_row(row) for row in conn.execute(_query().order_by(_schedulers.c.id))]


# -- classified changes and stable timers ------------------------------------------------------------------------------


def classify(
    txn: Txn, schedulerid: int, changeid: int, timer: str, important: bool, deadline: float | None = None
) -> None:
    """Keep a change until the scheduler's stable timer fires; ``deadline`` (epoch seconds) starts the timer anew."""
    txn.insert(_classified, schedulerid=schedulerid, changeid=changeid, timer=timer, important=int(important))
    if deadline is not None:
        set_timer(txn, schedulerid, timer, deadline)


def set_timer(txn: Txn, schedulerid: int, timer: str, deadline: float) -> None:
    """Let a stable timer be due at ``deadline``, whenever it was due before."""
    where = (_timers.c.schedulerid == schedulerid, _timers.c.timer == timer)
    moved = txn.execute(sa.update(_timers).where(*where).values(deadline=deadline), touches=(_timers,)).rowcount
    if not moved:
        txn.insert(_timers, schedulerid=schedulerid, timer=timer, deadline=deadline)


def timers(conn: sa.Connection, schedulerid: int) -> dict[str, float]:
    """The stable timers that run: name → deadline in epoch seconds."""
    query = sa.select(_timers.c.timer, _timers.c.deadline).where(_timers.c.schedulerid == schedulerid)
    return {row.timer: row.deadline for row in conn.execute(query)}


def classified(conn: sa.Connection, schedulerid: int, timer: str | None = None) -> dict[int, bool]:
    """The changes kept for a scheduler (for one of its timers, if given): change id → important."""
    query = sa.select(_classified).where(_classified.c.schedulerid == schedulerid).order_by(_classified.c.changeid)
    if timer is not None:
        query = query.where(_classified.c.timer == timer)
    return {row.changeid: bool(row.important) for row in conn.execute(query)}


def forget_classified(txn: Txn, schedulerid: int, changeids: Sequence[int] | None = None) -> None:
    """Drop kept changes: these, or all of the scheduler's."""
    query = sa.delete(_classified).where(_classified.c.schedulerid == schedulerid)
    if changeids is None:
        txn.execute(query)
        return
    for start in range(0, len(changeids), 500):
        txn.execute(query.where(_classified.c.changeid.in_(changeids[start : start + 500])))


def fire(
    txn: Txn, schedulerid: int, timer: str, deadline: float, changeids: Sequence[int], new: NewBuildset | None
) -> tuple[int, dict[int, int]] | None:
    """A stable timer fires: the buildset of the changes it waited for, once.

    Returns None, changing nothing, if the timer has been started anew or has fired meanwhile.  Without ``new`` the
    changes are only dropped.
    """
    fired = txn.execute(
        sa.delete(_timers).where(
            _timers.c.schedulerid == schedulerid, _timers.c.timer == timer, _timers.c.deadline == deadline
        ),
        touches=(_timers,),
    ).rowcount
    if not fired:
        return None
    forget_classified(txn, schedulerid, changeids)
    return None if new is None else buildsets.add(txn, new)


# -- what fires by the clock -------------------------------------------------------------------------------------------


def last_firing(conn: sa.Connection, schedulerid: int) -> int | None:
    """When this scheduler last fired, in whole epoch seconds."""
    return conn.execute(
        sa.select(sa.func.max(_firings.c.fire_time)).where(_firings.c.schedulerid == schedulerid)
    ).scalar()


def fire_at(
    txn: Txn,
    schedulerid: int,
    fire_time: int,
    new: NewBuildset | None,
    changeids: Sequence[int] = (),
) -> tuple[int, dict[int, int]] | None:
    """A firing by the clock, once in any number of masters: its row, its buildset, and the changes it used up.

    Returns None, changing nothing, if this time has been fired before.
    """
    where = (_firings.c.schedulerid == schedulerid, _firings.c.fire_time == fire_time)
    if txn.execute(sa.select(_firings.c.fire_time).where(*where), touches=(_firings,)).first() is not None:
        return None
    # only the newest counts; older rows keep a slow master from firing again
    txn.execute(
        sa.delete(_firings).where(_firings.c.schedulerid == schedulerid, _firings.c.fire_time < fire_time - 7 * 86400)
    )
    added = None if new is None else buildsets.add(txn, new)
    txn.insert(_firings, schedulerid=schedulerid, fire_time=fire_time, buildsetid=None if added is None else added[0])
    forget_classified(txn, schedulerid, list(changeids))
    return added


def several(txn: Txn, writes: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> list[Any]:
    """All that one decision writes, in order."""
    return [function(txn, *args) for function, args in writes]
