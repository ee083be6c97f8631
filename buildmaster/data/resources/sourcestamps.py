"""Source stamps: which source to build."""

from __future__ import annotations

from typing import Any

from buildmaster.data import base, types
from buildmaster.data.exceptions import InvalidPathError
from buildmaster.data.resources.patches import Patch
from buildmaster.db import views


class SourceStampEndpoint(base.ViewEndpoint):
    """One source stamp."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/sourcestamps/n:ssid"]
    view = views.SOURCESTAMPS


class SourceStampsEndpoint(base.ViewEndpoint):
    """Source stamps: all, or those of a buildset."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/sourcestamps", "/buildsets/:buildsetid/sourcestamps"]
    rootLinkName = "sourcestamps"
    view = views.SOURCESTAMPS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        if "buildsetid" in kwargs:
            if not kwargs["buildsetid"].isdigit():
                raise InvalidPathError(f"{kwargs['buildsetid']!r} is not the number of a buildset")
            kwargs = {"buildsetid": int(kwargs["buildsetid"])}
        return await self.read(kwargs, resultSpec)


class SourceStamp(base.ResourceType):
    """A codebase at a revision of a branch, perhaps with a patch."""

    name = "sourcestamp"
    plural = "sourcestamps"
    endpoints = [SourceStampEndpoint, SourceStampsEndpoint]
    view = views.SOURCESTAMPS

    class EntityType(types.Entity):
        ssid = types.Integer()
        revision = types.NoneOk(types.String())
        branch = types.NoneOk(types.String())
        repository = types.String()
        project = types.String()
        codebase = types.String()
        patch = types.NoneOk(Patch.entityType)
        created_at = types.DateTime()

    entityType = EntityType("sourcestamp")
