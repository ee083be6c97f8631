"""Change sources, and which master runs each of them."""

from __future__ import annotations

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.data.resources.masters import Master
from buildmaster.db import sources, views


class ChangeSourceEndpoint(base.ViewEndpoint):
    """One change source."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/changesources/n:changesourceid", "/masters/n:masterid/changesources/n:changesourceid"]
    view = views.CHANGESOURCES


class ChangeSourcesEndpoint(base.ViewEndpoint):
    """Change sources: all, or those that a master runs."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/changesources", "/masters/n:masterid/changesources"]
    rootLinkName = "changesources"
    view = views.CHANGESOURCES


class ChangeSource(base.ResourceType):
    """Where changes come from."""

    name = "changesource"
    plural = "changesources"
    endpoints = [ChangeSourceEndpoint, ChangeSourcesEndpoint]
    view = views.CHANGESOURCES

    class EntityType(types.Entity):
        changesourceid = types.Integer()
        name = types.String()
        master = types.NoneOk(Master.entityType)

    entityType = EntityType("changesource")

    @base.updateMethod
    @deferred
    async def findChangeSourceId(self, name: str) -> int:
        """The id of the change source of this name, given at its first mention."""
        return await self.master.db.write(sources.find_id, name)

    @base.updateMethod
    @deferred
    async def trySetChangeSourceMaster(self, changesourceid: int, masterid: int | None) -> bool:
        """Take a change source for a master, or (None) let go of it; False if another living master has it."""
        return await self.master.db.write(sources.set_master, changesourceid, masterid)
