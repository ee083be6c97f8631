"""Gives pending requests to free workers.

The pending requests are the queue; it is kept in memory, rebuilt from the rows at the start and after that follows the
journal.  Something that may let a build start (a new request, a free worker, a released lock) only marks the builders
that it concerns; a sweep then looks at those and no others.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import DeadlineExceeded, deferred
from buildmaster.base.moves import RequestState
from buildmaster.base.records import Fact, Request
from buildmaster.db import reasons
from buildmaster.db import requests as rows
from buildmaster.process.asking import ask, describe
from buildmaster.process.builder import Builder
from buildmaster.process.buildrequest import BuildRequest
from buildmaster.process.choosing import Chooser, asks_user_code
from buildmaster.process.pending import BuilderQueue, Pending, WaitedForOnly, rank
from buildmaster.process.starting import Choice, Starter
from buildmaster.service import AsyncMultiService

log = Logger()

_EVENTS = [("buildrequest", event) for event in ("new", "update", "claimed", "unclaimed", "complete")]


class Distributor(AsyncMultiService):
    """Starts builds for the builders of one master.

    ``builders()`` gives them by id.
    """

    def __init__(self, builders: Callable[[], dict[int, Builder]]) -> None:
        super().__init__()
        self.name = "distributor"
        self._builders = builders
        self.pending = Pending()
        self.starter = Starter(self, self._lost, self._again, self._ended)
        self.only_waited_for = False
        """Whether, while shutting down, only requests that a running build waits for are started."""
        self.build_ended: Callable[[Builder], None] = lambda builder: None
        self.objects: dict[int, BuildRequest] = {}
        self.refusals: dict[int, str] = {}  # request → why it was not started when it was last looked at
        self.can_distribute = False
        self._listener: Any = None
        self._gone: set[int] | None = None  # requests that left the queue while it is being read
        self._dirty: set[int] = set()
        self._sweeping = False
        self._scheduled: Any = None
        self._serving: set[int] = set()  # builders for which user code is being asked
        self._look_again: set[int] = set()  # those of them for which something changed meanwhile
        self._released: dict[Any, set[str]] = {}  # lock → builders to look at when it is released

    # -- life ----------------------------------------------------------------------------------------------------------

    @deferred
    async def startService(self) -> None:
        """Read the queue and begin."""
        await super().startService()
        self._gone = set()
        self._listener = self.master.mq.journal.listen(_EVENTS, self._heard)
        found = await self.master.db.read(rows.in_state, RequestState.PENDING)
        gone, self._gone = self._gone, None
        for request in found:
            if request.requestid not in gone and self.pending.get(request.requestid) is None:
                self.pending.put(request)
        self.can_distribute = True
        self.wake_all()

    @deferred
    async def stopService(self) -> None:
        """Start no more builds; those that run are somebody else's care."""
        self.can_distribute = False
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        if self._scheduled is not None and self._scheduled.active():
            self._scheduled.cancel()
        await super().stopService()

    # -- the queue -----------------------------------------------------------------------------------------------------

    def _heard(self, fact: Fact) -> None:
        fields = fact.fields
        requestid = fields["buildrequestid"]
        waiting = not fields["complete"] and not fields["claimed"] and not fields.get("held")
        if waiting and not self.starter.is_starting(requestid):
            self.pending.put(_request_of(fields))
            self.wake([fields["builderid"]])
        elif not waiting:
            if self._gone is not None:
                self._gone.add(requestid)
            self._drop(requestid)

    def _drop(self, requestid: int) -> None:
        self.pending.drop(requestid)
        self.objects.pop(requestid, None)
        self.refusals.pop(requestid, None)

    def _lost(self, requestid: int) -> None:
        """Somebody else has a request that was chosen here, or it was cancelled."""
        self._drop(requestid)

    def _again(self, request: Request) -> None:
        self.pending.put(request)
        self.wake([request.builderid])

    def _ended(self, builder: Builder) -> None:
        self.build_ended(builder)
        self.wake([builder.builderid] if builder.builderid is not None else [])

    def oldest_of(self, builderid: int | None) -> float | None:
        """When the builder's oldest pending request was submitted."""
        return self.pending.of(builderid).oldest()

    def highest_priority_of(self, builderid: int | None) -> int | None:
        """The highest priority among the builder's pending requests."""
        first = self.pending.of(builderid).first()
        return None if first is None else first.priority

    # -- waking --------------------------------------------------------------------------------------------------------

    def wake(self, builderids: Iterable[int]) -> None:
        """Something has changed for these builders: look at them soon."""
        self._dirty.update(builderids)
        if self._dirty and self.can_distribute and not self._sweeping and self._scheduled is None:
            self._scheduled = self.master.reactor.callLater(0, self._sweep)

    def wake_all(self) -> None:
        """Look at every builder for which requests wait."""
        self.wake(self.pending.builderids())

    def wake_on_release(self, lock: Any, builder: Builder) -> None:
        """Look at a builder when this lock is released."""
        known = self._released.get(lock)
        if known is None:
            known = self._released[lock] = set()
            lock.subscribeToReleases(lambda: self._lock_released(lock))
        known.add(builder.name)

    def _lock_released(self, lock: Any) -> None:
        names, self._released[lock] = self._released[lock], set()
        self.wake([b.builderid for b in self._builders().values() if b.name in names and b.builderid is not None])

    # -- sweeping ------------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._scheduled = None
        self._sweeping = True
        done = defer.Deferred.fromCoroutine(self._look_at_dirty())
        done.addErrback(lambda f: log.failure("looking for builds to start failed; it is done again", f))
        done.addBoth(lambda _: self._swept())

    def _swept(self) -> None:
        self._sweeping = False
        self.wake(())

    async def _look_at_dirty(self) -> None:
        while self._dirty and self.can_distribute:
            dirty, self._dirty = self._dirty, set()
            known = self._builders()
            candidates = [known[i] for i in sorted(dirty) if i in known and self._may_start(known[i])]
            if not candidates:
                continue
            if self.master.config.prioritizeBuilders is not None:
                for builder in await self._prioritized(candidates):
                    self._serve_all(builder)
            else:
                self._serve_in_turn(candidates)

    def _may_start(self, builder: Builder) -> bool:
        if builder.builderid in self._serving:
            self._look_again.add(builder.builderid)
            return False
        if builder.config is None:
            return False
        if self._queue_of(builder).first() is None:
            return False
        if builder.getAvailableWorkers():
            return True
        for wfb in builder.workers:
            for lock, access in getattr(wfb.worker, "locks", None) or ():
                if not lock.isAvailable(wfb.worker, access):
                    self.wake_on_release(lock, builder)
        return False

    async def _prioritized(self, builders: Sequence[Builder]) -> list[Builder]:
        """The builders in the order of the user's function, without those that it left out."""
        function = self.master.config.prioritizeBuilders
        what = f"prioritizeBuilders, {describe(function)},"
        try:
            answer = list(await ask(self.master, what, function, self.master, list(builders)))
        except Exception:  # policy: the built-in order instead
            log.failure("prioritizeBuilders failed; the builders are taken in the built-in order")
            answer = sorted(builders, key=self._rank_of)
        wrong = [builder for builder in answer if builder not in builders]
        if wrong:
            log.error("{what} returned {wrong}, which it was not given", what=what, wrong=wrong[:3])
        return [builder for builder in answer if builder in builders]

    def _queue_of(self, builder: Builder) -> BuilderQueue | WaitedForOnly:
        queue = self.pending.of(builder.builderid)
        return WaitedForOnly(queue) if self.only_waited_for else queue

    def _rank_of(self, builder: Builder) -> tuple[float, float, int]:
        first = self._queue_of(builder).first()
        return (float("inf"), 0.0, 0) if first is None else rank(first)

    def _serve_in_turn(self, builders: Sequence[Builder]) -> None:
        """One request at a time, whichever is first over all builders, until no worker is left."""
        by_id = {builder.builderid: builder for builder in builders}
        heap = [(self._rank_of(builder), builder.builderid) for builder in builders]
        heapq.heapify(heap)
        while heap:
            _, builderid = heapq.heappop(heap)
            builder = by_id[builderid]
            if asks_user_code(builder, self.master.config.select_next_worker):
                self._serve_all(builder)
                continue
            if self._start_first(builder) and self._queue_of(builder).first() is not None:
                heapq.heappush(heap, (self._rank_of(builder), builderid))

    def _start_first(self, builder: Builder) -> bool:
        """Start the builder's first request by the built-in rule."""
        served = defer.Deferred.fromCoroutine(self._start_next(builder))
        found: list[bool] = []
        served.addCallbacks(found.append, lambda f: log.failure("builder {name} could not be served", f))
        return bool(found and found[0])

    def _serve_all(self, builder: Builder) -> None:
        """Start as many builds of a builder as can be; user code that takes its time holds up no other builder."""
        if builder.builderid is None or builder.builderid in self._serving:
            return
        self._serving.add(builder.builderid)
        done = defer.Deferred.fromCoroutine(self._start_all(builder))
        done.addErrback(lambda f: log.failure("builder {name} could not be served", f, name=builder.name))
        done.addBoth(lambda _: self._served(builder))

    def _served(self, builder: Builder) -> None:
        assert builder.builderid is not None
        self._serving.discard(builder.builderid)
        if builder.builderid in self._look_again:
            self._look_again.discard(builder.builderid)
            self.wake([builder.builderid])

    async def _start_all(self, builder: Builder) -> None:
        while self.can_distribute and await self._start_next(builder):
            pass

    async def _start_next(self, builder: Builder) -> bool:
        chooser = Chooser(self.master, builder, self._queue_of(builder), self.objects)
        try:
            chosen = await chooser.choose()
        except Exception as error:  # policy: later again; the error is the reason why its requests wait
            self._refused(builder, error)
            return False
        finally:
            self.refusals.update(chooser.refusals)
        if chosen is None or not self.can_distribute:
            return False
        request, made, wfb = chosen
        return self._take(builder, wfb, request, made)

    def _take(self, builder: Builder, wfb: Any, request: Request, made: BuildRequest | None) -> bool:
        if not self.starter.take(Choice(builder, wfb, request, made)):
            return False
        self._drop(request.requestid)
        return True

    def _refused(self, builder: Builder, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        log.failure("no build of builder {name} can be started now", name=builder.name)
        first = self.pending.of(builder.builderid).first()
        if first is None:
            return
        self.refusals[first.requestid] = text
        verdict = "no answer" if isinstance(error, DeadlineExceeded) else "error"
        detail = {"error": text}
        self.master.db.progress(
            reasons.record, "buildrequest", first.requestid, f"builder:{builder.name}", verdict, detail
        )

    # -- from outside --------------------------------------------------------------------------------------------------

    async def start_on(self, builder: Builder, wfb: Any, breqs: Sequence[BuildRequest]) -> bool:
        """Start a build of a pending request on a worker; False if either is not free."""
        for breq in breqs:
            request = self.pending.get(breq.id)
            if request is not None and self._take(builder, wfb, request, breq):
                return True
        return False


def _request_of(fields: Any) -> Request:
    return Request(
        requestid=fields["buildrequestid"],
        buildsetid=fields["buildsetid"],
        builderid=fields["builderid"],
        priority=fields["priority"],
        state=int(RequestState.PENDING),
        submitted_at=fields["submitted_at"],
        waited_for=fields["waited_for"],
    )
