"""``buildmaster copy-db``: copy a master's database into another one."""

from __future__ import annotations

from pathlib import Path

import click

from buildmaster.base.dirlock import DirectoryLocked
from buildmaster.cli.database import told_in_words
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import ignore_orphans_option, quiet_option, sayer
from buildmaster.cli.upgrade_master import configuration, rendered_database


@click.command("copy-db")
@click.argument("destination_url")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@ignore_orphans_option
def command(destination_url: str, basedir: Path, quiet: bool, ignore_fk_error_rows: bool) -> None:
    """Copy the database of the master in BASEDIR (default: the current directory) to DESTINATION_URL.

    The master must not be running, and its database must be of this version.  The destination must be empty; its tables
    are made.  A relative path in an SQLite URL is below BASEDIR.
    """
    directory = MasterDirectory(basedir)
    directory.tac()
    pid = directory.running_pid()
    if pid is not None:
        raise Failed(f"{DirectoryLocked(directory.path, pid)}. What it stores after the copy would be missing there")
    db = rendered_database(configuration(directory, "copied"))
    say = sayer(quiet)
    with told_in_words(db.db_url, destination_url):
        from buildmaster.db import copying, dialects

        source = dialects.parse_url(db.db_url, str(directory.path))
        destination = dialects.parse_url(destination_url, str(directory.path))
        if source == destination:
            raise Failed("The destination is the master's own database: name another one")
        kwargs = getattr(db, "engine_kwargs", None)
        copied = copying.copy(source, destination, say, ignore_fk_error_rows, kwargs)
    shown = destination.render_as_string(hide_password=True)
    say(f"{sum(copied.values())} rows copied to {shown}. To use it, name it with c['db'] and start the master")
