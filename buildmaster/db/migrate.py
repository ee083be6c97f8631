"""Creating, checking and upgrading the schema; and never touching somebody else's database."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from buildmaster.db import schema


class SchemaError(Exception):
    """The database cannot be used as it is; the message tells the mend."""


class NotCreated(SchemaError):
    """There are no tables yet."""


class NeedsUpgrade(SchemaError):
    """The tables are an earlier version's."""


class TooNew(SchemaError):
    """The tables are a later version's."""


class Foreign(SchemaError):
    """The tables are another program's, Buildbot's in particular."""


def check(conn: sa.Connection, create: bool = False) -> None:
    """Raise a :class:`SchemaError` unless the schema is this version's; ``create`` makes it in an empty database."""
    with _reading(conn):
        found = revision(conn)
        foreign = None if found else foreign_table(conn)
    if found == schema.REVISION:
        return
    if foreign:
        raise Foreign(
            f"the database belongs to another program (it has a table {foreign!r}, as Buildbot's has); it is left "
            "as it is. Name a database of its own with c['db'] or create-master --db"
        )
    if found is None:
        if not create:
            raise NotCreated(
                "the database has no tables yet: run `buildmaster upgrade-master` on the master's directory"
            )
        with conn.begin():
            create_all(conn)
        return
    if found in known_revisions():
        raise NeedsUpgrade(
            f"the database is at revision {found}, this version needs {schema.REVISION}: stop the master and run "
            "`buildmaster upgrade-master`"
        )
    raise TooNew(
        f"the database is at revision {found}, which is newer than this version ({schema.REVISION}): install the "
        "version that wrote it, or a later one"
    )


class _reading:
    """A transaction that is rolled back: looking must not create anything."""

    def __init__(self, conn: sa.Connection) -> None:
        self._conn = conn

    def __enter__(self) -> None:
        self._transaction = self._conn.begin()

    def __exit__(self, *_: Any) -> None:
        self._transaction.rollback()


def revision(conn: sa.Connection) -> str | None:
    """The schema revision stored in the database, or None."""
    if not sa.inspect(conn).has_table(schema.VERSION_TABLE):
        return None
    return conn.execute(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar()


def foreign_table(conn: sa.Connection) -> str | None:
    """The name of a table that shows that the database is another program's, if there is one."""
    names = set(sa.inspect(conn).get_table_names())
    marks = sorted(names & schema.FOREIGN_VERSION_TABLES)
    if marks:
        return marks[0]
    clash = sorted(names & set(schema.metadata.tables))
    return clash[0] if clash else None


def create_all(conn: sa.Connection) -> None:
    """Make all tables in an empty database, inside the caller's transaction."""
    tables = schema.for_mysql() if conn.dialect.name in ("mysql", "mariadb") else schema.metadata
    tables.create_all(conn)
    conn.execute(sa.text(f"CREATE TABLE {schema.VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    conn.execute(sa.text(f"INSERT INTO {schema.VERSION_TABLE} (version_num) VALUES (:r)"), {"r": schema.REVISION})
    fill(conn)


def fill(conn: sa.Connection) -> None:
    """The rows that a new database starts with."""
    conn.execute(schema.journal_head.insert(), {"id": 1, "position": 0, "pruned": 0})


def _script_directory() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(os.path.join(os.path.dirname(__file__), "migrations"))


def known_revisions() -> list[str]:
    """All revisions that this version can upgrade from, newest first, the current one included."""
    return [script.revision for script in _script_directory().walk_revisions()]


def upgrade(url: sa.URL, engine_kwargs: dict[str, Any] | None = None, to: str = "head") -> tuple[str | None, str]:
    """Bring the database at ``url`` to the newest revision, creating it if it is empty.

    Returns (revision before, revision after).  Raises :class:`Foreign` or :class:`TooNew`, changing nothing.
    """
    from buildmaster.db import dialects

    engine = dialects.create_engine(url, True, engine_kwargs)
    try:
        with engine.connect() as conn:
            try:
                check(conn, create=to == "head")
                return revision_of(conn), schema.REVISION
            except NeedsUpgrade:
                pass
            from alembic.migration import MigrationContext
            from alembic.operations import Operations

            scripts = _script_directory()
            before = revision_of(conn)
            with conn.begin():
                context = MigrationContext.configure(
                    conn,
                    opts={
                        "version_table": schema.VERSION_TABLE,
                        "fn": lambda rev, _: scripts._upgrade_revs(to, rev),
                        "target_metadata": schema.metadata,
                        "render_as_batch": True,
                    },
                )
                with Operations.context(context):
                    context.run_migrations()
            return before, schema.REVISION if to == "head" else to
    finally:
        engine.dispose()


def revision_of(conn: sa.Connection) -> str | None:
    """:func:`revision` in a transaction of its own."""
    with _reading(conn):
        return revision(conn)


def describe_unreachable(error: exc.DBAPIError, url: sa.URL) -> str:
    """A message for a database that cannot be opened, without its password."""
    return f"the database {url.render_as_string(hide_password=True)} cannot be used: {error.orig}"
