"""A build's properties: one row of JSON, written whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_table = schema.build_properties
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode

PropertiesDict = Mapping[str, tuple[Any, str]]


def add(txn: Txn, buildid: int, properties: PropertiesDict) -> None:
    """Store the properties with which a build starts."""
    txn.insert(_table, buildid=buildid, properties=_encode(properties).decode())
    txn.note("property", "update", buildid=buildid, properties=dict(properties))


def replace(txn: Txn, buildid: int, properties: PropertiesDict, changed: PropertiesDict | None = None) -> None:
    """Store all properties again; ``changed`` are those that listeners are told of, by default all."""
    txn.update(_table, buildid, key_column="buildid", properties=_encode(properties).decode())
    txn.note("property", "update", buildid=buildid, properties=dict(properties if changed is None else changed))


def set_one(txn: Txn, buildid: int, name: str, value: Any, source: str) -> None:
    """Set one property of a build, running or not; the row is made if there is none."""
    txn.flush()
    stored = get(txn.conn, buildid)
    if stored is None:
        add(txn, buildid, {name: (value, source)})
    elif stored.get(name) != (value, source):
        replace(txn, buildid, {**stored, name: (value, source)}, {name: (value, source)})


def get(conn: sa.Connection, buildid: int) -> dict[str, tuple[Any, str]] | None:
    """Name → (value, source), or None if the build has stored none yet."""
    text = conn.execute(sa.select(_table.c.properties).where(_table.c.buildid == buildid)).scalar()
    return None if text is None else _from_json(text)


def get_many(conn: sa.Connection, buildids: Iterable[int]) -> dict[int, dict[str, tuple[Any, str]]]:
    """The same of several builds by id; those without are left out."""
    query = sa.select(_table).where(_table.c.buildid.in_(list(buildids)))
    return {row.buildid: _from_json(row.properties) for row in conn.execute(query)}


def _from_json(text: str) -> dict[str, tuple[Any, str]]:
    return {name: (value, source) for name, (value, source) in _decode(text).items()}
