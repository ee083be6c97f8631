"""The pipe between a starting master and the ``start`` command that waits for it.

One JSON object a line: ``{"state": "starting" | "running" | "failed", "lines": […]}``.  The pipe closes when the
master's process ends, so that silence is an answer too.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Iterator, Sequence
from typing import Any

STARTING, RUNNING, FAILED = "starting", "running", "failed"


class Reporter:
    """The master's end: tells what became of the start.  Says nothing more after ``running`` or ``failed``."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def starting(self, line: str) -> None:
        """Tell what is being done now."""
        self._send(STARTING, [line])

    def running(self, lines: Sequence[str]) -> None:
        """The master is up."""
        self._send(RUNNING, lines)
        self.close()

    def failed(self, lines: Sequence[str]) -> None:
        """The master will not come up; ``lines`` tell why."""
        self._send(FAILED, lines)
        self.close()

    def close(self) -> None:
        """Let go of the pipe."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _send(self, state: str, lines: Sequence[str]) -> None:
        if self._fd is None:
            return
        data = json.dumps({"state": state, "lines": list(lines)}).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:  # whoever started the master no longer listens; it goes on all the same
            self.close()


class Terminal:
    """The same three calls for a master in the foreground: they print."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def starting(self, line: str) -> None:
        """Nothing: the log is in sight or in its file."""

    def running(self, lines: Sequence[str]) -> None:
        """Print the lines, unless quiet."""
        self._quiet or print("\n".join(lines), flush=True)

    def failed(self, lines: Sequence[str]) -> None:
        """Print why, to standard error."""
        import sys

        print("\n".join(lines), file=sys.__stderr__, flush=True)

    def close(self) -> None:
        """Nothing to let go of."""


class TimedOut(Exception):
    """The master said nothing final in time; it may still come up."""


def read_reports(fd: int, timeout: float | None) -> Iterator[dict[str, Any]]:
    """What the master tells, until the pipe closes.

    Raises :class:`TimedOut` when ``timeout`` seconds (None: no limit) have passed since the call.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    buffered = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([fd], [], [], left)[0]:
            raise TimedOut
        data = os.read(fd, 65536)
        if not data:
            return
        *whole, buffered = (buffered + data).split(b"\n")
        for line in whole:
            yield json.loads(line)
