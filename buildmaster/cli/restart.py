"""``buildmaster restart``: stop and start."""

from __future__ import annotations

from pathlib import Path

import click

from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.options import quiet_option
from buildmaster.cli.start import start
from buildmaster.cli.stop import stop


@click.command("restart")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("--nodaemon", is_flag=True, help="Stay in the foreground.")
@click.option("-c", "--clean", is_flag=True, help="Let running builds finish first.")
@click.option("--start_timeout", "--start-timeout", type=float, help="Seconds to wait for the master to run.")
def command(basedir: Path, quiet: bool, nodaemon: bool, clean: bool, start_timeout: float | None) -> None:
    """Stop the master in BASEDIR (default: the current directory), if one runs, and start it."""
    directory = MasterDirectory(basedir)
    stop(directory, quiet=quiet, clean=clean, wait=True)
    start(directory, quiet=quiet, nodaemon=nodaemon, timeout=start_timeout)
