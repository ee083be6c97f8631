"""``buildmaster start``: run a master, in the background or in the foreground, and tell whether it really runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option
from buildmaster.cli.report import FAILED, RUNNING, Reporter, Terminal, TimedOut, read_reports


@click.command("start")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("--nodaemon", is_flag=True, help="Stay in the foreground.")
@click.option(
    "--start_timeout", "--start-timeout", type=float, help="Seconds to wait for the master to run; default: no limit."
)
def command(basedir: Path, quiet: bool, nodaemon: bool, start_timeout: float | None) -> None:
    """Start the master in BASEDIR (default: the current directory).

    Returns when the master runs (exit status 0), or tells why it does not (1).  After --start_timeout seconds the
    command gives up waiting (1); the master may still come up.
    """
    start(MasterDirectory(basedir), quiet=quiet, nodaemon=nodaemon, timeout=start_timeout)


def start(directory: MasterDirectory, quiet: bool, nodaemon: bool, timeout: float | None) -> None:
    """Start a master.  In the foreground this ends the process with the master's exit status.

    Raises :class:`~buildmaster.cli.main.Failed` if it does not run.
    """
    tac = directory.tac()
    refuse_if_running(directory, quiet)
    if nodaemon:
        from buildmaster.cli.runner import run

        sys.exit(run(directory, tac, Terminal(quiet), daemon=False))
    if os.name == "nt":
        raise Failed("On Windows a master runs in the foreground only: use 'buildmaster start --nodaemon'")
    lines = start_daemon(directory, tac, quiet, timeout)
    if not quiet:
        click.echo("\n".join(lines))


def refuse_if_running(directory: MasterDirectory, quiet: bool) -> None:
    """Raise :class:`~buildmaster.cli.main.Failed` if a master runs here; remove what a dead one has left."""
    pid = directory.running_pid()
    if pid is not None:
        raise Failed(
            f"A master runs in {directory.path} already, as process {pid}. 'buildmaster restart' stops and starts it, "
            "'buildmaster reconfig' lets it read its configuration again. If that process is no master, remove "
            f"{directory.pid_file} and start again"
        )
    stale = directory.remove_stale_pid_file()
    if stale is not None and not quiet:
        click.echo(f"{directory.pid_file} was left by process {stale}, which is gone: removed")


def start_daemon(directory: MasterDirectory, tac: Path, quiet: bool, timeout: float | None) -> list[str]:
    """Start the master as a daemon; returns what it tells of itself once it runs.

    Raises :class:`~buildmaster.cli.main.Failed` with its own words if it does not.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _become_daemon(directory, tac, write_end)
    os.close(write_end)
    os.waitpid(child, 0)
    try:
        return _follow(read_end, directory, quiet, timeout)
    finally:
        os.close(read_end)


def _follow(fd: int, directory: MasterDirectory, quiet: bool, timeout: float | None) -> list[str]:
    try:
        for report in read_reports(fd, timeout):
            if report["state"] == RUNNING:
                return report["lines"]
            if report["state"] == FAILED:
                raise Failed("\n".join(["The master did not start.", *report["lines"]]))
            if not quiet:
                click.echo("\n".join(report["lines"]))
    except TimedOut:
        raise Failed(
            f"The master is not running after {timeout:g} seconds (--start_timeout). It goes on starting; "
            f"{directory.log_file} tells how far it is, and 'buildmaster stop {directory.path}' ends it"
        ) from None
    except KeyboardInterrupt:
        raise Failed(f"No longer waiting; the master goes on starting. See {directory.log_file}") from None
    raise Failed(f"The master's process ended without a word. See the end of {directory.log_file}")


def _become_daemon(directory: MasterDirectory, tac: Path, write_end: int) -> None:
    """Leave the terminal and the caller's process group, run the master, end the process.  Never returns."""
    status = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        from buildmaster.cli.runner import run

        status = run(directory, tac, Reporter(write_end), daemon=True)
    except BaseException as e:  # policy: tell whoever waits, and end
        from buildmaster.cli.runner import describe_exception

        Reporter(write_end).failed(describe_exception(e))
    finally:
        os._exit(status)
