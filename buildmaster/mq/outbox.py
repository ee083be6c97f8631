"""The outbox of one sender: events of the journal become reports, and each report is delivered at least once.

A sender is a reporter, or a storage of statistics.

The outbox is a durable consumer of the journal.  Its place moves, in the database, when a report has been delivered or
given up, one report at a time; so after a crash the report in hand is made and sent again, and no other.  Reports go
out in the order of their events, since the last one says what holds: a receiver that is away holds up the later ones.
How long a report is tried stands in :mod:`.failing`.

Of several masters that have a sender of this name on the same database one delivers; when that one ends, another one
goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe, with_deadline
from buildmaster.base.records import Fact
from buildmaster.base.times import human_duration
from buildmaster.db import turns
from buildmaster.mq.connector import matches
from buildmaster.mq.consumer import Consumer, Effect, Later, nothing_more
from buildmaster.mq.failing import is_unreachable, may_be_repeated, pause_after, words

log = Logger()

KINDS = ("reporter", "statistics")
"""Who has an outbox; a place is kept as ``KIND:NAME``."""

SEND_SECONDS = 120.0
"""How long making and sending one report may take."""

STOP_SECONDS = 5.0
"""How long a report that is being sent may go on when its sender is stopped; then it is sent again after the next
start."""

TURN_EVERY = 60.0
"""How often a sender whose turn is another master's asks whether that is still so, in seconds."""

Key = tuple[str, ...]
Reports = list[dict[str, Any]]


@attrs.frozen
class Attempt:
    """How often a report has been tried."""

    position: int
    attempts: int = 0
    answers: int = 0  # those that the receiver refused for now


def cursor_name(name: str, kind: str = "reporter") -> str:
    """Under which name the place of a sender is kept."""
    if len(name) > 150:
        name = f"{name[:100]}_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return f"{kind}:{name}"


