"""Builders, on whichever master they are configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import builders, views


class BuilderEndpoint(base.ViewEndpoint):
    """One builder."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [
        "/builders/n:builderid",
        "/builders/s:buildername",
        "/masters/n:masterid/builders/n:builderid",
    ]
    view = views.BUILDERS


class BuildersEndpoint(base.ViewEndpoint):
    """Builders: all, or those of a master, project or worker."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = [
        "/builders",
        "/masters/n:masterid/builders",
        "/projects/n:projectid/builders",
        "/workers/n:workerid/builders",
    ]
    rootLinkName = "builders"
    view = views.BUILDERS


class Builder(base.ResourceType):
    """What runs builds of one kind."""

    name = "builder"
    plural = "builders"
    endpoints = [BuilderEndpoint, BuildersEndpoint]
    eventPathPatterns = ["/builders/:builderid"]
    events = ("started", "stopped", "update")
    view = views.BUILDERS
    subresources = ["Build", "Forcescheduler", "Scheduler", "Buildrequest"]

    class EntityType(types.Entity):
        builderid = types.Integer()
        name = types.String()
        masterids = types.List(of=types.Integer())
        description = types.NoneOk(types.String())
        description_format = types.NoneOk(types.String())
        description_html = types.NoneOk(types.String())
        projectid = types.NoneOk(types.Integer())
        tags = types.List(of=types.String())

    entityType = EntityType("builder")

    def needs_row(self, fields: Mapping[str, Any], event: str) -> bool:
        return event == "update"

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """The builder on ``update``; its id, name and master when it is configured there or is no more."""
        if event == "update":
            return super().body(fields, event, row)
        return {name: fields.get(name) for name in ("builderid", "masterid", "name")}

    @base.updateMethod
    @deferred
    async def findBuilderId(self, name: str) -> int:
        """The id of the builder of this name, given at its first mention."""
        return await self.master.db.write(builders.find_id, name)

    @base.updateMethod
    @deferred
    async def updateBuilderInfo(
        self,
        builderid: int,
        description: str | None,
        description_format: str | None,
        description_html: str | None,
        projectid: int | None,
        tags: list[Any],
    ) -> None:
        """What the configuration says of a builder."""
        info = (description, description_format, description_html, projectid, [str(tag) for tag in tags])
        await self.master.db.write(builders.update_info, builderid, *info)

    @base.updateMethod
    @deferred
    async def updateBuilderList(self, masterid: int, builderNames: list[str]) -> None:
        """Exactly these builders are configured on this master."""
        await self.master.db.write(builders.set_of_master, masterid, builderNames)
