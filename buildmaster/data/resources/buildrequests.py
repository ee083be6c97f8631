"""Build requests: the queue of what is to be built."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, exceptions, types
from buildmaster.db import claiming, ending, query, requests, views


class BuildRequestEndpoint(base.ViewEndpoint):
    """One request."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/buildrequests/n:buildrequestid"]
    view = views.BUILDREQUESTS
    actions = {"cancel": {"reason": "string"}, "set_priority": {"priority": "integer"}}

    async def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """``cancel`` ends a waiting request and stops the build of a claimed one; ``set_priority`` moves it."""
        if action not in self.actions:
            return super().control(action, args, kwargs)
        requestid = kwargs["buildrequestid"]
        if await self.reading(query.fetch_one, self.view, kwargs) is None:
            raise exceptions.InvalidPathError(f"there is no build request {requestid}")
        if action == "set_priority":
            priority = self.argument(args, "priority", int)
            if abs(priority) >= 2**31:
                raise exceptions.InvalidActionException(f"the priority {priority} is too large")
            await self.master.db.write(requests.set_priority, [requestid], priority)
            return None
        reason = self.argument(args, "reason", str, "no reason")
        await self._cancel(requestid, reason, args.get("owner"))
        return None

    async def _cancel(self, requestid: int, reason: str, owner: str | None) -> None:
        """End the request if nobody has it yet, else ask whoever has it to stop."""
        actor = f"user:{owner}" if owner else "user"
        if await self.master.db.write(ending.cancel, requestid, reason, actor):
            return
        key = ("control", "buildrequests", str(requestid), "cancel")
        await self.master.mq.produce(key, {"reason": reason, "owner": owner})


class BuildRequestsEndpoint(base.ViewEndpoint):
    """Requests: all, or those of a builder."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/buildrequests", "/builders/n:builderid/buildrequests"]
    rootLinkName = "buildrequests"
    view = views.BUILDREQUESTS


class BuildRequest(base.ResourceType):
    """The wish that a builder build a buildset's source."""

    name = "buildrequest"
    plural = "buildrequests"
    endpoints = [BuildRequestEndpoint, BuildRequestsEndpoint]
    eventPathPatterns = [
        "/buildsets/:buildsetid/builders/:builderid/buildrequests/:buildrequestid",
        "/buildrequests/:buildrequestid",
        "/builders/:builderid/buildrequests/:buildrequestid",
    ]
    events = ("new", "claimed", "unclaimed", "complete", "cancel", "update")
    view = views.BUILDREQUESTS
    subresources = ["Build"]

    class EntityType(types.Entity):
        buildrequestid = types.Integer()
        buildsetid = types.Integer()
        builderid = types.Integer()
        priority = types.Integer()
        claimed = types.Boolean()
        claimed_at = types.NoneOk(types.DateTime())
        claimed_by_masterid = types.NoneOk(types.Integer())
        complete = types.Boolean()
        results = types.NoneOk(types.Integer())
        submitted_at = types.DateTime()
        complete_at = types.NoneOk(types.DateTime())
        waited_for = types.Boolean()
        properties = types.NoneOk(types.SourcedProperties())

    entityType = EntityType("buildrequest")

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        body = super().body(fields, event, row)
        body["claimed"] = bool(body.get("claimed") or body.get("complete"))
        if body.get("results") is None:
            body["results"] = -1
        return body

    @base.updateMethod
    @deferred
    async def claimBuildRequests(self, brids: Sequence[int], claimed_at: datetime.datetime | None = None) -> bool:
        """Take these pending requests for this master, all or none; False if one of them is not pending."""
        return await self.master.db.write(claiming.claim_exactly, brids, self.master.masterid, _epoch(claimed_at))

    @base.updateMethod
    @deferred
    async def unclaimBuildRequests(self, brids: Sequence[int]) -> None:
        """Put requests that this master has claimed back into the queue."""
        await self.master.db.write(claiming.unclaim, brids, self.master.masterid)

    @base.updateMethod
    @deferred
    async def completeBuildRequests(
        self, brids: Sequence[int], results: int, complete_at: datetime.datetime | None = None
    ) -> bool:
        """End these requests, and the buildsets of which they were the last; False if one had ended already."""
        wanted = sorted(set(brids))
        ended = await self.master.db.write(ending.complete_in, wanted, results, _epoch(complete_at))
        return len(ended) == len(wanted)

    @base.updateMethod
    @deferred
    async def rebuildBuildrequest(self, buildrequest: Mapping[str, Any]) -> tuple[int, dict[int, int]]:
        """Add a buildset that asks for the same again; returns (buildset id, request id by builder id)."""
        return await self.master.data.rtypes.buildset.repeat(buildrequest["buildsetid"], [buildrequest["builderid"]])


def _epoch(when: datetime.datetime | float | None) -> float | None:
    return when.timestamp() if isinstance(when, datetime.datetime) else when
