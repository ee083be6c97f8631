"""What a triggering build step and a triggerable scheduler share.

Steps and schedulers are rooms that do not know each other.  Below both lie: the key by which a retried parent build
finds the children of its earlier life again (instead of doubling them), the way a scheduler is called, and waiting
for a buildset.  Nothing here remembers anything that is not also in rows: a wait is only an interest in a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from twisted.internet import defer
from twisted.python import log

from buildmaster.base.aio import deferred, maybe


@attrs.frozen
class TriggerKey:
    """One call of one scheduler by one step of one parent request.

    The same in every life of the parent: a build that ends as RETRY is started again for the same request.
    """

    request_id: int  # of the parent build
    step: str  # unique within the build
    scheduler: str
    ordinal: int  # how many times the step has called this scheduler before

    @property
    def idempotency_key(self) -> str:
        """What the buildset is stored under; a second buildset with it is the first one."""
        named = hashlib.sha1(f"{self.step}\0{self.scheduler}".encode()).hexdigest()
        return f"trigger:{self.request_id}:{named}:{self.ordinal}"


def key_for(build: Any, step: str, scheduler: str, ordinal: int) -> TriggerKey | None:
    """The key of a call made by this running build; None for a build without a stored request."""
    requests = getattr(build, "requests", None) or ()
    request_ids = sorted(request.id for request in requests if isinstance(getattr(request, "id", None), int))
    return TriggerKey(request_ids[0], step, scheduler, ordinal) if request_ids else None


def call_scheduler(
    scheduler: Any,
    key: TriggerKey | None,
    waited_for: bool,
    sourcestamps: list[dict[str, Any]],
    set_props: Any,
    parent_buildid: int | None,
    parent_relationship: str | None,
) -> tuple[defer.Deferred[Any], defer.Deferred[Any]]:
    """Call ``scheduler.trigger(...)`` as documented; a built-in scheduler (``attaches_by_key``) is given ``key`` too.

    Returns the documented pair: a Deferred of (buildset id, request ids by builder id), fired when the children are
    stored, and a Deferred of (results, request ids by builder id), fired when they are complete.
    """
    extra = {"key": key} if getattr(scheduler, "attaches_by_key", False) else {}
    return scheduler.trigger(
        waited_for=waited_for,
        sourcestamps=sourcestamps,
        set_props=set_props,
        parent_buildid=parent_buildid,
        parent_relationship=parent_relationship,
        **extra,
    )


class BuildsetWait:
    """Waits for one buildset to be complete, however late the interest comes."""

    def __init__(self, master: Any, buildset_id: int) -> None:
        self._master = master
        self._buildset_id = buildset_id
        self._done: defer.Deferred[int] = defer.Deferred()
        self._consumer: Any = None

    async def results(self) -> int:
        """The buildset's results.  Cancelling the Deferred made of this stops listening."""
        try:
            self._consumer = await self._master.mq.startConsuming(
                self._heard, ("buildsets", str(self._buildset_id), "complete")
            )
            stored = await self._master.data.get(("buildsets", self._buildset_id))
            if stored is None:
                raise KeyError(f"buildset {self._buildset_id} does not exist")
            if stored["complete"] and not self._done.called:
                self._done.callback(stored["results"])
            return await self._done
        finally:
            if self._consumer is not None:
                await maybe(self._consumer.stopConsuming)

    def _heard(self, routing_key: tuple[str, ...], body: Mapping[str, Any]) -> None:
        if not self._done.called:
            self._done.callback(body["results"])


@deferred
async def wait_for_buildset(master: Any, buildset_id: int) -> int:
    """A Deferred of the results of a buildset, fired at once if it is complete already."""
    return await BuildsetWait(master, buildset_id).results()


async def cancel_requests(master: Any, request_ids: Iterable[int], reason: str) -> None:
    """Cancel requests nobody waits for any more, running builds included.

    One that cannot be cancelled (it has just completed) is logged and does not keep the others.
    """
    for request_id in request_ids:
        try:
            await master.data.control("cancel", {"reason": reason}, ("buildrequests", request_id))
        except Exception:  # policy: skip, the reconciler looks again every minute
            log.err(None, f"while cancelling triggered build request {request_id}")
