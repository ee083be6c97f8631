"""``c['changeHorizon']``: how many changes are kept besides those that were built.

Works in small jobs of the database's clean-up lane, so that changes that come in never wait for it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.db import changes
from buildmaster.service import AsyncService, ReconfigurableServiceMixin

log = Logger()

PAUSE = 60.0
"""Seconds after the first new change until the surplus is deleted; others that come meanwhile are dealt with too."""


class ChangeHorizon(AsyncService, ReconfigurableServiceMixin):
    """Deletes the oldest changes: at the start, and a minute after changes came in."""

    name: Any = "changehorizon"

    def __init__(self) -> None:
        self._keep: int | None = None
        self._listener: Any = None
        self._timer: Any = None
        self._after = 0  # below it, all that can go has gone
        self._run: defer.Deferred[None] | None = None

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow the setting; None keeps all changes."""
        keep, self._keep = self._keep, new_config.changeHorizon or None
        if self._keep is None:
            self._rest()
        elif self._keep != keep:
            if self._listener is None:
                self._listener = self.master.journal.listen([("change", "new")], self._heard)
            self._begin()

    @deferred
    async def stopService(self) -> None:
        """Stop after the job that is under way."""
        await defer.maybeDeferred(super().stopService)
        self._keep = None
        self._rest()
        if self._run is not None:
            await self._run

    def _rest(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _heard(self, fact: Any) -> None:
        if self._timer is None:
            self._timer = self.master.reactor.callLater(PAUSE, self._due)

    def _due(self) -> None:
        self._timer = None
        self._begin()

    def _begin(self) -> None:
        if self._run is None:
            self._run = defer.ensureDeferred(self._prune())
            self._run.addBoth(self._ended)

    def _ended(self, result: Any) -> None:
        self._run = None
        if result is not None:  # policy: skip, the next change leads to another attempt
            log.failure("old changes could not be deleted", result)

    async def _prune(self) -> None:
        deleted = 0
        while self._keep is not None:
            count, after = await self.master.db.bulk(changes.prune, self._keep, self._after)
            deleted += count
            if after is None:
                break
            self._after = after
        if deleted:
            log.info("{count} changes beyond the changeHorizon were deleted", count=deleted)
