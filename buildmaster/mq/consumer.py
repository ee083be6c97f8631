"""A durable consumer: reads facts in order, decides, and applies the effect together with its cursor.

Deciding is user code and runs outside of any transaction.  Effects of many facts go into one transaction.  A cursor
that moved without effect is saved lazily, since deciding "nothing" twice is harmless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe, sleep
from buildmaster.base.records import Fact
from buildmaster.db import journal as rows
from buildmaster.mq.decision import deciding

if TYPE_CHECKING:
    from buildmaster.db.engine import Database
    from buildmaster.db.txn import Txn

log = Logger()

CHUNK = 200
MOST_PENDING = 10_000  # one that is further behind reads from the table
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Later(Exception):
    """Raised by a decision that can't be made yet: it is asked for again, in order, after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"to be asked again in {seconds:g} s")


@attrs.frozen
class Effect:
    """A write that belongs to a decision: ``function(txn, *args)``.  ``then`` is called with its value after commit.

    ``at_once`` means that it is applied before the next fact is looked at, so that a crash repeats one decision only.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    then: Callable[[Any], Any] | None = None
    at_once: bool = False


def nothing_more(txn: Txn) -> None:
    """The effect of a decision that has been carried out elsewhere: the cursor's move alone."""


Decide = Callable[[Fact], "Awaitable[Effect | None] | Effect | None"]


def _apply(txn: Txn, name: str, before: int, after: int, effects: list[Effect]) -> list[Any]:
    rows.move_cursor(txn, name, before, after)
    return [effect.function(txn, *effect.args) for effect in effects]


class Feed(Protocol):
    """What a consumer reads from: the :class:`~buildmaster.mq.journal.Journal`."""

    db: Database
    clock: Any
    head: int
    pruned: int

    def register(self, consumer: Consumer) -> None:
        """A consumer begins to run."""

    def unregister(self, consumer: Consumer) -> None:
        """A consumer has stopped."""

    def follow(self, consumer: Consumer, live: bool) -> None:
        """Offer this consumer the facts that it wants as they come, or let it read by position."""

    async def wanted_after(
        self, position: int, kinds: frozenset[tuple[str, str]] | None, limit: int
    ) -> tuple[list[Fact], int]:
        """Facts of some kinds after a position, and up to where these are all."""
        ...


