"""Masters: who runs on this database, and which of them live.

A master holds its row by an epoch that grows at each start; a write of an earlier life finds another number there and
is refused (:mod:`.batch`).  One that falls silent is expired by the others: its builds end as RETRY and all it held is
free again, in one transaction.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.results import RETRY
from buildmaster.db import builders, builds, claiming, schema, workers
from buildmaster.db.txn import Txn

LEASE_SECONDS = 600.0
"""How long after its last beat, on the database's clock, a master is believed to live."""

_masters = schema.masters


_SERVERS_CLOCK = {
    "postgresql": sa.select(sa.func.extract("epoch", sa.func.clock_timestamp())),
    "mysql": sa.select(sa.func.unix_timestamp(sa.func.now(6))),
}


def lease_clock(txn: Txn) -> float:
    """Epoch seconds on the clock by which leases run: the server's, which all masters share.

    The masters of an SQLite file share their machine's.
    """
    question = _SERVERS_CLOCK.get(txn.conn.dialect.name)
    return txn.now() if question is None else float(txn.execute(question, touches=()).scalar_one())


def begin(txn: Txn, name: str) -> tuple[int, int, int]:
    """A master's life begins; returns (master id, epoch, number of the last batch of its earlier life).

    Whatever an earlier life of this name still does is void from now on.
    """
    row = txn.execute(sa.select(_masters).where(_masters.c.name == name).with_for_update()).first()
    alive: dict[str, Any] = {"active": 1, "last_active": txn.now(), "lease_until": lease_clock(txn) + LEASE_SECONDS}
    if row is None:
        masterid, epoch, last_batch = txn.new_id("masters"), 1, 0
        txn.insert(_masters, id=masterid, name=name, epoch=epoch, last_batch=last_batch, **alive)
    else:
        masterid, epoch, last_batch = row.id, row.epoch + 1, row.last_batch
        txn.update(_masters, masterid, epoch=epoch, **alive)
    txn.note("master", "started", masterid=masterid, name=name, active=True)
    return masterid, epoch, last_batch


def beat(txn: Txn, name: str, masterid: int) -> bool:
    """A master says that it lives; returns whether it was thought dead, in which case its return is told."""
    was_active = txn.execute(
        sa.select(_masters.c.active).where(_masters.c.id == masterid), touches=(_masters,)
    ).scalar()
    txn.update(_masters, masterid, active=1, last_active=txn.now(), lease_until=lease_clock(txn) + LEASE_SECONDS)
    if not was_active:
        txn.note("master", "started", masterid=masterid, name=name, active=True)
    return not was_active


def stop(txn: Txn, masterid: int) -> bool:
    """A master's life ends in order; returns False if it had ended already."""
    row = txn.execute(sa.select(_masters).where(_masters.c.id == masterid)).first()
    if row is None or not row.active:
        return False
    _deactivate(txn, masterid, row.name)
    return True


def expire(txn: Txn, own: int | None, housekeeping: bool = False) -> list[int]:
    """End the life of masters that have been silent too long (never of ``own``); returns their ids.

    With ``housekeeping``, what masters known to be dead left behind is cleared away once more.
    """
    silent = sa.or_(_masters.c.lease_until.is_(None), _masters.c.lease_until < lease_clock(txn))
    dead = sa.and_(_masters.c.active == 1, silent)
    query = sa.select(_masters).where(_masters.c.id != (own or 0)).order_by(_masters.c.id)
    query = query.where(sa.or_(dead, _masters.c.active == 0) if housekeeping else dead)
    expired = []
    for row in txn.execute(query).all():
        if row.active:
            # its epoch is taken away, so that it can't write any more if it lives after all
            txn.update(_masters, row.id, epoch=row.epoch + 1)
            expired.append(row.id)
        _deactivate(txn, row.id, row.name, tell=bool(row.active))
    return expired


def _deactivate(txn: Txn, masterid: int, name: str, tell: bool = True) -> None:
    """Free all that a master held: sources, schedulers, builders, workers, builds and requests."""
    txn.update(_masters, masterid, active=0, lease_until=None)
    for link in (schema.scheduler_masters, schema.changesource_masters):
        txn.execute(sa.delete(link).where(link.c.masterid == masterid))
    builders.set_of_master(txn, masterid, [])
    workers.deconfigure_all(txn, masterid)
    workers.disconnect_all(txn, masterid)
    for build in builds.find(txn.conn, masterid=masterid, complete=False):
        ended = attrs.evolve(build, complete=True, complete_at=txn.now(), results=RETRY)
        builds.finish(txn, ended, [build.buildrequestid])
    claimed = sa.select(schema.buildrequests.c.id).where(
        schema.buildrequests.c.claimed_by_masterid == masterid, schema.buildrequests.c.complete_at.is_(None)
    )
    claiming.unclaim(txn, txn.execute(claimed).scalars().all(), masterid)
    if tell:
        txn.note("master", "stopped", masterid=masterid, name=name, active=False)
