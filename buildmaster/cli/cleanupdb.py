"""``buildmaster cleanupdb``: make a master's database smaller."""

from __future__ import annotations

from pathlib import Path

import click

from buildmaster.base.dirlock import DirectoryLocked
from buildmaster.cli.database import told_in_words
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option, sayer
from buildmaster.cli.upgrade_master import configuration, rendered_database


@click.command("cleanupdb")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("-f", "--force", is_flag=True, help="Compress all logs anew, and do so even while the master is running.")
def command(basedir: Path, quiet: bool, force: bool) -> None:
    """Make the database of the master in BASEDIR (default: the current directory) smaller.

    Small pieces of logs are joined and compressed as logCompressionMethod says; then the database returns what room is
    free (VACUUM; OPTIMIZE TABLE on MySQL and MariaDB), which takes a while and, on SQLite, as much room again.
    """
    directory = MasterDirectory(basedir)
    directory.tac()
    pid = directory.running_pid()
    if pid is not None and not force:
        raise Failed(f"{DirectoryLocked(directory.path, pid)}. With --force it is not waited for")
    config = configuration(directory, "made smaller")
    db = rendered_database(config)
    say = sayer(quiet)
    with told_in_words(db.db_url):
        from buildmaster.db import compacting, dialects
        from buildmaster.db.log_text import Compression

        url = dialects.parse_url(db.db_url, str(directory.path))
        saved = compacting.compact(url, Compression.of(config), force, say, getattr(db, "engine_kwargs", None))
    say(f"{saved.changed} of {saved.logs} logs stored anew; their text takes {saved.bytes} bytes less")
