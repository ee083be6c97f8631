"""``buildmaster tryserver``: put a try job from standard input into the directory of a Try_Jobdir scheduler.

``try --connect=ssh`` runs it on the master's host.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

import click

from buildmaster.cli.main import Failed

LIMIT = 64 * 1024 * 1024
"""Bytes that a job may have."""


@click.command("tryserver")
@click.option("--jobdir", required=True, help="The directory of the scheduler, with tmp and new.")
def command(jobdir: str) -> None:
    """Read a try job and put it where its scheduler finds it."""
    directory = Path(jobdir).expanduser()
    data = sys.stdin.buffer.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise Failed(f"The job is larger than {LIMIT // 1024 // 1024} MiB.")
    name = f"{time.time():.6f}_{os.getpid()}_{uuid.uuid4().hex}"
    try:
        with open(directory / "tmp" / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(directory / "tmp" / name, directory / "new" / name)
    except OSError as e:
        raise Failed(f"The job could not be put into {directory}: {e.strerror} ({e.filename}).") from None
