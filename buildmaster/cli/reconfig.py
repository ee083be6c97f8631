"""``buildmaster reconfig`` and ``sighup``: let a running master read its configuration again, and tell the outcome."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from buildmaster.base.outcome import Outcome, read_outcome
from buildmaster.cli.directory import MasterDirectory, process_alive
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option


@click.command("reconfig")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option(
    "--progress_timeout",
    "--progress-timeout",
    type=float,
    help="Give up after this many seconds in which nothing moved; default: wait while the master lives.",
)
def command(basedir: Path, quiet: bool, progress_timeout: float | None) -> None:
    """Let the master in BASEDIR (default: the current directory) read its configuration again.

    Waits for the outcome and prints it.  The exit status is 0 if the new configuration is in force and 1 if the
    master keeps the old one; then all its errors are printed.
    """
    reconfig(MasterDirectory(basedir), quiet, progress_timeout)


def reconfig(directory: MasterDirectory, quiet: bool, progress_timeout: float | None) -> None:
    """Send the signal and wait for what becomes of it.

    Raises :class:`~buildmaster.cli.main.Failed` unless the new configuration is in force.
    """
    directory.tac()
    if os.name == "nt":
        raise Failed("Windows has no SIGHUP: stop the master and start it again")
    pid = directory.running_pid()
    if pid is None:
        raise Failed(f"No master runs in {directory.path}. 'buildmaster start {directory.path}' starts it")
    sent_at = time.time()
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise Failed(f"Process {pid} belongs to another user. Run this command as that user") from None
    outcome = wait_for_outcome(directory, pid, sent_at, progress_timeout)
    if not outcome.ok:
        raise Failed("\n".join(outcome.lines))
    if not quiet:
        click.echo("\n".join(outcome.lines))


def wait_for_outcome(directory: MasterDirectory, pid: int, since: float, progress_timeout: float | None) -> Outcome:
    """The outcome of a reconfiguration that began after ``since`` (seconds since the epoch)."""
    seen: Outcome | None = None
    moved_at = time.monotonic()
    while True:
        outcome = read_outcome(directory.path)
        if outcome is not None and outcome.pid == pid and outcome.started_at >= since and outcome.done:
            return outcome
        if outcome != seen:
            seen, moved_at = outcome, time.monotonic()
        if not process_alive(pid):
            raise Failed(f"The master (process {pid}) ended meanwhile. See the end of {directory.log_file}")
        if progress_timeout is not None and time.monotonic() - moved_at > progress_timeout:
            raise Failed(
                f"Nothing moved for {progress_timeout:g} seconds (--progress_timeout). The reconfiguration may still "
                f"come to its end; {directory.log_file} tells"
            )
        time.sleep(0.05)
