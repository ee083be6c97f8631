"""``buildmaster create-master``: make a directory for a new master, with its tac file, a sample and a database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from buildmaster.cli.database import upgrade_database
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option, sayer
from buildmaster.cli.templates import render


def _log_size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number of bytes") from None


def _log_count(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "None":
        return None
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number of files nor None (keep all)") from None


@click.command("create-master")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("-f", "--force", is_flag=True, help="Use a directory that exists; its master.cfg is left alone.")
@click.option("-r", "--relocatable", is_flag=True, help="Write a buildbot.tac that works wherever the directory lies.")
@click.option("-d", "--develop", is_flag=True, help="The same as without it: the pages are never copied.")
@click.option("-n", "--no-logrotate", is_flag=True, help="Leave the rotation of twistd.log to others.")
@click.option("-c", "--config", default="master.cfg", show_default=True, help="Name of the configuration file.")
@click.option("-s", "--log-size", default="10000000", show_default=True, callback=_log_size, help="Bytes per log file.")
@click.option(
    "-l", "--log-count", default="10", show_default=True, callback=_log_count, help="Old log files kept; None: all."
)
@click.option("--db", default="sqlite:///state.sqlite", show_default=True, help="Where the state is kept.")
def command(
    basedir: Path,
    quiet: bool,
    force: bool,
    relocatable: bool,
    develop: bool,
    no_logrotate: bool,
    config: str,
    log_size: int,
    log_count: int | None,
    db: str,
) -> None:
    """Make the directory BASEDIR (default: the current one) for a new master.

    It gets a buildbot.tac, which 'buildmaster start' runs, a master.cfg.sample to begin a configuration from, a
    password.txt with the web password that the sample uses, and the database named by --db: sqlite:///FILE,
    postgresql://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME.  That URL is also written to the sample;
    what counts later is c["db"] in the configuration.
    """
    directory = MasterDirectory(basedir)
    say = sayer(quiet)
    make_directory(directory, force=force)
    tac = render(
        "buildbot.tac.j2",
        relocatable=relocatable,
        basedir=repr(str(directory.path)),
        config=config,
        config_literal=repr(config),
        logrotate=not no_logrotate,
        log_size=log_size,
        log_count=log_count,
    )
    say(write_new(directory.path / "buildbot.tac", tac))
    say(write_new(directory.path / f"{config}.sample", render("master.cfg.sample.j2", db=repr(db))))
    say(write_new(directory.path / "password.txt", secrets.token_urlsafe(12) + "\n", mode=0o600))
    for line in upgrade_database(db, directory.path):
        say(line)
    say(f"{directory.path} is ready. Next: copy {config}.sample to {config}, edit it, then 'buildmaster start'")


def make_directory(directory: MasterDirectory, force: bool) -> None:
    """Make the directory, or with ``force`` take an existing one.

    Raises :class:`~buildmaster.cli.main.Failed` if there is a master in it already, or anything without ``force``.
    """
    path = directory.path
    if path.exists() and not path.is_dir():
        raise Failed(f"{path} is a file. Name a directory that does not exist yet")
    if directory.find_tac() is not None and not force:
        raise Failed(
            f"{path} is a master's directory already. 'buildmaster upgrade-master' brings it up to this version; "
            "--force writes the files that are missing"
        )
    if path.is_dir() and any(path.iterdir()) and not force:
        raise Failed(f"{path} exists and is not empty. Name another directory, or use this one with --force")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise Failed(f"{path} cannot be made: {e.strerror}") from None
    if not os.access(path, os.W_OK):
        raise Failed(f"{path} cannot be written to by this user. Change its owner or its permissions")


def write_new(path: Path, text: str, mode: int = 0o644) -> str:
    """Write a file that does not exist yet; returns a line that tells what was done."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{path} exists already and was left as it is"
    except OSError as e:
        raise Failed(f"{path} cannot be written: {e.strerror}") from None
    return f"{path} written"
