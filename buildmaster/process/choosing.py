"""Which request of a builder is built next, and on which worker: the documented callbacks, or the built-in rule.

Only chooses.  A chosen pair is handed on at once, before anything else runs, so that nobody chooses it again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import sleep
from buildmaster.base.records import Request
from buildmaster.db import loading
from buildmaster.process.asking import ask, describe
from buildmaster.process.builder import Builder
from buildmaster.process.buildrequest import BuildRequest
from buildmaster.process.pending import BuilderQueue, WaitedForOnly

log = Logger()

LOAD_AT_A_TIME = 200


def asks_user_code(builder: Builder, select_next_worker: Any) -> bool:
    """Whether a choice for this builder takes more than the built-in rule."""
    config = builder.config
    if config.nextBuild or config.nextWorker or config.canStartBuild or config.locks or select_next_worker:
        return True
    if type(builder) is not Builder and type(builder).canStartBuild is not Builder.canStartBuild:
        return True
    return any(getattr(wfb.worker, "builds_may_be_incompatible", False) for wfb in builder.workers)


class Refusal(Exception):
    """A user's callback answered what it may not answer; the message says so."""


class Chooser:
    """Chooses for one builder, once."""

    def __init__(
        self,
        master: Any,
        builder: Builder,
        queue: BuilderQueue | WaitedForOnly,
        objects: dict[int, BuildRequest],
    ) -> None:
        self._master = master
        self._builder = builder
        self._queue = queue
        self._objects = objects  # BuildRequests made before
        self._tried: set[int] = set()
        self.refusals: dict[int, str] = {}  # request → why it was not started on any worker

    async def choose(self) -> tuple[Request, BuildRequest | None, Any] | None:
        """The next (request, its object if one was made, WorkerForBuilder); None if nothing can be started now."""
        builder = self._builder
        if not asks_user_code(builder, self._master.config.select_next_worker):
            first, available = self._queue.first(), builder.getAvailableWorkers()
            return (first, None, random.choice(available)) if first and available else None
        count = 0
        while builder.getAvailableWorkers():
            request = await self._next_request()
            if request is None:
                return None
            wfb = await self._worker_for(request)
            if wfb is not None and request.id in self._queue:
                found = self._queue.get(request.id)
                assert found is not None
                return found, request, wfb
            self._tried.add(request.id)
            count += 1
            if count % 50 == 0:
                await sleep(self._master.reactor, 0)
        return None

    async def _next_request(self) -> BuildRequest | None:
        function = self._builder.config.nextBuild
        if function is None:
            if not self._tried:
                first = self._queue.first()
                return None if first is None else (await self.objects([first]))[0]
            left = next((r for r in self._queue.in_order() if r.requestid not in self._tried), None)
            return None if left is None else (await self.objects([left]))[0]
        left_over = [r for r in self._queue.in_order() if r.requestid not in self._tried]
        if not left_over:
            return None
        requests = await self.objects(left_over)
        what = f"nextBuild of builder {self._builder.name!r}, {describe(function)},"
        chosen = await ask(self._master, what, function, self._builder, list(requests))
        if chosen is None:
            return None
        if chosen not in requests:
            raise Refusal(f"{what} returned {chosen!r}, which is not one of the requests that it was given")
        return chosen

    async def _worker_for(self, request: BuildRequest) -> Any:
        """A worker on which this request can be started; None if no available one will do."""
        refused: set[Any] = set()
        while True:
            available = [wfb for wfb in self._builder.getAvailableWorkers() if wfb not in refused]
            if not available:
                return None
            wfb = await self._next_worker(available, request)
            if wfb is None:
                self.refusals.setdefault(request.id, "nextWorker chose no worker")
                return None
            name = getattr(wfb.worker, "workername", None)
            if await self._agreed(wfb, request):
                return wfb
            refused.add(wfb)
            self.refusals[request.id] = f"it may not be started on worker {name!r} now"

    async def _agreed(self, wfb: Any, request: BuildRequest) -> bool:
        """Whether the build may begin: ``canStartBuild`` says so, and the worker is still free.

        It may have put the worker in quarantine itself, to keep other builds away while this one begins; so a
        quarantine counts only if another build has begun there meanwhile.
        """
        worker = wfb.worker
        before = set(worker.building)
        if not await self._builder.canStartBuild(wfb, request):
            return False
        return wfb.isAvailable() or (wfb.worker is worker and before.issuperset(worker.building) and wfb.may_be_taken())

    async def _next_worker(self, available: list[Any], request: BuildRequest) -> Any:
        own, general = self._builder.config.nextWorker, self._master.config.select_next_worker
        function = own or general
        if function is None:
            return random.choice(available)
        what = f"nextWorker of builder {self._builder.name!r}" if own else "select_next_worker"
        what = f"{what}, {describe(function)},"
        chosen = await ask(self._master, what, function, self._builder, list(available), request)
        if chosen is not None and chosen not in available:
            raise Refusal(f"{what} returned {chosen!r}, which is not one of the workers that it was given")
        return chosen

    async def objects(self, requests: Iterable[Request]) -> list[BuildRequest]:
        """The BuildRequest of each of these, those not made before read in groups."""
        requests = list(requests)
        missing = [r.requestid for r in requests if r.requestid not in self._objects]
        for start in range(0, len(missing), LOAD_AT_A_TIME):
            loaded = await self._master.db.read(loading.load, missing[start : start + LOAD_AT_A_TIME])
            for requestid, one in loaded.items():
                self._objects[requestid] = BuildRequest.from_loaded(self._master, one, self._builder.name)
        for request in requests:
            if request.requestid in self._objects:
                self._objects[request.requestid].priority = request.priority
        return [self._objects[r.requestid] for r in requests if r.requestid in self._objects]
