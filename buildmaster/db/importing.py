"""Taking over what a Buildbot master has stored: its whole history, and what was still to be built.

The old database is read in one transaction and never written to.  The rows are made by :mod:`.buildbot_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from buildmaster.db import dialects, migrate, schema
from buildmaster.db.buildbot_rows import Translation
from buildmaster.db.buildbot_tables import BuildbotDatabase
from buildmaster.db.copying import one_instant
from buildmaster.db.migrate import SchemaError
from buildmaster.db.storing import Say, Storing, must_be_empty

NEWEST = "067"
"""The revision of Buildbot 4.3's tables, which this reads."""


class NotBuildbot(SchemaError):
    """The source is not a Buildbot database of the version that can be read."""


def import_history(
    source: sa.URL,
    destination: sa.URL,
    say: Say,
    now: float,
    class_name: Callable[[str], str],
    skip_orphans: bool = False,
    destination_kwargs: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Import everything from a Buildbot database into an empty one; returns the number of rows by table.

    ``say`` is called with a line now and then; ``now`` (epoch seconds) is when what was running has ended;
    ``class_name`` gives the name that a class of Buildbot has here.  Rows that refer to rows which do not exist end the
    import, or are left out with ``skip_orphans``.  Raises, having changed nothing, :class:`~.migrate.SchemaError`
    unless the source is Buildbot's and the destination empty, and
    :class:`~.log_text.LogCompressionFormatUnavailableError` if logs can't be read; :class:`~.storing.CopyFailed` later.
    """
    reading = dialects.create_engine(source, False)
    writing = dialects.create_engine(destination, True, destination_kwargs)
    try:
        with one_instant(reading).connect() as old, writing.connect() as new:
            _check(old)
            stored = {}
            with old.begin():
                rows = Translation(BuildbotDatabase(old), now, class_name).tables()
                migrate.check(new, create=True)
                must_be_empty(new)
                for table in schema.metadata.sorted_tables:
                    if table.name in rows:
                        stored[table.name] = Storing(table, new, say, skip_orphans).run(rows[table.name])
            return stored
    finally:
        reading.dispose()
        writing.dispose()


def _check(old: sa.Connection) -> None:
    """Raise :class:`NotBuildbot` for a database that can't be read."""
    with old.begin():
        names = set(sa.inspect(old).get_table_names())
        if "alembic_version" not in names or not {"buildsets", "buildset_properties", "logchunks"} <= names:
            raise NotBuildbot("this is not the database of a Buildbot master (of version 3 or later)")
        found = old.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if found != NEWEST:
        raise NotBuildbot(
            f"the tables are of revision {found}; those of Buildbot 4.3 ({NEWEST}) can be read. Bring a copy of the "
            "database to it with `buildbot upgrade-master` of Buildbot 4.3, and import that"
        )
