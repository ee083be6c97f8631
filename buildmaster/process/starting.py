"""From a choice to a running build: claims in groups, then the builds themselves.

A claim and its build row are one write, guarded by the request's state, for all choices that wait at that moment.  A
build that was claimed runs to its end whatever happens to the distributor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import maybe
from buildmaster.base.records import Request
from buildmaster.base.results import EXCEPTION
from buildmaster.db import builders, builds, claiming, loading
from buildmaster.db.builds import BuildRow
from buildmaster.db.txn import Txn
from buildmaster.process import virtual
from buildmaster.process.builder import Builder
from buildmaster.process.buildrequest import BuildRequest

log = Logger()

PAUSE = 1.0
"""Seconds after which a claim that failed for no fault of its request is tried again."""


@attrs.define(eq=False)
class Choice:
    """A request and the worker that it shall be built on."""

    builder: Builder
    wfb: Any
    request: Request
    object: BuildRequest | None


Started = tuple[dict[int, BuildRow], Mapping[int, loading.LoadedRequest]]


def claim_and_add(
    txn: Txn,
    claims: Sequence[claiming.Claim],
    masterid: int,
    epoch: int,
    load: Sequence[int],
    naming: Mapping[int, virtual.Naming],
) -> Started:
    """Claim requests and store their builds; returns those that were got: request → build, and request → its data.

    The data are those of the requests in ``load``; ``naming`` tells which virtual builder a request may name.
    """
    claimed = claiming.claim(txn, claims, masterid)
    loaded = loading.of_requests(txn.conn, [claimed[requestid] for requestid in load if requestid in claimed])
    numbers: dict[int, int] = {}
    rows: dict[int, BuildRow] = {}
    for one in claims:
        if one.requestid not in claimed or one.requestid in rows:
            continue
        names = naming.get(one.requestid)
        other = None if names is None else names.named(loaded.get(one.requestid))
        builderid = one.builderid if other is None else builders.find_virtual(txn, other)
        number = numbers.get(builderid) or builds.next_number(txn, builderid)
        numbers[builderid] = number + 1
        rows[one.requestid] = builds.add(
            txn, builderid, one.requestid, one.workerid, masterid, "starting", number=number, epoch=epoch
        )
    return rows, loaded


class Starter:
    """Claims what was chosen and runs the builds.

    ``service`` knows the master; ``lost(requestid)`` is told of requests that somebody else got, ``again(request)`` of
    those to be tried later, ``ended(builder)`` that a build has ended.
    """

    def __init__(
        self,
        service: Any,
        lost: Callable[[int], None],
        again: Callable[[Request], None],
        ended: Callable[[Builder], None],
    ) -> None:
        self._service = service
        self._lost = lost
        self._again = again
        self._ended = ended
        self._waiting: list[Choice] = []
        self._starting: dict[int, Choice] = {}
        self._writing = 0
        self._scheduled = False
        self.running: dict[int, tuple[Any, Builder]] = {}  # build id → build
        self.cancelled: dict[int, str] = {}  # request → reason, of those to be stopped as soon as they run
        self._idle: list[defer.Deferred[None]] = []

    @property
    def _master(self) -> Any:
        return self._service.master

    @property
    def busy(self) -> int:
        """How many builds run or are about to."""
        return len(self.running) + len(self._waiting) + self._writing

    def is_starting(self, requestid: int) -> bool:
        """Whether a request has been chosen and its build is not running yet."""
        return requestid in self._starting

    def take(self, choice: Choice) -> bool:
        """Reserve the worker and queue the claim; False if the worker is not free any more."""
        if not choice.wfb.buildStarted():
            return False
        self._waiting.append(choice)
        self._starting[choice.request.requestid] = choice
        if not self._scheduled:
            self._scheduled = True
            self._master.reactor.callLater(0, self._flush)
        return True

    def _flush(self) -> None:
        self._scheduled = False
        choices, self._waiting = self._waiting, []
        if choices:
            self._writing += len(choices)
            done = defer.Deferred.fromCoroutine(self._claim(choices))
            done.addErrback(lambda f: log.failure("claimed builds could not be started", f))

    async def _claim(self, choices: list[Choice]) -> None:
        claims = [
            claiming.Claim(c.request.requestid, c.request.builderid, getattr(c.wfb.worker, "workerid", None))
            for c in choices
        ]
        load = [c.request.requestid for c in choices if c.object is None]
        naming = {c.request.requestid: virtual.Naming.of(c.builder.config, c.object) for c in choices}
        db = self._master.db
        try:
            rows, loaded = await db.write(claim_and_add, claims, self._master.masterid, db.epoch, load, naming)
        except Exception:  # policy: retry; nothing was stored
            log.failure("{n} requests could not be claimed; they are tried again in {s:g} s", n=len(choices), s=PAUSE)
            for choice in choices:
                await self._give_up(choice)
                self._master.reactor.callLater(PAUSE, self._again, choice.request)
            return
        for choice in choices:
            row = rows.get(choice.request.requestid)
            if row is None:
                await self._give_up(choice)
                self._lost(choice.request.requestid)
            else:
                self._writing -= 1
                self._start(choice, row, loaded)

    async def _give_up(self, choice: Choice) -> None:
        self._writing -= 1
        self._starting.pop(choice.request.requestid, None)
        await maybe(choice.wfb.buildFinished)
        self._tell_idle()

    def _start(self, choice: Choice, row: BuildRow, loaded: Mapping[int, loading.LoadedRequest]) -> None:
        request = choice.object
        if request is None:
            request = BuildRequest.from_loaded(self._master, loaded[row.buildrequestid], choice.builder.name)
        self.running[row.buildid] = (None, choice.builder)
        done = defer.Deferred.fromCoroutine(self._run(choice, request, row))
        done.addErrback(lambda f: log.failure("build {id} ended by an error", f, id=row.buildid))
        done.addBoth(lambda _: self._over(choice, row))

    async def _run(self, choice: Choice, request: BuildRequest, row: BuildRow) -> None:
        builder, wfb = choice.builder, choice.wfb
        try:
            build = make_build(builder, wfb, request, row)
        except Exception as error:  # policy: the factory is the user's; the build ends as EXCEPTION
            log.failure("the factory of builder {name} made no build", name=builder.name)
            await self._fail(row, f"the builder's factory raised {type(error).__name__}: {error}")
            await maybe(wfb.buildFinished)
            return
        self.running[row.buildid] = (build, builder)
        builder.build_started(build)
        reason = self.cancelled.pop(row.buildrequestid, None)
        self._starting.pop(row.buildrequestid, None)
        try:
            running = defer.Deferred.fromCoroutine(maybe(build.startBuild, wfb))
            if reason is not None:
                await maybe(build.stopBuild, reason)
            await running
        except Exception as error:  # policy: a build that breaks its promise not to raise ends as EXCEPTION
            log.failure("build {id} raised", id=row.buildid)
            await self._fail(row, f"{type(error).__name__}: {error}")
        finally:
            await maybe(builder.buildFinished, build, wfb)

    async def _fail(self, row: BuildRow, text: str) -> None:
        ended = attrs.evolve(
            row, complete=True, complete_at=self._master.db.now(), results=EXCEPTION, state_string=text[:500]
        )
        await self._master.db.write(builds.finish, ended, [row.buildrequestid])

    def _over(self, choice: Choice, row: BuildRow) -> None:
        self.running.pop(row.buildid, None)
        self._starting.pop(row.buildrequestid, None)
        self.cancelled.pop(row.buildrequestid, None)
        self._ended(choice.builder)
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not self.busy:
            waiting, self._idle = self._idle, []
            for waiter in waiting:
                waiter.callback(None)

    def idle(self) -> defer.Deferred[None]:
        """Fires when no build runs or is about to."""
        if not self.busy:
            return defer.succeed(None)
        waiter: defer.Deferred[None] = defer.Deferred()
        self._idle.append(waiter)
        return waiter

    def builds_of(self, requestid: int) -> list[Any]:
        """The running builds of a request."""
        return [
            build
            for build, _ in list(self.running.values())
            if build is not None and any(request.id == requestid for request in build.requests)
        ]


def make_build(builder: Builder, wfb: Any, request: BuildRequest, row: BuildRow) -> Any:
    """A build object that knows its rows; raises what the user's factory raises."""
    build = builder.config.factory.newBuild([request], builder)
    build.setBuilder(builder)
    build.buildid = row.buildid
    build.number = row.number
    build.row = row
    build.workerforbuilder = wfb
    return build
