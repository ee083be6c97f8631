"""How long builders' steps took, as stored for the estimates of later builds."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.db import schema, state
from buildmaster.db.txn import Txn

_CLASS = "buildmaster.process.progress.Expectations"
_NAME = "steps"


def load(conn: sa.Connection, builder_name: str) -> dict[str, Any]:
    """Step name → what is expected of it; empty if nothing was stored."""
    objects, values = schema.objects, schema.object_state
    query = (
        sa.select(values.c.value_json)
        .join(objects, objects.c.id == values.c.objectid)
        .where(objects.c.name == builder_name, objects.c.class_name == _CLASS, values.c.name == _NAME)
    )
    found = conn.execute(query).scalar()
    return {} if found is None else msgspec.json.decode(found)


def save(txn: Txn, builder_name: str, steps: dict[str, Any]) -> None:
    """Store them in place of what was known."""
    state.put(txn, state.object_id(txn, builder_name, _CLASS), _NAME, steps)
