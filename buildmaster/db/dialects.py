"""What differs between the databases: how to connect, and what their errors mean."""

from __future__ import annotations

import enum
import functools
import os
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc, pool
from sqlalchemy.engine import URL, make_url

_SQLITE_RETRY = ("database is locked", "database table is locked", "database schema is locked", "database is busy")
_SQLITE_RESOURCE = ("disk is full", "disk i/o error", "unable to open database file", "readonly database")
_PG_RETRY = frozenset({"40001", "40P01", "55P03"})
_PG_RESOURCE = frozenset({"53100", "53200", "53300"})
_MYSQL_RETRY = frozenset({1205, 1213})
_MYSQL_RESOURCE = frozenset({1021, 1040, 1041, 1114})
_MYSQL_GONE = frozenset({1053, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031})


class Trouble(enum.Enum):
    """What to do about a database error."""

    RETRY = "a conflict with another transaction: run again"
    RESOURCE = "the database has no room or no time now: run again later"
    DISCONNECT = "the link is gone: connect again, then find out"
    FATAL = "the job is at fault"


class DatabaseUrlError(ValueError):
    """A database URL that cannot be used; the message names the mend."""


def parse_url(text: str, basedir: str) -> URL:
    """A database URL with its driver filled in and SQLite paths made absolute.

    ``%(basedir)s`` and relative SQLite paths refer to ``basedir``.  Raises :class:`DatabaseUrlError`.
    """
    try:
        url = make_url(text.replace("%(basedir)s", basedir))
    except exc.ArgumentError as e:
        raise DatabaseUrlError(f"db_url {text!r} is not a database URL: {e}") from e
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database not in (None, "", ":memory:"):
            url = url.set(database=os.path.join(basedir, str(url.database)))
        return url.set(drivername="sqlite")
    if backend == "postgresql":
        return _with_driver(url, "postgresql", "psycopg", "psycopg", "postgres")
    if backend in ("mysql", "mariadb"):
        query = {k: v for k, v in url.query.items() if k not in ("max_idle", "use_unicode", "storage_engine")}
        url = url.set(query={"charset": "utf8mb4", **query})
        return _with_driver(url, "mysql", "pymysql", "pymysql", "mysql")
    raise DatabaseUrlError(f"db_url {text!r}: only sqlite, postgresql and mysql databases are supported")


def _with_driver(url: URL, backend: str, driver: str, module: str, extra: str) -> URL:
    """The URL with the driver that is used whatever was named (old configurations name others)."""
    try:
        __import__(module)
    except ImportError as e:
        raise DatabaseUrlError(
            f"the database URL needs the Python package {module!r}: install the {extra!r} extra of this package"
        ) from e
    return url.set(drivername=f"{backend}+{driver}")


def create_engine(
    url: URL, writer: bool, engine_kwargs: dict[str, Any] | None = None, durable: bool = True
) -> sa.Engine:
    """An engine whose connections are kept by the threads that use them (no pool of its own).

    ``engine_kwargs`` are the documented extra arguments of ``sqlalchemy.create_engine``; those about pooling and
    strategy are without meaning here.  Without ``durable``, SQLite leaves it to the system when commits reach the disk.
    """
    kwargs = {k: v for k, v in (engine_kwargs or {}).items() if not k.startswith("pool") and k != "strategy"}
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, poolclass=pool.NullPool, **kwargs)
        prepare = functools.partial(_prepare_sqlite_writer, durable) if writer else _prepare_sqlite_reader
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin_immediate if writer else _begin_deferred)
        return engine
    if url.get_backend_name() == "mysql":
        kwargs.setdefault("connect_args", {}).setdefault("connect_timeout", 10)
        kwargs.setdefault("isolation_level", "READ COMMITTED")
    else:
        kwargs.setdefault("connect_args", {}).setdefault("connect_timeout", 10)
    return sa.create_engine(url, poolclass=pool.NullPool, **kwargs)


def _prepare_sqlite_writer(durable: bool, dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA busy_timeout=2000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _prepare_sqlite_reader(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin_immediate(conn: sa.Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(conn: sa.Connection) -> None:
    conn.exec_driver_sql("BEGIN")


def classify(error: BaseException) -> Trouble:
    """What kind of trouble an exception of a database call is."""
    if not isinstance(error, exc.DBAPIError):
        return Trouble.FATAL
    if error.connection_invalidated:
        return Trouble.DISCONNECT
    original = error.orig
    module = type(original).__module__.split(".")[0]
    if module == "sqlite3":
        return _classify_sqlite(str(original).lower())
    if module == "psycopg":
        return _classify_postgres(original)
    if module == "pymysql":
        return _classify_mysql(original)
    return Trouble.FATAL


def mend(error: BaseException | None) -> str:
    """What a user can do about a database that cannot be written to."""
    text = str(getattr(error, "orig", error)).lower()
    if "full" in text:
        return "Make room on its disk"
    if "locked" in text or "busy" in text:
        return "Another process holds a lock on it: end that process, or wait for it"
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return "Let the master's user write to its files and their directory"
    return "See that its server runs and can be reached, and that its disk has room"


def _classify_sqlite(message: str) -> Trouble:
    if any(text in message for text in _SQLITE_RETRY):
        return Trouble.RETRY
    if any(text in message for text in _SQLITE_RESOURCE):
        return Trouble.RESOURCE
    return Trouble.FATAL


def _classify_postgres(original: Any) -> Trouble:
    state = getattr(original, "sqlstate", None)
    if state in _PG_RETRY:
        return Trouble.RETRY
    if state in _PG_RESOURCE:
        return Trouble.RESOURCE
    if state is not None and state.startswith(("08", "57P")):
        return Trouble.DISCONNECT
    if state is None and type(original).__name__ in ("OperationalError", "InterfaceError"):
        return Trouble.DISCONNECT
    return Trouble.FATAL


def _classify_mysql(original: Any) -> Trouble:
    code = original.args[0] if original.args else None
    if code in _MYSQL_RETRY:
        return Trouble.RETRY
    if code in _MYSQL_RESOURCE:
        return Trouble.RESOURCE
    if code in _MYSQL_GONE or type(original).__name__ == "InterfaceError":
        return Trouble.DISCONNECT
    return Trouble.FATAL
