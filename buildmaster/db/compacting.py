"""Making a database smaller: pieces of logs are joined and compressed anew, and free room is returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.db import dialects, log_text, logs, migrate, schema
from buildmaster.db.log_text import Compression

_logs, _chunks = schema.logs, schema.log_chunks

PAGE = 500
"""Logs whose ids are read at a time."""


@attrs.define
class Saved:
    """What compacting has done."""

    logs: int = 0  # looked at
    changed: int = 0  # of them
    bytes: int = 0  # fewer that their text takes


def compact(
    url: sa.URL, how: Compression, again: bool, say: Callable[[str], None], engine_kwargs: dict[str, Any] | None = None
) -> Saved:
    """Join small pieces of complete logs and compress them as ``how`` says, then have the database return free room.

    Pieces that need not be joined are compressed anew only with ``again``, and only if they are stored in another way.
    Each log is a transaction.  Raises :class:`~.migrate.SchemaError` unless the database is of this revision.
    """
    engine = dialects.create_engine(url, True, engine_kwargs)
    saved, after = Saved(), 0
    try:
        with engine.connect() as conn:
            migrate.check(conn)
            while ids := _next_logs(conn, after):
                for logid in ids:
                    with conn.begin():
                        won, changed = _compact_log(conn, logid, how, again)
                    saved.logs += 1
                    saved.changed += changed
                    saved.bytes += won
                after = ids[-1]
                say(f"{saved.logs} logs done, {saved.bytes} bytes saved")
        _return_room(engine)
        return saved
    finally:
        engine.dispose()


def _next_logs(conn: sa.Connection, after: int) -> list[int]:
    query = sa.select(_logs.c.id).where(_logs.c.id > after, _logs.c.complete == 1).order_by(_logs.c.id).limit(PAGE)
    with conn.begin():
        return list(conn.execute(query).scalars())


def _compact_log(conn: sa.Connection, logid: int, how: Compression, again: bool) -> tuple[int, bool]:
    """Returns how many bytes that saved, and whether anything was changed."""
    columns = (_chunks.c.first_line, _chunks.c.raw_bytes, _chunks.c.compression)
    pieces = conn.execute(sa.select(*columns).where(_chunks.c.logid == logid).order_by(_chunks.c.first_line)).all()
    method = how.at(sum(piece.raw_bytes for piece in pieces))
    stored_as = {piece.first_line: piece.compression for piece in pieces}
    won, changed = 0, False
    for group in logs.groups([(piece.first_line, piece.raw_bytes) for piece in pieces]):
        if len(group) > 1 or (again and group and stored_as[group[0]] != log_text.METHODS[method][0]):
            more = _join(conn, logid, group, method)
            won += more or 0
            changed = changed or more is not None
    return won, changed


def _join(conn: sa.Connection, logid: int, group: list[int], method: str) -> int | None:
    """Returns how many bytes that saved; None, having changed nothing, if one piece would stay as it is."""
    here = (_chunks.c.logid == logid, _chunks.c.first_line.between(group[0], group[-1]))
    rows = conn.execute(sa.select(_chunks).where(*here).order_by(_chunks.c.first_line)).all()
    joined = logs.join(rows, method)
    if len(rows) == 1 and joined["compression"] == rows[0].compression:  # it does not get smaller by that method
        return None
    conn.execute(sa.delete(_chunks).where(*here))
    conn.execute(sa.insert(_chunks).values(joined))
    return sum(len(row.content) for row in rows) - len(joined["content"])


def _return_room(engine: sa.Engine) -> None:
    """Have the database give back what deleted rows have left."""
    if engine.url.get_backend_name() == "mysql":
        with engine.connect() as conn:
            for table in schema.metadata.sorted_tables:
                conn.exec_driver_sql(f"OPTIMIZE TABLE {table.name}").fetchall()
        return
    raw = engine.raw_connection()
    try:
        dbapi: Any = raw.dbapi_connection
        if engine.url.get_backend_name() == "postgresql":
            dbapi.autocommit = True
            for table in schema.metadata.sorted_tables:
                dbapi.execute(f"VACUUM ANALYZE {table.name}")
        else:
            dbapi.execute("VACUUM")
            dbapi.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()
