"""Masters that share this database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import masters, views


class MasterEndpoint(base.ViewEndpoint):
    """One master."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/masters/n:masterid", "/builders/n:builderid/masters/n:masterid"]
    view = views.MASTERS


class MastersEndpoint(base.ViewEndpoint):
    """Masters, of all or of those that a builder is configured on."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/masters", "/builders/n:builderid/masters"]
    rootLinkName = "masters"
    view = views.MASTERS


class Master(base.ResourceType):
    """A process of this program on the database."""

    name = "master"
    plural = "masters"
    endpoints = [MasterEndpoint, MastersEndpoint]
    eventPathPatterns = ["/masters/:masterid"]
    events = ("started", "stopped")
    subresources = ["Builder"]

    class EntityType(types.Entity):
        masterid = types.Integer()
        name = types.String()
        active = types.Boolean()
        last_active = types.DateTime()

    entityType = EntityType("master")

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """Its id, its name and whether it lives."""
        return {name: fields.get(name) for name in ("masterid", "name", "active")}

    @base.updateMethod
    @deferred
    async def masterActive(self, name: str, masterid: int) -> None:
        """This master lives."""
        await self.master.db.write(masters.beat, name, masterid)

    @base.updateMethod
    @deferred
    async def masterStopped(self, name: str, masterid: int) -> None:
        """This master ends in order; what it held is free."""
        await self.master.db.write(masters.stop, masterid)

    @base.updateMethod
    @deferred
    async def expireMasters(self, forceHouseKeeping: bool = False) -> None:
        """End the life of masters that have fallen silent: their builds end as RETRY, what they held is free.

        With ``forceHouseKeeping``, also clear away what masters known to be dead left behind.
        """
        await self.master.db.write(masters.expire, self.master.masterid, forceHouseKeeping)
