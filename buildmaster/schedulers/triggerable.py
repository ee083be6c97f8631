"""The scheduler that build steps trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import ITriggerableScheduler
from buildmaster.process.triggering import TriggerKey, wait_for_buildset
from buildmaster.properties import Properties
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.composing import Wish
from buildmaster.schedulers.machinery import Added


@implementer(ITriggerableScheduler)
class Triggerable(ReconfigurableBaseScheduler):
    """Adds a buildset when a Trigger step (or a plugin) says so.

    :param builderNames: the builders
    :param reason: of the builds; by default one that names the scheduler
    """

    compare_attrs: Sequence[str] = ("reason",)
    attaches_by_key = True
    """Calls made with a key find the buildset of an earlier call with the same key instead of adding another."""
    reason: str | None = None

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, name=name, **kwargs)

    def checkConfig(self, builderNames: Any, reason: str | None = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, **kwargs)
        if reason is not None and not isinstance(reason, str):
            error(f"scheduler {self.name!r}: reason must be a text, not {reason!r}")
        self.reason = reason

    @deferred
    async def reconfigService(self, builderNames: Any, reason: str | None = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self.reason = reason

    def trigger(
        self,
        waited_for: bool,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        set_props: Properties | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
        key: TriggerKey | None = None,
    ) -> tuple[defer.Deferred[Added], defer.Deferred[tuple[int, dict[int, int]]]]:
        """Add a buildset of these source stamps, completed by the codebases' defaults, with these properties.

        Returns two Deferreds: of (buildset id, request id by builder id), fired when they are stored; and of (results,
        request id by builder id), fired when the buildset is complete.
        """
        added: defer.Deferred[Added] = defer.Deferred()
        adding = self._add(waited_for, sourcestamps, set_props, parent_buildid, parent_relationship, key)
        complete = self._wait(adding, added)
        return added, complete

    @deferred
    async def _add(
        self,
        waited_for: bool,
        sourcestamps: Sequence[Mapping[str, Any]] | None,
        set_props: Properties | None,
        parent_buildid: int | None,
        parent_relationship: str | None,
        key: TriggerKey | None,
    ) -> Added:
        wish = Wish(
            await self.stamps_with_defaults(sourcestamps or ()),
            self.reason or f"The Triggerable scheduler named '{self.name}' triggered this build",
            waited_for,
            set_props,
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
            idempotency_key=None if key is None else key.idempotency_key,
        )
        return await self.submit(wish)

    @deferred
    async def _wait(self, adding: defer.Deferred[Added], added: defer.Deferred[Added]) -> tuple[int, dict[int, int]]:
        try:
            buildsetid, requestids = await adding
        except Exception:
            added.errback(Failure())
            raise
        added.callback((buildsetid, requestids))
        return await wait_for_buildset(self.master, buildsetid), requestids
