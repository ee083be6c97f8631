"""Users: the people behind changes, and those who may log in.

A user has an identifier and any number of attributes (``email``, ``git`` …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_users, _info = schema.users, schema.users_info


class UserTaken(ValueError):
    """The identifier or user name belongs to another user."""


def find_by_attribute(txn: Txn, identifier: str, attr_type: str, attr_data: str) -> int:
    """The id of the user with this attribute; one is stored, with this identifier, if there is none.

    When another user has the identifier already, the attribute's text is added to it.
    """
    attr_data = attr_data[:256]
    query = (
        sa.select(_info.c.uid)
        .where(_info.c.attr_type == attr_type, _info.c.attr_data == attr_data)
        .order_by(_info.c.uid)
        .limit(1)
    )
    found = txn.execute(query, touches=(_info,)).scalar()
    if found is not None:
        return found
    uid = txn.new_id("users")
    name = identifier[:500]
    number = 1
    while _id_of(txn, name) is not None:
        number += 1
        name = f"{identifier[:490]}_{number}"
    txn.insert(_users, id=uid, identifier=name)
    txn.insert(_info, uid=uid, attr_type=attr_type, attr_data=attr_data)
    return uid


def _id_of(txn: Txn, identifier: str) -> int | None:
    query = sa.select(_users.c.id).where(_users.c.identifier == identifier)
    return txn.execute(query, touches=(_users,)).scalar()


def identifier_to_uid(conn: sa.Connection, identifier: str) -> int | None:
    """The id of the user with this identifier."""
    return conn.execute(sa.select(_users.c.id).where(_users.c.identifier == identifier)).scalar()


def get(conn: sa.Connection, uid: int) -> dict[str, Any] | None:
    """A user: uid, identifier, bb_username, bb_password and one item for each attribute."""
    row = conn.execute(sa.select(_users).where(_users.c.id == uid)).first()
    return None if row is None else _whole(conn, row)


def get_by_username(conn: sa.Connection, username: str) -> dict[str, Any] | None:
    """The user who logs in by this name."""
    row = conn.execute(sa.select(_users).where(_users.c.bb_username == username)).first()
    return None if row is None else _whole(conn, row)


def _whole(conn: sa.Connection, row: Any) -> dict[str, Any]:
    attributes = conn.execute(sa.select(_info).where(_info.c.uid == row.id))
    found = {item.attr_type: item.attr_data for item in attributes}
    own = {"uid": row.id, "identifier": row.identifier, "bb_username": row.bb_username, "bb_password": row.bb_password}
    return {**found, **own}


def get_all(conn: sa.Connection) -> list[dict[str, Any]]:
    """All users without their attributes, by id."""
    query = sa.select(_users).order_by(_users.c.id)
    return [
        {"uid": r.id, "identifier": r.identifier, "bb_username": r.bb_username, "bb_password": r.bb_password}
        for r in conn.execute(query)
    ]


def of_change(conn: sa.Connection, changeid: int) -> list[int]:
    """The ids of the users behind a change."""
    uid = conn.execute(sa.select(schema.changes.c.uid).where(schema.changes.c.id == changeid)).scalar()
    return [] if uid is None else [uid]


def update(
    txn: Txn,
    uid: int,
    identifier: str | None = None,
    bb_username: str | None = None,
    bb_password: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> bool:
    """Change what is given of a user; False if there is none such.  Raises :class:`UserTaken`."""
    txn.flush()
    if txn.execute(sa.select(_users.c.id).where(_users.c.id == uid)).scalar() is None:
        return False
    given = {"identifier": identifier, "bb_username": bb_username, "bb_password": bb_password}
    values = {name: value for name, value in given.items() if value is not None}
    for name in ("identifier", "bb_username"):
        if name in values:
            query = sa.select(_users.c.id).where(_users.c[name] == values[name], _users.c.id != uid)
            if txn.execute(query).scalar() is not None:
                raise UserTaken(f"{name} {values[name]!r} belongs to another user")
    if values:
        txn.update(_users, uid, **values)
    for attr_type, attr_data in (attributes or {}).items():
        where = (_info.c.uid == uid, _info.c.attr_type == attr_type)
        if not txn.execute(sa.update(_info).where(*where).values(attr_data=attr_data[:256])).rowcount:
            txn.insert(_info, uid=uid, attr_type=attr_type, attr_data=attr_data[:256])
    return True


def remove(txn: Txn, uid: int) -> bool:
    """Delete a user; changes keep their authors.  False if there is none such."""
    txn.execute(sa.update(schema.changes).where(schema.changes.c.uid == uid).values(uid=None))
    txn.execute(sa.delete(_info).where(_info.c.uid == uid))
    return bool(txn.execute(sa.delete(_users).where(_users.c.id == uid)).rowcount)