class Outbox:
    """Delivers the reports of one sender, ``kind`` (one of :data:`KINDS`) and ``name``.

    ``make(keys, fact)`` makes the reports on a fact that is announced under these keys, and ``send(reports)`` delivers
    them; ``age`` is the number of seconds after which an event is old news.
    """

    def __init__(
        self,
        master: Any,
        name: str,
        wanted: Iterable[Sequence[str | None]],
        make: Callable[[Sequence[Key], Fact], Any],
        send: Callable[[Reports], Any],
        age: float,
        kind: str = "reporter",
    ) -> None:
        self._master = master
        self._name = name
        self._kind = kind
        self._place = cursor_name(name, kind)
        self._make = make
        self._send = send
        self._age = age
        self._wanted = [tuple(key) for key in wanted]
        self._attempt = Attempt(0)
        self._sending: defer.Deferred[Any] | None = None
        self._giving_up: Any = None
        self._consumer: Consumer | None = None
        self._turn: LoopingCall | None = None
        self._waits = False  # for another master

    @property
    def wanted(self) -> list[tuple[str | None, ...]]:
        """The routing keys of which it tells."""
        return self._wanted

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Deliver what was not delivered, then what comes; one that is new begins with the next event."""
        self._turn = turn = LoopingCall(self._take_turn)
        turn.clock = self._master.reactor
        turn.start(TURN_EVERY, now=False).addErrback(
            lambda f: log.failure("{k} {n} ended", f, k=self._kind, n=self._name)
        )
        await self._take_turn()

    @deferred
    async def _take_turn(self) -> None:
        """Begin if no other master delivers for a sender of this name."""
        if self._consumer is not None or self._turn is None:
            return
        try:
            if not await self._master.db.write(turns.take, self._place, self._master.masterid):
                if not self._waits:
                    self._waits = True
                    log.info("{kind} {name}: another master delivers, this one waits", kind=self._kind, name=self._name)
                return
        except Exception:  # policy: retry with the next turn
            log.failure("{kind} {name} could not take its turn; it is tried again", kind=self._kind, name=self._name)
            return
        self._waits = False
        if self._consumer is None and self._turn is not None:
            await self._begin()

    async def _begin(self) -> None:
        consumer = self._master.mq.journal.consumer(
            self._place, kinds_of(self._master.data, self._wanted), self.decide, "retry", self._gap
        )
        self._consumer = consumer
        try:
            await consumer.start()
        except Exception:
            self._consumer = None
            raise

    async def stop(self) -> None:
        """Stop after the report in hand if that ends soon; the place is kept."""
        turn, self._turn = self._turn, None
        if turn is not None and turn.running:
            turn.stop()
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if self._sending is not None:
            self._giving_up = self._master.reactor.callLater(STOP_SECONDS, self._sending.cancel)
        await consumer.stop()
        if self._giving_up is not None and self._giving_up.active():
            self._giving_up.cancel()
        self._giving_up = None

    def hurry(self) -> None:
        """The receiver may be back: try again now."""
        if self._consumer is not None:
            self._consumer.hurry()

    @deferred
    async def delivered(self) -> None:
        """Fires when everything that has happened by now has been delivered or given up."""
        if self._consumer is not None:
            await self._consumer.caught_up()

    def _gap(self, after: int, up_to: int) -> None:
        log.error(
            "{kind} {name} was too far behind: what happened meanwhile is not delivered",
            kind=self._kind,
            name=self._name,
        )

    # -- one event -----------------------------------------------------------------------------------------------------

    async def decide(self, fact: Fact) -> Effect | None:
        """Deliver the reports on a fact, if there are any; raises :class:`Later` if they must be tried again."""
        keys = [key for key in self._keys(fact) if any(matches(wanted, key) for wanted in self._wanted)]
        if not keys or self._too_old(fact):
            return None
        self._sending = with_deadline(
            self._deliver(keys, fact), SEND_SECONDS, self._master.reactor, f"{self._kind} {self._name!r}"
        )
        try:
            sent = await self._sending
        except Exception as error:
            if self._consumer is None and isinstance(error, defer.CancelledError):
                raise Later(0) from None  # the sender is being stopped
            self._failed(fact, error)
            sent = True
        finally:
            self._sending = None
        return Effect(nothing_more, at_once=True) if sent else None

    def _keys(self, fact: Fact) -> Sequence[Key]:
        if fact.kind == "message":
            return [tuple(fact.fields["key"])]
        keys: Sequence[Key] = self._master.data.routing_keys(fact)
        return keys

    async def _deliver(self, keys: Sequence[Key], fact: Fact) -> bool:
        reports = await maybe(self._make, keys, fact)
        if not reports:
            return False
        for report in reports:
            report.setdefault("notice", f"{self._name}/{fact.position}")
        await as_deferred(maybe(self._send, reports))
        self._succeeded(fact)
        return True

    def _succeeded(self, fact: Fact) -> None:
        if self._attempt.position == fact.position and self._attempt.attempts:
            log.info("{kind} {name}: {what} is delivered now", kind=self._kind, name=self._name, what=told(fact))
        self._attempt = Attempt(0)

    def _failed(self, fact: Fact, error: Exception) -> None:
        """Policy: try again what may be delivered later, in order; skip and log all else."""
        before = self._attempt if self._attempt.position == fact.position else Attempt(fact.position)
        answers = before.answers + (0 if is_unreachable(error) else 1)
        self._attempt = Attempt(fact.position, before.attempts + 1, answers)
        if may_be_repeated(error, answers):
            seconds = pause_after(self._attempt.attempts)
            if self._attempt.attempts.bit_count() == 1:  # 1, 2, 4, 8 …: a day of attempts is a dozen lines
                log.warn(
                    "{kind} {name}: {what} could not be delivered ({why}); attempt {n}, the next one in {s:g} s",
                    kind=self._kind,
                    name=self._name,
                    what=told(fact),
                    why=words(error),
                    n=self._attempt.attempts,
                    s=seconds,
                )
            raise Later(seconds)
        log.failure(
            "{kind} {name} failed on {what}: {why}; it is not reported",
            kind=self._kind,
            name=self._name,
            what=told(fact),
            why=words(error),
        )
        self._attempt = Attempt(0)

    def _too_old(self, fact: Fact) -> bool:
        age = self._master.reactor.seconds() - fact.at
        if age <= self._age:
            return False
        log.warn(
            "{kind} {name}: {what} was {age} ago, which is too long to report it (the limit is {limit})",
            kind=self._kind,
            name=self._name,
            what=told(fact),
            age=human_duration(age),
            limit=human_duration(self._age),
        )
        return True


def told(fact: Fact) -> str:
    """A fact in words: ``build 7 finished``."""
    number = fact.fields.get(f"{fact.kind}id", fact.fields.get("bsid"))
    if fact.kind == "message":
        return f"the message {'/'.join(fact.fields['key'])}"
    return f"{fact.kind} {number} {fact.event}" if number is not None else f"{fact.kind} {fact.event}"


def kinds_of(data: Any, wanted: Iterable[Sequence[str | None]]) -> set[tuple[str, str]]:
    """The kinds of facts that may be announced under these keys; a message of one's own has kind ``message``."""
    kinds = {("message", "produced")} if _may_be_message(data, wanted) else set()
    for rtype in vars(data.rtypes).values():
        for key in wanted:
            if len(key) >= 2 and rtype.plural in key:
                kinds |= {(rtype.name, event) for event in rtype.events if key[-1] in (None, event)}
    return kinds


def _may_be_message(data: Any, wanted: Iterable[Sequence[str | None]]) -> bool:
    plurals = {rtype.plural for rtype in vars(data.rtypes).values()}
    return any(not plurals & {word for word in key if word is not None} for key in wanted)
