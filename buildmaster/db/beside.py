"""Small values read and written beside a master that may be running on the same database: for configuration files.

Each call opens a connection of its own, waits for its answer and closes the connection.  An object that is stored
here for the first time gets a negative id: the master counts upwards and knows the ids that it has given.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc

from buildmaster.db import dialects, migrate, schema, state

_objects, _state = schema.objects, schema.object_state

ATTEMPTS = 5


def read(url: str, basedir: str, engine_kwargs: dict[str, Any], owner: tuple[str, str], name: str) -> Any:
    """The value of an object (name, class name).

    Raises KeyError if it has none, :class:`.migrate.SchemaError` if the tables are not there or another version's.
    """
    engine = _engine(url, basedir, engine_kwargs, False)
    try:
        with engine.connect() as conn:
            migrate.check(conn)
            with conn.begin():
                objectid = _object_id(conn, owner)
                if objectid is None:
                    raise KeyError(name)
                return state.get(conn, objectid, name)
    finally:
        engine.dispose()


def write(url: str, basedir: str, engine_kwargs: dict[str, Any], owner: tuple[str, str], name: str, value: Any) -> None:
    """Store the value of an object; raises TypeError if JSON can't hold it, SchemaError as :func:`read` does."""
    text = msgspec.json.encode(value).decode()
    engine = _engine(url, basedir, engine_kwargs, True)
    try:
        with engine.connect() as conn:
            migrate.check(conn)
            for attempt in range(ATTEMPTS):
                try:
                    with conn.begin():
                        _store(conn, owner, name, text)
                    return
                except exc.DBAPIError as e:
                    clash = isinstance(e, exc.IntegrityError) or dialects.classify(e) is dialects.Trouble.RETRY
                    if not clash or attempt == ATTEMPTS - 1:
                        raise
    finally:
        engine.dispose()


def _engine(url: str, basedir: str, engine_kwargs: dict[str, Any], writer: bool) -> sa.Engine:
    parsed = dialects.parse_url(url, basedir)
    if parsed.get_backend_name() == "sqlite" and not os.path.exists(str(parsed.database)):
        raise migrate.NotCreated(f"there is no database {parsed.database} yet: run `buildmaster upgrade-master`")
    return dialects.create_engine(parsed, writer, engine_kwargs)


def _object_id(conn: sa.Connection, owner: tuple[str, str]) -> int | None:
    query = sa.select(_objects.c.id).where(_objects.c.name == owner[0], _objects.c.class_name == owner[1])
    found: int | None = conn.execute(query).scalar()
    return found


def _store(conn: sa.Connection, owner: tuple[str, str], name: str, text: str) -> None:
    objectid = _object_id(conn, owner)
    if objectid is None:
        objectid = min(0, conn.execute(sa.select(sa.func.min(_objects.c.id))).scalar() or 0) - 1
        conn.execute(_objects.insert().values(id=objectid, name=owner[0], class_name=owner[1]))
    conn.execute(sa.delete(_state).where(_state.c.objectid == objectid, _state.c.name == name))
    conn.execute(_state.insert().values(objectid=objectid, name=name, value_json=text))
