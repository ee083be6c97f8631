"""``buildmaster stop``: end a running master."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from buildmaster.cli.directory import MasterDirectory, process_alive
from buildmaster.cli.main import Failed
from buildmaster.cli.options import quiet_option, sayer


@click.command("stop")
@click.argument("basedir", default=".", type=click.Path(path_type=Path))
@quiet_option
@click.option("-c", "--clean", is_flag=True, help="Let running builds finish first; no new ones begin.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the process has ended.")
def command(basedir: Path, quiet: bool, clean: bool, no_wait: bool) -> None:
    """Stop the master in BASEDIR (default: the current directory).

    The exit status is 0 when no master runs there any more, also if none did before.
    """
    stop(MasterDirectory(basedir), quiet=quiet, clean=clean, wait=not no_wait)


def stop(directory: MasterDirectory, quiet: bool, clean: bool, wait: bool) -> None:
    """Stop the master of a directory; returns at once if none runs.

    Raises :class:`~buildmaster.cli.main.Failed` if it may not be signalled.
    """
    directory.tac()
    say = sayer(quiet)
    pid = directory.running_pid()
    if pid is None:
        stale = directory.remove_stale_pid_file()
        note = (
            f"; {directory.pid_file} was left by process {stale}, which is gone: removed" if stale is not None else ""
        )
        say(f"No master runs in {directory.path}{note}")
        return
    if os.name == "nt":
        raise Failed(f"The master runs in the foreground as process {pid}: press Ctrl-C there")
    try:
        os.kill(pid, signal.SIGUSR1 if clean else signal.SIGTERM)
    except PermissionError:
        raise Failed(f"Process {pid} belongs to another user. Run this command as that user") from None
    except ProcessLookupError:
        pass
    if not wait:
        say(f"Process {pid} was told to stop{' when its builds have finished' if clean else ''}")
        return
    say(f"Process {pid} is stopping{'; waiting for running builds' if clean else ''}")
    wait_until_gone(pid)
    say(f"Process {pid} has ended")


def wait_until_gone(pid: int) -> None:
    """Wait, without limit, until a process has ended."""
    pause = 0.02
    while process_alive(pid):
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)
