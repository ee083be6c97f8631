"""Collapsing by a function of the configuration.

Where ``collapseRequests`` is a function, a new request is born held.  Here the function is asked about it and each
older request of the builder that nobody has claimed; one transaction then lets the new request go and ends those that
are superfluous.  If there is no answer in time, the request goes as it is.  The built-in rule needs none of this, it is
part of adding a request (:mod:`buildmaster.db.buildsets`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import DeadlineExceeded, deferred
from buildmaster.base.moves import RequestState
from buildmaster.base.records import Fact
from buildmaster.db import collapsing, requests
from buildmaster.process.asking import ask, describe
from buildmaster.process.builder import Builder
from buildmaster.process.buildrequest import BuildRequest
from buildmaster.service import AsyncMultiService

log = Logger()


class Collapser(AsyncMultiService):
    """Decides on held requests, for each builder one after the other, in the order in which they came.

    ``builders()`` gives the builders by id.
    """

    def __init__(self, builders: Callable[[], Mapping[int, Builder]]) -> None:
        super().__init__()
        self.name = "collapser"
        self._builders = builders
        self._waiting: dict[int, deque[int]] = {}  # builder → held requests
        self._working: set[int] = set()
        self._known: set[int] = set()
        self._listener: Any = None

    @deferred
    async def startService(self) -> None:
        """Take up the requests that are held, and follow."""
        await super().startService()
        self._listener = self.master.mq.journal.listen([("buildrequest", "new")], self._heard)
        for request in await self.master.db.read(requests.in_state, RequestState.HELD):
            self._enqueue(request.builderid, request.requestid)

    @deferred
    async def stopService(self) -> None:
        """Decide no more; what is held stays held."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        self._waiting.clear()
        await super().stopService()

    def _heard(self, fact: Fact) -> None:
        if fact.fields.get("held"):
            self._enqueue(fact.fields["builderid"], fact.fields["buildrequestid"])

    def _enqueue(self, builderid: int, requestid: int) -> None:
        if requestid in self._known:
            return
        self._known.add(requestid)
        self._waiting.setdefault(builderid, deque()).append(requestid)
        self._work(builderid)

    def wake(self) -> None:
        """The builders may be others now."""
        for builderid in list(self._waiting):
            self._work(builderid)

    def _work(self, builderid: int) -> None:
        if builderid in self._working or builderid not in self._builders():
            return
        self._working.add(builderid)
        done = defer.Deferred.fromCoroutine(self._work_off(builderid))
        done.addErrback(lambda f: log.failure("held requests could not be decided on", f))
        done.addBoth(lambda _: self._working.discard(builderid))

    async def _work_off(self, builderid: int) -> None:
        queue = self._waiting.get(builderid, deque())
        while queue and self.running and builderid in self._builders():
            requestid = queue[0]
            await self._decide(builderid, requestid)
            queue.popleft()
            self._known.discard(requestid)
        if not queue:
            self._waiting.pop(builderid, None)

    async def _decide(self, builderid: int, requestid: int) -> None:
        db = self.master.db
        new = await db.read(requests.get, requestid)
        if new is None or new.state != RequestState.HELD:
            return
        superfluous: list[int] = []
        why = None
        try:
            superfluous = await self._verdicts(builderid, requestid, new.submitted_at + collapsing.HOLD_SECONDS)
        except Exception as error:  # policy: skip, the request goes uncollapsed and the error is recorded
            log.failure("request {id} is not collapsed", id=requestid)
            why = f"{type(error).__name__}: {error}"
        await db.write(collapsing.release, requestid, superfluous, why)

    async def _verdicts(self, builderid: int, requestid: int, deadline: float) -> list[int]:
        """The older requests that the configuration's function finds superfluous."""
        builder = self._builders().get(builderid)
        function = None if builder is None else builder.getCollapseRequestsFn()
        if builder is None or not function:
            return []
        asked = BuildRequest.canBeCollapsed if function is True else None
        what = f"collapseRequests for builder {builder.name!r}, {describe(function)},"
        older = await self.master.db.read(collapsing.open_before, builderid, requestid)
        if not older:
            return []
        data = self.master.data
        builder_dict = await data.get(("builders", builderid))
        new_dict = await data.get(("buildrequests", requestid))
        superfluous = []
        for request in older:
            left = deadline - self.master.db.now()
            if left <= 0:
                raise DeadlineExceeded(f"{what} was not asked about all older requests in time")
            old_dict = await data.get(("buildrequests", request.requestid))
            if old_dict is None or old_dict["claimed"] or old_dict["complete"]:
                continue
            if asked is not None:
                answer = await asked(self.master, new_dict, old_dict)
            else:
                answer = await ask(
                    self.master, what, function, self.master, builder_dict, new_dict, old_dict, seconds=left
                )
            if answer:
                superfluous.append(request.requestid)
        return superfluous
