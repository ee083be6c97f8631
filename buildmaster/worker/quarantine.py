"""Keeping a worker that fails away from builds for a while, longer each time."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

log = Logger()


class Quarantine:
    """The quarantine of one worker.

    Its numbers are the worker's documented attributes ``quarantine_timeout`` (seconds of the next one),
    ``quarantine_initial_timeout`` and ``quarantine_max_timeout``, which users change.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.reset()

    def enter(self) -> None:
        """Keep the worker away for ``quarantine_timeout`` seconds; the next time it will be twice as long.

        Does nothing if it is kept away already.
        """
        worker = self._worker
        if worker.quarantine_timer is not None:
            return
        seconds = worker.quarantine_timeout
        log.info("worker {name!r} is in quarantine for {s:g} s", name=worker.workername, s=seconds)
        worker.quarantine_timer = worker.master.reactor.callLater(seconds, worker.exitQuarantine)
        worker.quarantine_timeout = min(seconds * 2, worker.quarantine_max_timeout)

    def reset(self) -> None:
        """The next quarantine is a short one again; a present one goes on."""
        self._worker.quarantine_timeout = self._worker.quarantine_initial_timeout

    def stop(self) -> None:
        """End a present quarantine."""
        timer, self._worker.quarantine_timer = self._worker.quarantine_timer, None
        if timer is not None and timer.active():
            timer.cancel()