class Consumer:
    """See :meth:`.journal.Journal.consumer`."""

    def __init__(
        self,
        journal: Feed,
        name: str,
        kinds: Iterable[tuple[str, str]] | None,
        decide: Decide,
        policy: str,
        on_gap: Callable[[int, int], Awaitable[None] | None] | None,
    ) -> None:
        if policy not in ("skip", "retry", "stop"):
            raise ValueError(f"policy must be 'skip', 'retry' or 'stop', not {policy!r}")
        self.name = name
        self.kinds = None if kinds is None else frozenset(kinds)
        self.failed: Exception | None = None  # what stopped it, under the policy "stop"
        self.running = False
        self._journal = journal
        self._decide = decide
        self._policy = policy
        self._on_gap = on_gap
        self._decided = 0  # up to here
        self._stored = 0  # what the cursor's row says
        self._pending: deque[Fact] = deque()  # offered while following
        self._following = False
        self._working = False
        self._chunk = CHUNK
        self._loop: defer.Deferred[Any] | None = None
        self._wanted: defer.Deferred[None] | None = None
        self._pausing: defer.Deferred[None] | None = None
        self._quiet: list[defer.Deferred[None]] = []

    @property
    def position(self) -> int:
        """Everything up to here is decided and, if it had an effect, applied."""
        idle = self._following and not self._pending and not self._working
        return self._journal.head if idle else self._decided

    # -- life ------------------------------------------------------------------------------------------------------

    @deferred
    async def start(self, at_head: bool = True) -> None:
        """Run from the stored position; a consumer that is new starts at the head (or the oldest fact kept)."""
        self._journal.register(self)
        try:
            self._stored = self._decided = await self._journal.db.write(rows.open_cursor, self.name, at_head)
        except BaseException:
            self._journal.unregister(self)
            raise
        self.running = True
        self._loop = defer.Deferred.fromCoroutine(self._run())
        self._loop.addErrback(lambda f: log.failure("consumer {name} ended by an error", f, name=self.name))

    @deferred
    async def stop(self, forget: bool = False) -> None:
        """End after the fact in hand, saving the position; with ``forget`` the cursor is dropped instead."""
        position = self.position
        self.running = False
        self._wake()
        if self._pausing is not None:
            self._pausing.cancel()
        if self._loop is not None:
            await self._loop
        self._decided = max(self._decided, position)
        self._follow(False)
        self._journal.unregister(self)
        if forget:
            await self._journal.db.write(rows.drop_cursors, [self.name])
        elif self._stored < self._decided:
            await self._journal.db.write(rows.save_cursors, [(self.name, self._stored, self._decided)])

    @deferred
    async def skip_to_head(self) -> None:
        """Take everything up to now as read."""
        position = self._journal.head
        await self._journal.db.write(rows.move_cursor, self.name, self._stored, position)
        self._stored = self._decided = position
        while self._pending and self._pending[0].position <= position:
            self._pending.popleft()

    def lazy_move(self) -> tuple[Consumer, int, int] | None:
        """The (consumer, before, after) that would store where it stands; None if that is stored already."""
        position = self.position
        if self._working or self._stored >= position:
            return None
        return self, self._stored, position

    def moved(self, before: int, after: int) -> None:
        """The cursor was stored at ``after``."""
        if self._stored == before:
            self._stored = after
            self._decided = max(self._decided, after)

    def caught_up(self) -> defer.Deferred[None]:
        """Fires when everything that is committed by now has been decided."""
        if self.position >= self._journal.head:
            return defer.succeed(None)
        waiter: defer.Deferred[None] = defer.Deferred()
        self._quiet.append(waiter)
        return waiter

    # -- being fed -------------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """There may be something to read."""
        self._wake()

    def hurry(self) -> None:
        """What made it wait may be over: try again now."""
        if self._pausing is not None:
            self._pausing.cancel()

    def offer(self, fact: Fact) -> None:
        """A fact that this consumer wants, while it follows."""
        if len(self._pending) >= MOST_PENDING:
            self._follow(False)
        else:
            self._pending.append(fact)
        self._wake()

    def _follow(self, live: bool) -> None:
        if self._following != live:
            self._following = live
            self._journal.follow(self, live)
        if not live:
            self._pending.clear()

    def _wake(self) -> None:
        waiter, self._wanted = self._wanted, None
        if waiter is not None:
            waiter.callback(None)

    # -- the loop --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while self.running:
            try:
                if await self._step():
                    pause = FIRST_PAUSE
                    continue
                self._tell_quiet()
                self._wanted = defer.Deferred()
                await self._wanted
            except rows.CursorMoved:
                await self._reload()
            except Later as later:
                await self._wait(later.seconds)
            except Exception as e:
                log.failure("consumer {name} failed at {position}", name=self.name, position=self._decided + 1)
                if self._policy == "stop":
                    self.failed = e
                    self.running = False
                    return
                await self._wait(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    def _tell_quiet(self) -> None:
        waiting, self._quiet = self._quiet, []
        for waiter in waiting:
            waiter.callback(None)

    async def _wait(self, seconds: float) -> None:
        if not self.running:
            return
        self._pausing = sleep(self._journal.clock, seconds)
        try:
            await self._pausing
        except defer.CancelledError:
            pass
        finally:
            self._pausing = None

    async def _reload(self) -> None:
        self._follow(False)
        position = await self._journal.db.read(rows.cursor, self.name)
        log.warn("the cursor of {name} was moved by another process", name=self.name)
        self._stored = self._decided = position if position is not None else self._journal.head

    async def _step(self) -> bool:
        """Decide on the next facts and apply; False when there is nothing to read."""
        facts, examined = await self._next_facts()
        if not facts:
            moved, self._decided = examined > self._decided, max(self._decided, examined)
            return moved
        self._working = True
        try:
            effects, upto, problem = await self._decide_all(facts, examined)
            if effects:
                await self._apply(effects, upto)
            self._decided = max(self._decided, upto)
        except BaseException:
            self._follow(False)  # read again from the last applied position
            raise
        finally:
            self._working = False
        if self._following:
            self._pending.extendleft(fact for fact in reversed(facts) if fact.position > upto)
        if problem is not None:
            raise problem
        return True

    async def _next_facts(self) -> tuple[list[Fact], int]:
        """What to decide on next, and how far everything is decided when that is."""
        if self._following:
            offered = [self._pending.popleft() for _ in range(min(self._chunk, len(self._pending)))]
            return offered, offered[-1].position if offered else 0
        journal = self._journal
        if self._decided < journal.pruned:
            await self._fell_behind(journal.pruned)
        if self._decided >= journal.head:
            self._follow(True)
            return [], self._decided
        found = await journal.wanted_after(self._decided, self.kinds, self._chunk)
        if self._decided < journal.pruned:
            await self._fell_behind(journal.pruned)
        return found

    async def _decide_all(self, facts: list[Fact], examined: int) -> tuple[list[Effect], int, Exception | None]:
        effects: list[Effect] = []
        upto = self._decided
        for fact in facts:
            if not self.running:
                return effects, upto, None
            if self.kinds is None or (fact.kind, fact.event) in self.kinds:
                try:
                    with deciding(self.name, fact.position):
                        effect = await maybe(self._decide, fact)
                except Later as later:
                    return effects, upto, later
                except Exception as e:
                    if self._policy != "skip":
                        return effects, upto, e
                    log.failure("consumer {name} skips {position}", name=self.name, position=fact.position)
                    effect = None
                if effect is not None:
                    effects.append(effect)
                    if effect.at_once:
                        return effects, fact.position, None
            upto = fact.position
        return effects, max(upto, examined), None

    async def _apply(self, effects: list[Effect], upto: int) -> None:
        try:
            values = await self._journal.db.write(_apply, self.name, self._stored, upto, effects)
        except rows.CursorMoved:
            raise
        except Exception:
            guilty, self._chunk = self._chunk == 1, 1  # next time one by one, so that only the guilty fact fails
            if not guilty or self._policy != "skip":
                raise
            log.failure("consumer {name} skips {position}", name=self.name, position=upto)
            return
        self._chunk = CHUNK
        self._stored = upto
        await self._tell(effects, values)

    async def _tell(self, effects: list[Effect], values: list[Any]) -> None:
        for effect, value in zip(effects, values, strict=True):
            if effect.then is not None:
                try:
                    await maybe(effect.then, value)
                except Exception:
                    log.failure("consumer {name}: what follows an effect failed", name=self.name)

    async def _fell_behind(self, pruned: int) -> None:
        after = self._decided
        log.error(
            "consumer {name} missed the facts {first} to {last}, which were pruned; it catches up from the tables",
            name=self.name,
            first=after + 1,
            last=pruned,
        )
        await self._journal.db.write(_skip_gap, self.name, self._stored, after, pruned)
        self._stored = self._decided = pruned
        if self._on_gap is not None:
            await maybe(self._on_gap, after, pruned)


def _skip_gap(txn: Txn, name: str, stored: int, after: int, pruned: int) -> None:
    rows.move_cursor(txn, name, stored, pruned)
    rows.record_gap(txn, name, after, pruned)
