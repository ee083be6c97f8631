"""Building what others have built successfully."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IScheduler
from buildmaster.base.records import Fact
from buildmaster.base.results import SUCCESS, WARNINGS
from buildmaster.db import buildsets, included
from buildmaster.db import schedulers as rows
from buildmaster.mq.consumer import Consumer, Effect
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.composing import Wish
from buildmaster.schedulers.machinery import SchedulerMachinery

log = Logger()


@attrs.frozen
class _Upstream:
    """What is to be built again of a finished buildset."""

    scheduler: str | None
    ssids: Sequence[int]
    changeids: Sequence[int]


def _read(conn: Any, buildsetid: int) -> _Upstream | None:
    row = buildsets.get(conn, buildsetid)
    if row is None:
        return None
    requestids = list(buildsets.request_ids(conn, buildsetid).values())
    by_request = included.change_ids_of_many(conn, requestids) if requestids else {}
    changeids = sorted({changeid for changeids in by_request.values() for changeid in changeids})
    return _Upstream(row.scheduler, buildsets.sourcestamp_ids(conn, buildsetid), changeids)


class Dependent(ReconfigurableBaseScheduler):
    """Builds the same source after all builds of an upstream scheduler's buildset have succeeded.

    :param upstream: the other scheduler
    :param builderNames: the builders
    """

    compare_attrs: Sequence[str] = ("upstream_name",)
    upstream_name: str | None = None
    _consumer: Consumer | None = None

    def __init__(self, name: str, upstream: Any, builderNames: Any, **kwargs: Any) -> None:
        super().__init__(name=name, upstream=upstream, builderNames=builderNames, **kwargs)

    def checkConfig(self, upstream: Any, builderNames: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, **kwargs)
        if not isinstance(upstream, SchedulerMachinery) and not IScheduler.providedBy(upstream):
            error(f"scheduler {self.name!r}: upstream must be another Scheduler instance, not {upstream!r}")
            return
        self.upstream_name = upstream.name

    @deferred
    async def reconfigService(  # type: ignore[override]
        self, upstream: Any, builderNames: Any, **kwargs: Any
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self.upstream_name = upstream.name

    @deferred
    async def activate(self) -> None:
        """Begin to look at finished buildsets."""
        await super().activate()
        self._consumer = self.master.mq.journal.consumer(
            f"scheduler:{self.name}", {("buildset", "complete")}, self._decide, policy="retry"
        )
        await self._consumer.start()

    @deferred
    async def deactivate(self) -> None:
        """Look no more; the place is kept."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()
        await super().deactivate()

    async def _decide(self, fact: Fact) -> Effect | None:
        if not self.enabled:
            return Effect(rows.skip)  # stored at once, since it may be on again after a crash
        if fact.fields["results"] not in (SUCCESS, WARNINGS):
            return None
        found = await self.master.db.read(_read, fact.fields["bsid"])
        if found is None or found.scheduler != self.upstream_name:
            return None
        try:
            new = await self._composer.compose(Wish(found.ssids, "downstream", changeids=found.changeids))
        except Exception:  # policy: skip this buildset; user code in the properties or builder names raised
            log.failure("scheduler {name} could not follow buildset {id}", name=self.name, id=fact.fields["bsid"])
            return None
        return Effect(buildsets.add, (new,))
