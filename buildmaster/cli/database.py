"""The database as ``create-master`` and ``upgrade-master`` handle it: create, back up, upgrade, explain."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from buildmaster.cli.main import Failed


def upgrade_database(
    url: str, basedir: Path, engine_kwargs: dict[str, Any] | None = None, backup: Callable[[Any], str] | None = None
) -> list[str]:
    """Bring the database up to this version, creating it if it is empty; returns lines that tell what was done.

    ``backup`` is called with the database's URL before anything is changed in one that holds data, and returns a
    line.  Raises :class:`~buildmaster.cli.main.Failed` if the database cannot be used; then nothing was changed.
    """
    from buildmaster.db import dialects, migrate
    from buildmaster.life.words import hide_password

    said = []
    try:
        parsed = dialects.parse_url(url, str(basedir))
        shown = parsed.render_as_string(hide_password=True)
        if _holds_older_data(parsed, engine_kwargs) and backup is not None:
            said.append(backup(parsed))
        before, after = migrate.upgrade(parsed, engine_kwargs)
    except (dialects.DatabaseUrlError, migrate.SchemaError) as e:
        raise Failed(f"The database was left as it is: {e}") from None
    except Failed:
        raise
    except Exception as e:  # policy: the database library's own, told with its place
        raise Failed(f"The database {hide_password(url)} cannot be used: {getattr(e, 'orig', e)}") from None
    if before == after:
        return [*said, f"database {shown} is ready (revision {after})"]
    return [*said, f"database {shown} upgraded from revision {before} to {after}"]


def _holds_older_data(url: Any, engine_kwargs: dict[str, Any] | None) -> bool:
    """Whether there are an earlier version's tables; looks through a connection that cannot write.

    Raises a :class:`~buildmaster.db.migrate.SchemaError` for a database that is not ours to change.
    """
    from buildmaster.db import dialects, migrate

    engine = dialects.create_engine(url, False, engine_kwargs)
    try:
        with engine.connect() as conn:
            migrate.check(conn)
    except migrate.NeedsUpgrade:
        return True
    except migrate.NotCreated:
        return False
    finally:
        engine.dispose()
    return False


def back_up(url: Any) -> str:
    """Copy a SQLite database to a file beside it; returns a line that names it.

    Raises :class:`~buildmaster.cli.main.Failed` for other databases, which have tools of their own.
    """
    if url.get_backend_name() != "sqlite":
        raise Failed(
            "The database holds data and needs an upgrade. Make a backup with its own tools (pg_dump, mysqldump) and "
            "run the command again with --no-backup"
        )
    source = Path(str(url.database))
    copy = source.with_name(f"{source.name}.{time.strftime('%Y%m%d-%H%M%S')}.backup")
    try:
        with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as old, sqlite3.connect(copy) as new:
            old.backup(new)
    except sqlite3.Error as e:
        raise Failed(f"{source} could not be copied to {copy}: {e}. Nothing was changed") from None
    return f"{source} copied to {copy}"


@contextlib.contextmanager
def told_in_words(*urls: str) -> Iterator[None]:
    """What goes wrong with one of these databases becomes a :class:`~buildmaster.cli.main.Failed` without passwords."""
    from buildmaster.db import dialects, migrate, storing
    from buildmaster.life.words import hide_password

    try:
        yield
    except (dialects.DatabaseUrlError, migrate.SchemaError, storing.CopyFailed) as e:
        raise Failed(str(e)) from None
    except Failed:
        raise
    except Exception as e:  # policy: the database library's own, told with its place
        shown = " or ".join(hide_password(url) for url in urls)
        raise Failed(f"The database {shown} cannot be used: {getattr(e, 'orig', e)}") from None
