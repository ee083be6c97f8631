"""What one master at a time has of all that share a database: a scheduler, a change source."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn


def set_master(txn: Txn, held: sa.Column[Any], subject: int, masterid: int | None) -> bool:
    """Take a subject for a master, or (None) let go of it; False if another active master has it.

    ``held`` is the column of the subjects' ids in the table that says which master has which.
    """
    links, masters = held.table, schema.masters
    query = sa.select(links.c.masterid, masters.c.active).join(masters, masters.c.id == links.c.masterid)
    holder = txn.execute(query.where(held == subject)).first()
    if masterid is not None and holder is not None and holder.masterid != masterid and holder.active:
        return False
    txn.execute(sa.delete(links).where(held == subject))
    if masterid is not None:
        txn.insert(links, **{held.name: subject, "masterid": masterid})
    return True
