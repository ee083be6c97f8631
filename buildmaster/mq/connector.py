"""The documented message queue, ``master.mq``: a shell over the journal.

Events are facts; their routing keys and bodies come from the data API, which lies above and is handed in as a
:class:`Renderer`.  A body is only made when somebody wants it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from twisted.application import service
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.records import Fact
from buildmaster.db.txn import Txn
from buildmaster.mq.consumer import Consumer
from buildmaster.mq.journal import Journal

log = Logger()

RoutingKey = tuple[str, ...]
Filter = tuple["str | None", ...]
PAGE = 500


class Renderer(Protocol):
    """How a fact is told to those who listen by routing key."""

    def routing_keys(self, fact: Fact) -> Sequence[RoutingKey]:
        """Every key under which this fact is announced."""

    def bodies(self, facts: Sequence[Fact]) -> Awaitable[Sequence[Any]]:
        """The message of each fact: the resource as it was when it happened."""


class PlainRenderer:
    """Announces a fact under its kind, id and event, with its own fields: what there is below the data API."""

    def routing_keys(self, fact: Fact) -> Sequence[RoutingKey]:
        return [(fact.kind + "s", str(fact.fields.get(fact.kind + "id", fact.position)), fact.event)]

    async def bodies(self, facts: Sequence[Fact]) -> Sequence[Any]:
        return [dict(fact.fields) for fact in facts]


class Gap(Exception):
    """The events after the position asked for are no longer kept; read the tables instead."""


def matches(filter: Filter, key: RoutingKey) -> bool:
    """Whether a key has the filter's length and words, None standing for any word."""
    return len(filter) == len(key) and all(f is None or f == k for f, k in zip(filter, key, strict=True))


class QRef:
    """A running subscription."""

    def __init__(
        self, mq: MQConnector, filters: Sequence[Filter], callback: Callable[..., Any], positions: bool
    ) -> None:
        self.filters = list(filters)
        self.callback: Callable[..., Any] | None = callback
        self.position = 0  # of the newest event it was given, or could have been
        self._mq = mq
        self._positions = positions

    def wants(self, keys: Sequence[RoutingKey]) -> RoutingKey | None:
        """The first of these keys that one of the filters lets through."""
        for key in keys:
            for filter in self.filters:
                if matches(filter, key):
                    return key
        return None

    def invoke(self, position: int, key: RoutingKey, body: Any) -> None:
        """Call back; an error is logged and ends nothing."""
        callback = self.callback
        if callback is None or position <= self.position:
            return
        self.position = position
        done = defer.Deferred.fromCoroutine(
            maybe(callback, position, key, body) if self._positions else maybe(callback, key, body)
        )
        done.addErrback(lambda f: log.failure("a consumer of {key} raised", f, key="/".join(key)))

    @deferred
    async def stopConsuming(self) -> None:
        """No callback after this one."""
        self.callback = None
        self._mq._forget(self)


