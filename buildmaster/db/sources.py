"""Change sources: their ids, which master runs them, and what they remember between polls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.records import NewChange
from buildmaster.db import changes, holding, schema, state
from buildmaster.db.txn import Txn

_sources, _masters = schema.changesources, schema.changesource_masters


@attrs.frozen
class SourceRow:
    """A change source as it is stored."""

    changesourceid: int
    name: str
    masterid: int | None  # of the master that runs it


def find_id(txn: Txn, name: str) -> int:
    """The id of the change source of this name, which is stored if it is new."""
    found = txn.execute(sa.select(_sources.c.id).where(_sources.c.name == name), touches=(_sources,)).scalar()
    if found is None:
        found = txn.new_id("changesources")
        txn.insert(_sources, id=found, name=name)
    return found


def set_master(txn: Txn, changesourceid: int, masterid: int | None) -> bool:
    """Take a change source for a master, or (None) let go of it; False if another active master has it."""
    return holding.set_master(txn, _masters.c.changesourceid, changesourceid, masterid)


def get(conn: sa.Connection, changesourceid: int) -> SourceRow | None:
    """The change source with this id."""
    query = sa.select(_sources, _masters.c.masterid).select_from(
        _sources.outerjoin(_masters, _masters.c.changesourceid == _sources.c.id)
    )
    row = conn.execute(query.where(_sources.c.id == changesourceid)).first()
    return None if row is None else SourceRow(row.id, row.name, row.masterid)


def report(txn: Txn, objectid: int, new: Sequence[NewChange], values: Sequence[tuple[str, Any]] = ()) -> list[int]:
    """What one poll found: its changes and the poller's state, together; returns the changes' ids."""
    changeids = [changes.add(txn, change) for change in new]
    for name, value in values:
        state.put(txn, objectid, name, value)
    return changeids
