"""Reading changes: one durable consumer for each scheduler, which decides on each change once.

Deciding is user code, done outside of any transaction; what it leads to (a reason, a classified change, a buildset) is
stored together with the place up to which the scheduler has read.  A refusal by a declared filter leaves no row: it can
be computed again from the change and the stored filter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from buildmaster.base.filters import ChangeFilter
from buildmaster.base.records import Fact
from buildmaster.db import changes as change_rows
from buildmaster.db import reasons
from buildmaster.db import schedulers as rows
from buildmaster.mq.consumer import Consumer, Effect
from buildmaster.process.asking import ask, describe
from buildmaster.process.change import Change
from buildmaster.schedulers.decision import Write, deciding

log = Logger()

KINDS = frozenset({("change", "new")})


class ChangeCache:
    """The newest changes as objects, made once for all schedulers of a master."""

    def __init__(self, size: int = 500) -> None:
        self._size = size
        self._known: OrderedDict[int, Change] = OrderedDict()

    def set_max_size(self, size: int) -> None:
        """Keep so many from now on."""
        self._size = size
        while len(self._known) > size:
            self._known.popitem(last=False)

    async def of(self, fact: Fact, db: Any) -> Change | None:
        """The change that a fact tells of; None if it has been deleted since."""
        changeid = fact.fields["changeid"]
        change = self._known.get(changeid)
        if change is None:
            record = change_rows.from_fields(fact.fields)
            if record is None:
                record = await db.read(change_rows.get, changeid)
            if record is None:
                return None
            change = self._known[changeid] = Change.from_record(record)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return change


def cache_of(master: Any) -> ChangeCache:
    """The cache that all schedulers of a master share."""
    holder = getattr(master, "scheduler_manager", None)
    cache = getattr(holder, "changes", None)
    return cache if isinstance(cache, ChangeCache) else ChangeCache()


class ChangeConsumer:
    """A scheduler's reading of changes."""

    def __init__(
        self,
        scheduler: Any,
        file_is_important: Callable[[Change], Any] | None,
        change_filter: ChangeFilter | None,
        only_important: bool,
    ) -> None:
        self._scheduler = scheduler
        self._important = file_is_important
        self._filter = change_filter
        self._only_important = only_important
        self._cache = cache_of(scheduler.master)
        self._consumer: Consumer | None = None

    @property
    def filter(self) -> ChangeFilter | None:
        """The filter through which changes are read."""
        return self._filter

    async def start(self) -> None:
        """Read from where the scheduler stopped; a new scheduler starts with the next change."""
        scheduler = self._scheduler
        self._consumer = scheduler.master.mq.journal.consumer(
            f"scheduler:{scheduler.name}", KINDS, self.decide, policy="retry"
        )
        await self._consumer.start()

    async def stop(self, forget: bool = False) -> None:
        """Stop after the change in hand; the place is kept unless it is to be forgotten."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await consumer.stop(forget)

    async def caught_up(self) -> None:
        """Returns when everything that is stored by now has been decided on."""
        if self._consumer is not None:
            await self._consumer.caught_up()

    async def decide(self, fact: Fact) -> Effect | None:
        """What this scheduler makes of a change, as one effect."""
        if not self._scheduler.enabled:
            return Effect(rows.skip)  # stored at once, since it may be on again after a crash
        change = await self._cache.of(fact, self._scheduler.master.db)
        if change is None or change.codebase not in self._scheduler.codebases:
            return None
        if self._filter is not None and self._filter.declared_refusal(change) is not None:
            return None
        with deciding() as decision:
            try:
                await self._consider(change, decision)
            except Exception as error:  # policy: skip the change, the error is its reason
                log.failure("scheduler {name} failed on change {id}", name=self._scheduler.name, id=change.number)
                decision.writes = [self._reason(change, "error", error=f"{type(error).__name__}: {error}")]
        return decision.effect()

    async def _consider(self, change: Change, decision: Any) -> None:
        if self._filter is not None and self._filter.has_functions():
            refusal = self._filter.refusal(change)
            if refusal is not None:
                decision.writes.append(self._reason(change, "refused", why=refusal))
                return
        important = True
        if self._important is not None:
            what = f"fileIsImportant of scheduler {self._scheduler.name!r}, {describe(self._important)},"
            important = bool(await ask(self._scheduler.master, what, self._important, change))
        if not important and self._only_important:
            decision.writes.append(self._reason(change, "unimportant"))
            return
        await self._scheduler.consider(change, important, decision)

    def _reason(self, change: Change, verdict: str, **detail: Any) -> Write:
        actor = f"scheduler:{self._scheduler.name}"
        return Write(reasons.record, ("change", change.number, actor, verdict, detail))