class DurableQRef:
    """A subscription under a persistent name: what comes while nobody consumes is kept."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._stopped = False

    @deferred
    async def stopConsuming(self) -> None:
        """No callback after this one; the place is kept."""
        if not self._stopped:
            self._stopped = True
            await self._consumer.stop()


class MQConnector(service.Service):
    """``master.mq``: produce and consume messages by routing key.

    A routing key is a tuple of strings; a filter is a tuple in which None matches any one word.
    """

    name = "mq"

    def __init__(self, journal: Journal, renderer: Renderer | None = None) -> None:
        self.journal = journal
        self.renderer: Renderer = renderer or PlainRenderer()
        self._qrefs: dict[QRef, None] = {}
        self._listener: Any = None
        self._waiting: deque[tuple[Fact, Sequence[RoutingKey]]] = deque()
        self._delivering = False

    # -- the documented interface ----------------------------------------------------------------------------------

    def produce(self, routing_key: Sequence[str], body: Any) -> defer.Deferred[None]:
        """Send a message; ``body`` is JSON-able.  It is stored first, so that persistent consumers cannot miss it.

        The Deferred fires when it is stored; there is no need to wait for it.
        """
        return self.journal.db.progress(_note_message, tuple(routing_key), body)

    @deferred
    async def startConsuming(
        self, callback: Callable[[RoutingKey, Any], Any], filter: Filter, persistent_name: str | None = None
    ) -> QRef | DurableQRef:
        """Have ``callback(routing_key, body)`` called for every message that the filter lets through.

        It may return a Deferred and may be called again before that fires.  With ``persistent_name`` messages are kept
        while nobody consumes under that name; it is called for one after the other, and after a crash once more for
        some.  Buildsets and changes that it adds before it is done are then not added again.  Returns a reference with
        ``stopConsuming()``.
        """
        filter = tuple(filter)
        if persistent_name is None:
            return self._add(QRef(self, [filter], callback, False))

        async def decide(fact: Fact) -> None:
            keys = self._keys(fact)
            key = next((key for key in keys if matches(filter, key)), None)
            if key is not None:
                await maybe(callback, key, (await self._bodies([fact]))[0])

        consumer = self.journal.consumer(f"mq:{persistent_name}", None, decide, policy="skip")
        await consumer.start()
        return DurableQRef(consumer)

    @deferred
    async def waitUntilEvent(self, filter: Filter, check_callback: Callable[[], Any]) -> tuple[RoutingKey, Any] | None:
        """Wait for a message that the filter lets through; returns (routing_key, body).

        ``check_callback`` is asked, after consuming has begun, whether the event has happened already (it may return a
        Deferred); if it has, None is returned at once.
        """
        happened: defer.Deferred[tuple[RoutingKey, Any]] = defer.Deferred()

        def callback(key: RoutingKey, body: Any) -> None:
            if not happened.called:
                happened.callback((key, body))

        reference = await self.startConsuming(callback, filter)
        try:
            if await maybe(check_callback):
                return None
            return await happened
        finally:
            await reference.stopConsuming()

    # -- resuming subscriptions, for the web front -------------------------------------------------------------------

    @deferred
    async def subscribe(
        self, filters: Sequence[Filter], callback: Callable[[int, RoutingKey, Any], Any], after: int | None = None
    ) -> QRef:
        """Have ``callback(position, routing_key, body)`` called for each event that one of the filters lets through.

        With ``after``, begin behind that position: what came since is given first, in order and without a gap.  Raises
        :class:`Gap` if it is no longer kept.
        """
        qref = QRef(self, [tuple(f) for f in filters], callback, True)
        position = self.journal.head if after is None else after
        if not self.journal.reaches_back(position):
            raise Gap(f"events after {position} are asked for, those up to {self.journal.pruned} are gone")
        while position < self.journal.head:
            facts = await self.journal.facts_after(position, PAGE)
            if not facts:
                break
            wanted = [(fact, key) for fact in facts if (key := qref.wants(self._keys(fact))) is not None]
            bodies = await self._bodies([fact for fact, _ in wanted])
            for (fact, key), body in zip(wanted, bodies, strict=True):
                qref.invoke(fact.position, key, body)
            position = facts[-1].position
        qref.position = max(qref.position, position)
        return self._add(qref)

    # -- delivery ----------------------------------------------------------------------------------------------------

    def _add(self, qref: QRef) -> QRef:
        self._qrefs[qref] = None
        if self._listener is None:
            self._listener = self.journal.listen(None, self._on_fact)
        return qref

    def _forget(self, qref: QRef) -> None:
        self._qrefs.pop(qref, None)
        if not self._qrefs and self._listener is not None:
            self._listener.stop()
            self._listener = None

    def _keys(self, fact: Fact) -> Sequence[RoutingKey]:
        if fact.kind == "message":
            return [tuple(fact.fields["key"])]
        return self.renderer.routing_keys(fact)

    async def _bodies(self, facts: Sequence[Fact]) -> Sequence[Any]:
        rendered = [fact for fact in facts if fact.kind != "message"]
        bodies = iter(await self.renderer.bodies(rendered)) if rendered else iter(())
        return [fact.fields["body"] if fact.kind == "message" else next(bodies) for fact in facts]

    def _on_fact(self, fact: Fact) -> None:
        keys = self._keys(fact)
        if any(qref.wants(keys) is not None for qref in self._qrefs):
            self._waiting.append((fact, keys))
            if not self._delivering:
                self._delivering = True
                done = defer.Deferred.fromCoroutine(self._deliver())
                done.addErrback(lambda f: log.failure("delivering events failed", f))

    async def _deliver(self) -> None:
        """Give what waits to those who want it, in order, bodies made in groups."""
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(PAGE, len(self._waiting)))]
                try:
                    bodies = await self._bodies([fact for fact, _ in batch])
                except Exception:
                    log.failure("{n} events could not be told: their bodies could not be made", n=len(batch))
                    continue
                for (fact, keys), body in zip(batch, bodies, strict=True):
                    for qref in list(self._qrefs):
                        key = qref.wants(keys)
                        if key is not None:
                            qref.invoke(fact.position, key, body)
        finally:
            self._delivering = False


def _note_message(txn: Txn, key: RoutingKey, body: Any) -> None:
    txn.note("message", "produced", key=list(key), body=body)
