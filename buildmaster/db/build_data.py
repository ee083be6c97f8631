"""Data that builds keep beside their logs: any bytes under a name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_data = schema.build_data


def put(txn: Txn, buildid: int, name: str, value: bytes, source: str) -> int:
    """Store a value, or replace the one of the same name; returns its id."""
    query = sa.select(_data.c.id).where(_data.c.buildid == buildid, _data.c.name == name)
    found = txn.execute(query, touches=(_data,)).scalar()
    values: dict[str, Any] = {"value": value, "length": len(value), "source": source}
    if found is None:
        found = txn.new_id("build_data")
        txn.insert(_data, id=found, buildid=buildid, name=name, **values)
    else:
        txn.update(_data, found, **values)
    return found


def value_of(conn: sa.Connection, buildid: int, name: str) -> bytes | None:
    """The stored bytes, or None."""
    query = sa.select(_data.c.value).where(_data.c.buildid == buildid, _data.c.name == name)
    found = conn.execute(query).scalar()
    return None if found is None else bytes(found)


def delete_old(txn: Txn, older_than: float, limit: int = 100) -> int:
    """Delete at most ``limit`` values of builds that ended before ``older_than`` (epoch seconds); returns how many."""
    query = (
        sa.select(_data.c.id)
        .join(schema.builds, schema.builds.c.id == _data.c.buildid)
        .where(schema.builds.c.complete_at < older_than)
        .limit(limit)
    )
    ids = list(txn.execute(query).scalars())
    if ids:
        txn.execute(sa.delete(_data).where(_data.c.id.in_(ids)))
    return len(ids)
