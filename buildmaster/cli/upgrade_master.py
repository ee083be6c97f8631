"""``buildmaster upgrade-master``: bring a master's directory and database up to this version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.cli.database import back_up, upgrade_database
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option, sayer
from buildmaster.cli.templates import render


@click.command("upgrade-master")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("-d", "--develop", is_flag=True, help="The same as without it: the pages are never copied.")
@click.option("-r", "--replace", is_flag=True, help="Replace files that were changed, instead of writing NAME.new.")
@click.option("--no-backup", is_flag=True, help="Do not copy the database first: you have made a backup.")
def command(basedir: Path, quiet: bool, develop: bool, replace: bool, no_backup: bool) -> None:
    """Bring BASEDIR (default: the current directory) up to this version.  The master must not be running.

    An SQLite database is first copied to a file beside it.  master.cfg and buildbot.tac are left as they are.
    """
    directory = MasterDirectory(basedir)
    with directory.held():
        upgrade(directory, sayer(quiet), replace, no_backup)


def upgrade(directory: MasterDirectory, say: Any, replace: bool, no_backup: bool) -> None:
    """Upgrade the database and the sample configuration of a directory that this process holds."""
    config = configuration(directory)
    db = rendered_database(config)
    for line in upgrade_database(
        db.db_url, directory.path, getattr(db, "engine_kwargs", None), None if no_backup else back_up
    ):
        say(line)
    name = directory.config_file().name
    sample = render("master.cfg.sample.j2", db=_as_written(config.db.db_url))
    written = replace_file(directory.path / f"{name}.sample", sample, replace)
    if written:
        say(written)
    say(f"{directory.path} is up to date")


def configuration(directory: MasterDirectory, done: str = "upgraded") -> Any:
    """The configuration, which tells about the database; ``done`` is what is to be done with it."""
    from buildmaster.life.loading import config_loader

    file = directory.config_file()
    if not file.exists():
        raise Failed(f"{file} does not exist, and it tells which database is to be {done}. Write it first")
    try:
        return config_loader(str(directory.path), file.name).loadConfig()
    except ConfigErrors as e:
        errors = "\n".join(f"  {message}" for message in e.errors)
        raise Failed(f"{file} is not a valid configuration; nothing was {done}:\n{errors}") from None


def rendered_database(config: Any) -> Any:
    """What a configuration says about the database, with its secrets, which its providers are asked for."""
    from twisted.internet import reactor

    from buildmaster.secrets.manager import SecretManager
    from buildmaster.service import MasterService

    master: Any = MasterService()
    master.config, master.reactor = config, reactor
    secrets = SecretManager()
    secrets.setServiceParent(master)
    asked = as_deferred(secrets.before_start(config, lambda: master.get_db_config(config)))
    found: list[Any] = []
    asked.addBoth(found.append)
    if not found:  # a provider that has to ask somebody else
        asked.addBoth(lambda _: master.reactor.stop())
        master.reactor.run()
    if isinstance(found[0], Failure):
        raise Failed(f"c['db'] could not be rendered: {found[0].getErrorMessage()}")
    return found[0]


def _as_written(db_url: Any) -> str:
    return repr(db_url) if isinstance(db_url, str) else f"util.{db_url!r}"


def replace_file(path: Path, text: str, replace: bool) -> str | None:
    """Write a file, or NAME.new beside one that was changed; returns a line if anything was written."""
    old = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    if old == text:
        return None
    target = path if old is None or replace else path.with_name(path.name + ".new")
    target.write_text(text, encoding="utf-8")
    return f"{target} written" + ("" if target == path else f": this version's {path.name}, yours was changed")
