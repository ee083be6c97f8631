"""Compares rows with what is really running, at the start and every minute, and mends what differs.

Whatever went wrong before (a crash, a lost event, another master's death), afterwards no request is claimed by nobody,
no build runs without anybody running it, and nothing waits for what will not come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.db import buildsets, claiming, collapsing
from buildmaster.db.reconciling import Findings, abandoned_requests, end_orphan, survey
from buildmaster.service import AsyncMultiService

log = Logger()

EVERY = 60.0
"""Seconds between two comparisons."""


class Reconciler(AsyncMultiService):
    """Mends what differs between the rows and what this master runs.

    ``runs(build id, request id)`` says whether this master runs a build or is about to; ``claims(request id)`` whether
    it is about to build a request; ``cancel(request id, reason)`` ends a request, a running build of it included.
    """

    def __init__(
        self,
        runs: Callable[[int, int], bool],
        claims: Callable[[int], bool],
        cancel: Callable[[int, str], Any],
        afterwards: Callable[[], None],
    ) -> None:
        super().__init__()
        self.name = "reconciler"
        self._runs = runs
        self._claims = claims
        self._cancel = cancel
        self._afterwards = afterwards
        self._first = True
        self._loop: LoopingCall | None = None
        self._listener: Any = None

    @deferred
    async def startService(self) -> None:
        """Look every minute from now on; the first look is for who starts the master to take."""
        await super().startService()
        self._loop = LoopingCall(self._again)
        self._loop.clock = self.master.reactor
        self._loop.start(EVERY, now=False)
        self._listener = self.master.journal.listen([("buildrequest", "complete")], self._heard)

    @deferred
    async def stopService(self) -> None:
        """Look no more."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()
        await super().stopService()

    def _again(self) -> Any:
        done = self.reconcile()
        return done.addErrback(lambda f: log.failure("the rows could not be compared with what runs", f))

    @deferred
    async def reconcile(self) -> Findings:
        """Compare and mend once; a Deferred of what was found."""
        db = self.master.db
        found = await db.read(survey, self.master.masterid, db.now() - collapsing.HOLD_SECONDS - EVERY)
        found = self._really(found)
        self._first = False
        for row in found.orphaned_builds:
            log.warn("build {id} is run by nobody; its request is pending again", id=row.buildid)
            await db.write(end_orphan, row)
        if found.orphaned_claims:
            log.warn("requests {ids} are claimed but not built; they are pending again", ids=found.orphaned_claims)
            await db.write(claiming.unclaim, found.orphaned_claims, self.master.masterid)
        for requestid in found.overdue_holds:
            await db.write(collapsing.release, requestid, [], "the collapse function was not asked in time")
        await self._cancel_abandoned()  # now: a build that was just ended may have waited
        await self._each(buildsets.complete_if_done, found.finished_buildsets)
        self._afterwards()
        return found

    def _heard(self, fact: Any) -> None:
        if fact.fields.get("interrupted"):
            done = defer.Deferred.fromCoroutine(self._cancel_abandoned())
            done.addErrback(lambda f: log.failure("what nobody waits for any more could not be cancelled", f))

    async def _cancel_abandoned(self) -> None:
        """End what was waited for by builds of requests that have ended."""
        for requestid in await self.master.db.read(abandoned_requests):
            await self._cancel(requestid, "the build that waited for it has ended")

    async def _each(self, function: Callable[..., Any], ids: Iterable[int]) -> None:
        for one in ids:
            await self.master.db.write(function, one)

    def _really(self, found: Findings) -> Findings:
        """Without what is just being started; claims are only doubted at the start, later a plugin may hold them."""
        return attrs.evolve(
            found,
            orphaned_builds=[row for row in found.orphaned_builds if not self._runs(row.buildid, row.buildrequestid)],
            orphaned_claims=[i for i in found.orphaned_claims if self._first and not self._claims(i)],
        )
