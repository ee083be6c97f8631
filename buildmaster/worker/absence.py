"""Telling that a worker has been away too long."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from buildmaster.db import workers

log = Logger()


class Absence:
    """The time that one worker has been away, if anybody wants to know."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._timer: Any = None

    def begin(self) -> None:
        """It is away from now on."""
        worker = self._worker
        self.end()
        if worker.running and worker.notify_on_missing and worker.missing_timeout:
            self._timer = worker.master.reactor.callLater(worker.missing_timeout, self._too_long)

    def end(self) -> None:
        """It is here, or nobody waits for it any more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _too_long(self) -> None:
        self._timer = None
        self.tell()

    def tell(self) -> None:
        """Tell those who want to know that it has been away for its ``missing_timeout``."""
        worker = self._worker
        log.warn("worker {name!r} has been away for {s:g} s", name=worker.workername, s=worker.missing_timeout)
        master = worker.master
        master.db.progress(
            workers.missing, worker.workerid, master.masterid, worker.last_connection, worker.notify_on_missing
        )
