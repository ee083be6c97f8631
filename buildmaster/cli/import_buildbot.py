"""``buildmaster import-buildbot``: take over the history of a Buildbot master."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import click

from buildmaster.cli.database import told_in_words
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import ignore_orphans_option, quiet_option, sayer
from buildmaster.cli.upgrade_master import configuration, rendered_database


@click.command("import-buildbot")
@click.argument("source")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@ignore_orphans_option
def command(source: str, basedir: Path, quiet: bool, ignore_fk_error_rows: bool) -> None:
    """Import all that a Buildbot master has stored into the new master in BASEDIR (default: the current directory).

    SOURCE is the Buildbot master's directory, or its database's URL; it is only read.  Both masters must be stopped,
    and the new one must not have run yet.
    """
    directory = MasterDirectory(basedir)
    with directory.held():
        _import(source, directory, sayer(quiet), ignore_fk_error_rows)


def _import(source: str, directory: MasterDirectory, say: Any, skip_orphans: bool) -> None:
    db = rendered_database(configuration(directory, "filled"))
    url = _source_url(source)
    with told_in_words(url, db.db_url):
        from buildmaster.db import dialects, importing

        old = dialects.parse_url(url, ".")
        new = dialects.parse_url(db.db_url, str(directory.path))
        kwargs = getattr(db, "engine_kwargs", None)
        rows = importing.import_history(old, new, say, time.time(), class_here, skip_orphans, kwargs)
        shown = new.render_as_string(hide_password=True)
    say(f"{sum(rows.values())} rows imported into {shown}, {rows['builds']} builds among them. Start the master")


def _source_url(source: str) -> str:
    """The URL of what may be a URL, a directory of a Buildbot master, or an SQLite file."""
    if "://" in source:
        return source
    path = Path(source).absolute()
    if (path / "buildbot.tac").exists():
        if MasterDirectory(path).running_pid() is not None:
            raise Failed(f"The Buildbot master in {path} is running (it has a file twistd.pid): stop it first")
        path /= "state.sqlite"
    if not path.is_file():
        raise Failed(
            f"{path} does not exist. Name the directory of a Buildbot master that uses SQLite, its database's file, or "
            "the URL that its c['db'] has"
        )
    return f"sqlite:///{path}"


def class_here(name: str) -> str:
    """The qualified name that a class of Buildbot has here; other classes, and bare names, stay what they are."""
    module, _, attribute = name.rpartition(".")
    if not module.startswith("buildbot."):
        return name
    try:
        found = getattr(importlib.import_module(module), attribute)
        return f"{found.__module__}.{found.__qualname__}"
    except Exception:  # policy: skip; what it kept is of no use then, and harms nobody
        return name
