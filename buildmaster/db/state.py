"""Small values that objects of the configuration keep: pollers, schedulers, users' services.

An object is known by (name, class name); its values are JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_objects, _state = schema.objects, schema.object_state


def object_id(txn: Txn, name: str, class_name: str) -> int:
    """The id of the object, given at its first mention."""
    memory = memory_of(txn)
    known = memory.get(("object", name, class_name))
    if known is not None:
        return int(known)
    query = sa.select(_objects.c.id).where(_objects.c.name == name, _objects.c.class_name == class_name)
    found = txn.execute(query, touches=(_objects,)).scalar()
    if found is None:
        found = txn.new_id("objects")
        txn.insert(_objects, id=found, name=name, class_name=class_name)
        memory.stage(("object", name, class_name), found)
    else:
        memory.confirm(("object", name, class_name), found)
    return int(found)


def get(conn: sa.Connection, objectid: int, name: str, *default: Any) -> Any:
    """A stored value; raises KeyError if there is none and no default was given."""
    query = sa.select(_state.c.value_json).where(_state.c.objectid == objectid, _state.c.name == name)
    found = conn.execute(query).scalar()
    if found is None:
        if default:
            return default[0]
        raise KeyError(name)
    return msgspec.json.decode(found)


def get_all(conn: sa.Connection, objectid: int) -> dict[str, Any]:
    """All values of an object by name."""
    query = sa.select(_state.c.name, _state.c.value_json).where(_state.c.objectid == objectid)
    return {name: msgspec.json.decode(value) for name, value in conn.execute(query)}


def put(txn: Txn, objectid: int, name: str, value: Any) -> None:
    """Store a value; raises TypeError if it cannot be written as JSON."""
    text = msgspec.json.encode(value).decode()
    where = (_state.c.objectid == objectid, _state.c.name == name)
    changed = txn.execute(sa.update(_state).where(*where).values(value_json=text), touches=(_state, _objects))
    if changed.rowcount:
        return
    known = txn.execute(sa.select(_state.c.name).where(*where), touches=(_state, _objects)).scalar()
    if known is None:  # MySQL counts rows that change only
        txn.insert(_state, objectid=objectid, name=name, value_json=text)


def put_many(txn: Txn, objectid: int, values: dict[str, Any]) -> None:
    """Store several values."""
    for name, value in values.items():
        put(txn, objectid, name, value)


def put_for(txn: Txn, name: str, class_name: str, values: dict[str, Any]) -> int:
    """Store values of the object with this name and class; returns its id."""
    objectid = object_id(txn, name, class_name)
    put_many(txn, objectid, values)
    return objectid


def create(txn: Txn, objectid: int, name: str, value: Any) -> Any:
    """Store a value unless there is one; returns what is stored."""
    try:
        return get_in(txn, objectid, name)
    except KeyError:
        txn.insert(_state, objectid=objectid, name=name, value_json=msgspec.json.encode(value).decode())
        return value


def get_in(txn: Txn, objectid: int, name: str) -> Any:
    """:func:`get` inside a write, seeing what the write itself has stored."""
    txn.flush()
    return get(txn.conn, objectid, name)
