"""Steps of builds.

As with builds, the running step keeps its :class:`StepRow` and hands it to each write.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.base.moves import STEP_MOVES, StepState, check_move
from buildmaster.base.strings import increment_identifier
from buildmaster.db import schema
from buildmaster.db.txn import Txn

_steps = schema.steps


@attrs.frozen
class StepRow:
    """A step as it is stored."""

    stepid: int
    number: int  # from 0, in the build
    name: str  # an identifier, unique in the build
    buildid: int
    state_string: str = "pending"
    started_at: float | None = None  # epoch seconds
    locks_acquired_at: float | None = None
    complete: bool = False
    complete_at: float | None = None
    results: int | None = None
    urls: tuple[tuple[str, str], ...] = ()  # (name, url)
    hidden: bool = False

    @property
    def state(self) -> StepState:
        """Where it stands in :data:`~buildmaster.base.moves.STEP_MOVES`."""
        if self.complete:
            return StepState.COMPLETE
        return StepState.ADDED if self.started_at is None else StepState.STARTED

    def fields(self) -> dict[str, Any]:
        """What facts about this step carry."""
        fields = {name: getattr(self, name) for name in _NAMES}
        fields["urls"] = [{"name": name, "url": url} for name, url in self.urls]
        return fields


_NAMES = tuple(attribute.name for attribute in attrs.fields(StepRow))


def from_row(row: Any) -> StepRow:
    """A stored step, of a row with all columns of the table."""
    return StepRow(
        stepid=row.id,
        number=row.number,
        name=row.name,
        buildid=row.buildid,
        state_string=row.state_string,
        started_at=row.started_at,
        locks_acquired_at=row.locks_acquired_at,
        complete=bool(row.complete),
        complete_at=row.complete_at,
        results=row.results,
        urls=tuple((url["name"], url["url"]) for url in msgspec.json.decode(row.urls)),
        hidden=bool(row.hidden),
    )


def _stored(row: StepRow) -> dict[str, Any]:
    values = row.fields()
    values["id"] = values.pop("stepid")
    values["urls"] = msgspec.json.encode(values["urls"]).decode()
    values["complete"], values["hidden"] = int(row.complete), int(row.hidden)
    return values


# -- writing -------------------------------------------------------------------------------------------------------


def add(txn: Txn, *rows: StepRow) -> None:
    """Store new steps."""
    for row in rows:
        txn.insert(_steps, **_stored(row))
        txn.note("step", "new", **row.fields())


def add_next(txn: Txn, buildid: int, name: str, state_string: str = "pending") -> StepRow:
    """Store a new step behind the build's others, under the next name that is free (``name``, ``name_1`` …)."""
    txn.flush()
    taken = {row.name for row in find(txn.conn, buildid)}
    while name in taken:
        name = increment_identifier(name)
    row = StepRow(txn.new_id("steps"), next_number(txn.conn, buildid), name, buildid, state_string)
    add(txn, row)
    return row


def start(txn: Txn, row: StepRow) -> None:
    """A step begins (perhaps by waiting for locks)."""
    check_move(STEP_MOVES, StepState.ADDED, row.state)
    txn.update(
        _steps,
        row.stepid,
        started_at=row.started_at,
        locks_acquired_at=row.locks_acquired_at,
        state_string=row.state_string,
    )
    txn.note("step", "started", **row.fields())


def locks_acquired(txn: Txn, row: StepRow) -> None:
    """A step has got its locks."""
    txn.update(_steps, row.stepid, locks_acquired_at=row.locks_acquired_at, state_string=row.state_string)
    txn.note("step", "updated", **row.fields())


def update(txn: Txn, row: StepRow) -> None:
    """A running step's state string or links have changed."""
    txn.update(_steps, row.stepid, state_string=row.state_string, urls=_stored(row)["urls"])
    txn.note("step", "updated", **row.fields())


def finish(txn: Txn, row: StepRow) -> None:
    """A step has ended."""
    check_move(STEP_MOVES, StepState.STARTED, row.state)
    values = _stored(row)
    del values["id"], values["number"], values["name"], values["buildid"]
    txn.update(_steps, row.stepid, **values)
    txn.note("step", "finished", **row.fields())


def change(txn: Txn, stepid: int, event: str, **values: Any) -> StepRow | None:
    """Set some attributes of a step of which only the id is known; None if there is none such."""
    txn.flush()
    row = get(txn.conn, stepid)
    if row is None:
        return None
    row = attrs.evolve(row, **values)
    stored = _stored(row)
    txn.update(_steps, stepid, **{name: stored[name] for name in values})
    txn.note("step", event, **row.fields())
    return row


def set_state_string(txn: Txn, stepid: int, text: str) -> StepRow | None:
    """Say what a step of which only the id is known is doing."""
    return change(txn, stepid, "updated", state_string=text)


def add_url(txn: Txn, stepid: int, name: str, url: str) -> StepRow | None:
    """Add a link to a step of which only the id is known; the same link twice is one."""
    txn.flush()
    row = get(txn.conn, stepid)
    if row is None or (name, url) in row.urls:
        return row
    return change(txn, stepid, "updated", urls=(*row.urls, (name, url)))


# -- reading -------------------------------------------------------------------------------------------------------


def get(conn: sa.Connection, stepid: int) -> StepRow | None:
    """The step with this id."""
    row = conn.execute(sa.select(_steps).where(_steps.c.id == stepid)).first()
    return from_row(row) if row else None


def find(conn: sa.Connection, buildid: int, number: int | None = None, name: str | None = None) -> list[StepRow]:
    """A build's steps in their order; only the one with this number or name, if given."""
    query = sa.select(_steps).where(_steps.c.buildid == buildid).order_by(_steps.c.number)
    if number is not None:
        query = query.where(_steps.c.number == number)
    if name is not None:
        query = query.where(_steps.c.name == name)
    return [from_row(row) for row in conn.execute(query)]


def next_number(conn: sa.Connection, buildid: int) -> int:
    """The number that the build's next step shall have."""
    highest = conn.execute(sa.select(sa.func.max(_steps.c.number)).where(_steps.c.buildid == buildid)).scalar()
    return 0 if highest is None else highest + 1
