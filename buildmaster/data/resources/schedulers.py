"""Schedulers, and which master runs each of them."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, exceptions, types
from buildmaster.data.resources.masters import Master
from buildmaster.db import query, schedulers, views


class SchedulerEndpoint(base.ViewEndpoint):
    """One scheduler."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/schedulers/n:schedulerid", "/masters/n:masterid/schedulers/n:schedulerid"]
    view = views.SCHEDULERS
    actions = {"enable": {"enabled": "boolean"}}

    async def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """``enable`` switches the scheduler on or off."""
        if action != "enable":
            return super().control(action, args, kwargs)
        enabled = self.argument(args, "enabled", bool)
        if await self.reading(query.fetch_one, self.view, kwargs) is None:
            raise exceptions.InvalidPathError(f"there is no scheduler {kwargs['schedulerid']}")
        await self.master.data.updates.schedulerEnable(kwargs["schedulerid"], enabled)
        return None


class SchedulersEndpoint(base.ViewEndpoint):
    """Schedulers: all, or those that a master runs."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/schedulers", "/masters/n:masterid/schedulers"]
    rootLinkName = "schedulers"
    view = views.SCHEDULERS


class Scheduler(base.ResourceType):
    """What turns changes, times or people's wishes into buildsets."""

    name = "scheduler"
    plural = "schedulers"
    endpoints = [SchedulerEndpoint, SchedulersEndpoint]
    eventPathPatterns = ["/schedulers/:schedulerid"]
    events = ("updated",)
    view = views.SCHEDULERS

    class EntityType(types.Entity):
        schedulerid = types.Integer()
        name = types.String()
        enabled = types.Boolean()
        master = types.NoneOk(Master.entityType)

    entityType = EntityType("scheduler")

    @base.updateMethod
    @deferred
    async def findSchedulerId(self, name: str) -> int:
        """The id of the scheduler of this name, given at its first mention."""
        return await self.master.db.write(schedulers.find_id, name)

    @base.updateMethod
    @deferred
    async def trySetSchedulerMaster(self, schedulerid: int, masterid: int | None) -> bool:
        """Take a scheduler for a master, or (None) let go of it; False if another living master has it."""
        return await self.master.db.write(schedulers.set_master, schedulerid, masterid)

    @base.updateMethod
    @deferred
    async def schedulerEnable(self, schedulerid: int, v: bool) -> None:
        """Switch a scheduler on or off; it skips what comes while it is off."""
        await self.master.db.write(schedulers.enable, schedulerid, bool(v))
