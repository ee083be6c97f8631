"""Facts in commit order, for everyone in this process who wants them.

The engine hands over what each batch committed.  Positions are dense, so a hole means that another master wrote in
between; then the missing facts are read from the table.  A poke says "look again" and carries nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.records import Fact
from buildmaster.db import journal as rows
from buildmaster.db.engine import Database
from buildmaster.mq.consumer import Consumer, Decide

log = Logger()

Kinds = frozenset[tuple[str, str]]
Callback = Callable[[Fact], Any]

KEEP_IN_MEMORY = 5_000
"""How many of the newest facts are at hand without a query: for consumers that lag, and clients that reconnect."""
PAGE = 2_000
KEEP_FACTS = 500
"""How many of the newest facts stay in the table even when everybody has read them (clients that reconnect after a
restart)."""
KEEP_SHARED = 20_000
"""The same in a database that other masters look at, each second."""
PRUNE_AFTER = 500
"""So many facts more than are to be kept are pruned at once, fewer every :data:`PRUNE_EVERY` seconds."""
FURTHEST_BEHIND = 1_000_000
"""A consumer further behind than this many facts no longer keeps the journal from being pruned."""
PRUNE_EVERY = 30.0
POLL_EVERY = 1.0


class Listener:
    """A callback for facts of some kinds, from now on."""

    def __init__(self, journal: Journal, kinds: Kinds | None, callback: Callback) -> None:
        self._journal = journal
        self.kinds = kinds
        self.callback: Callback | None = callback

    def stop(self) -> None:
        """No call after this one."""
        self.callback = None
        self._journal._forget(self)


class Journal:
    """The feed of committed facts, and the consumers that read it.

    ``shared`` says whether other processes write to the same database, so that it has to be looked at now and then.
    """

    def __init__(self, db: Database, clock: Any, shared: bool | None = None) -> None:
        self.db = db
        self.clock = clock
        self.head = 0  # everything up to here has been handed out
        self.pruned = 0
        self.memory: deque[Fact] = deque(maxlen=KEEP_IN_MEMORY)
        self._shared = db.backend != "sqlite" if shared is None else shared
        self._listeners: dict[tuple[str, str] | None, list[Listener]] = {}
        self._consumers: dict[str, Consumer] = {}
        self._catching_up: dict[Consumer, None] = {}  # they read by position; the others are offered what they want
        self._following: dict[tuple[str, str], dict[Consumer, None]] = {}
        self._following_all: dict[Consumer, None] = {}
        self._ahead: dict[int, Fact] = {}  # committed by us beyond a hole that is being read
        self._reading = False
        self._again = False
        self._timers: dict[str, Any] = {}
        self._keep = KEEP_SHARED if self._shared else KEEP_FACTS
        self._pruning = False
        self._prune_at = 0
        self.running = False

    # -- life ------------------------------------------------------------------------------------------------------

    @deferred
    async def start(self) -> None:
        """Begin at the newest fact."""
        self.head, self.pruned = await self.db.read(rows.head)
        self._prune_at = self.head + self._keep + PRUNE_AFTER
        self.db.on_facts = self._committed
        self.running = True
        self._later("prune", PRUNE_EVERY, self._prune)
        if self._shared:
            self._later("poll", POLL_EVERY, self._poll)

    @deferred
    async def stop(self) -> None:
        """Stop all consumers, saving where they stand."""
        self.running = False
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        for consumer in list(self._consumers.values()):
            await consumer.stop()
        if self.db.on_facts == self._committed:
            self.db.on_facts = None

    def _later(self, name: str, seconds: float, action: Callable[[], Any]) -> None:
        if self.running:
            self._timers[name] = self.clock.callLater(seconds, action)

    # -- taking part -----------------------------------------------------------------------------------------------

    def listen(self, kinds: Iterable[tuple[str, str]] | None, callback: Callback) -> Listener:
        """Have ``callback(fact)`` called in the reactor for each fact of these (kind, event) pairs; None means all.

        A callback that raises is logged; the others are called all the same.
        """
        listener = Listener(self, None if kinds is None else frozenset(kinds), callback)
        for kind in [None] if listener.kinds is None else listener.kinds:
            self._listeners.setdefault(kind, []).append(listener)
        return listener

    def _forget(self, listener: Listener) -> None:
        for kind in [None] if listener.kinds is None else listener.kinds:
            if listener in self._listeners.get(kind, ()):
                self._listeners[kind].remove(listener)

    def consumer(
        self,
        name: str,
        kinds: Iterable[tuple[str, str]] | None,
        decide: Decide,
        policy: str = "retry",
        on_gap: Callable[[int, int], Awaitable[None] | None] | None = None,
    ) -> Consumer:
        """A durable consumer; :meth:`Consumer.start` makes it run.

        ``decide(fact)`` answers None or an :class:`~.consumer.Effect`, which is applied in one transaction with the
        cursor's move.  ``policy`` says what happens when it raises: ``skip`` the fact, ``retry`` it with back-off, or
        ``stop``.  ``on_gap(after, up_to)`` is called when facts were pruned before this consumer read them.
        """
        return Consumer(self, name, kinds, decide, policy, on_gap)

    def register(self, consumer: Consumer) -> None:
        """A consumer begins to run; there may be one of a name."""
        if consumer.name in self._consumers:
            raise ValueError(f"a consumer named {consumer.name!r} is running already")
        self._consumers[consumer.name] = consumer
        self._catching_up[consumer] = None

    def follow(self, consumer: Consumer, live: bool) -> None:
        """From now on offer this consumer the facts that it wants as they come (or let it read by position again)."""
        indexes = (
            [self._following_all]
            if consumer.kinds is None
            else [self._following.setdefault(kind, {}) for kind in consumer.kinds]
        )
        for index in indexes:
            if live:
                index[consumer] = None
            else:
                index.pop(consumer, None)
        if live:
            self._catching_up.pop(consumer, None)
        else:
            self._catching_up[consumer] = None

    def unregister(self, consumer: Consumer) -> None:
        """A consumer has stopped."""
        if self._consumers.get(consumer.name) is consumer:
            del self._consumers[consumer.name]
            self.follow(consumer, False)
            self._catching_up.pop(consumer, None)

    def consumers(self) -> list[Consumer]:
        """Those that run now."""
        return list(self._consumers.values())

    # -- the feed --------------------------------------------------------------------------------------------------

    def _committed(self, facts: list[Fact]) -> None:
        if facts[0].position == self.head + 1 and not self._ahead:
            self._hand_out(facts)
            return
        for fact in facts:
            if fact.position > self.head:
                self._ahead[fact.position] = fact
        self.poke()

    def poke(self) -> None:
        """Look again: there may be facts that another process has committed."""
        if self._reading:
            self._again = True
            return
        self._reading = True
        defer.Deferred.fromCoroutine(self._read()).addErrback(self._read_failed)

    def _read_failed(self, failure: Any) -> None:
        self._reading = False
        log.failure("reading the journal failed, it will be tried again", failure)
        self._later("retry", POLL_EVERY, self.poke)

    async def _read(self) -> None:
        while True:
            self._again = False
            facts = await self.db.read(rows.read, self.head, 1000)
            fresh = [fact for fact in facts if fact.position > self.head]
            self._hand_out(fresh)
            for position in [p for p in self._ahead if p <= self.head]:
                del self._ahead[position]
            if not fresh and not self._again:
                break
        self._reading = False

    def _hand_out(self, facts: list[Fact]) -> None:
        if not facts:
            return
        self.head = facts[-1].position
        self.memory.extend(facts)
        everything = self._listeners.get(None, [])
        for fact in facts:
            for listener in [*self._listeners.get((fact.kind, fact.event), ()), *everything]:
                if listener.callback is not None:
                    try:
                        listener.callback(fact)
                    except Exception:
                        log.failure("a listener raised on {fact.kind} {fact.event} at {fact.position}", fact=fact)
            for consumer in self._following.get((fact.kind, fact.event), ()):
                consumer.offer(fact)
            for consumer in self._following_all:
                consumer.offer(fact)
        for consumer in list(self._catching_up):
            consumer.poke()
        if self.head >= self._prune_at and self.running:
            self._prune()

    def reaches_back(self, position: int) -> bool:
        """Whether every fact after a position is still kept, in memory or in the table."""
        return position >= self.pruned or bool(self.memory and self.memory[0].position <= position + 1)

    async def facts_after(self, position: int, limit: int = 500) -> list[Fact]:
        """Facts after a position, from memory if it goes back that far, else from the table; none beyond the head."""
        return (await self.wanted_after(position, None, limit))[0]

    async def wanted_after(self, position: int, kinds: Kinds | None, limit: int) -> tuple[list[Fact], int]:
        """Facts of some kinds after a position, and up to where these are all; none beyond the head.

        At most about ``limit`` facts.  The first may be missing because facts were pruned: compare :attr:`pruned`.
        """
        head = self.head
        if position >= head:
            return [], position
        if self.memory and self.memory[0].position <= position + 1:
            start = position + 1 - self.memory[0].position
            page = list(islice(self.memory, start, start + (limit if kinds is None else PAGE)))
            found = page if kinds is None else [fact for fact in page if (fact.kind, fact.event) in kinds]
            if len(found) > limit:
                return found[:limit], found[limit - 1].position
            return found, page[-1].position
        facts, pruned = await self.db.read(rows.read_wanted, position, limit, kinds, head)
        self.pruned = max(self.pruned, pruned)
        return facts, facts[-1].position if len(facts) == limit else head

    # -- housekeeping ----------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        self.poke()
        self._later("poll", POLL_EVERY, self._poll)

    def _prune(self) -> None:
        """Prune now; the next time will be half a minute after, or :data:`PRUNE_AFTER` facts later."""
        if self._pruning:
            return
        self._pruning = True
        self._prune_at = self.head + PRUNE_AFTER
        done = defer.Deferred.fromCoroutine(self.prune())
        done.addErrback(lambda f: log.failure("pruning the journal failed", f))
        done.addBoth(self._pruned)

    def _pruned(self, _: Any) -> None:
        self._pruning = False
        timer = self._timers.get("prune")
        if timer is not None and timer.active():
            timer.cancel()
        self._later("prune", PRUNE_EVERY, self._prune)

    async def save_cursors(self) -> None:
        """Store together how far consumers have come that found nothing to do."""
        moves = [move for c in self._consumers.values() if (move := c.lazy_move()) is not None]
        if moves:
            await self.db.write(rows.save_cursors, [(c.name, before, after) for c, before, after in moves])
            for consumer, before, after in moves:
                consumer.moved(before, after)

    async def prune(self, keep: int | None = None) -> int:
        """Delete facts that every consumer has read, but for the newest ``keep``; returns the new lower end.

        ``keep`` is :data:`KEEP_FACTS`, or :data:`KEEP_SHARED` in a database that several masters share.
        """
        await self.save_cursors()
        standing = await self.db.read(rows.cursors)
        lowest = min([p for p in standing.values() if p > self.head - FURTHEST_BEHIND], default=self.head)
        target = min(lowest, self.head - (self._keep if keep is None else keep))
        while self.pruned < target:
            left = await self.db.bulk(rows.prune, target)
            self.pruned = target - left
            if not left:
                break
        return self.pruned
