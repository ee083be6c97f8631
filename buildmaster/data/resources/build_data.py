"""Data that builds keep beside their logs."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import build_data, query, views

_OF_BUILD = [
    "/builders/n:builderid/builds/n:build_number/data",
    "/builders/s:buildername/builds/n:build_number/data",
    "/builds/n:buildid/data",
]


class BuildDatasNoValueEndpoint(base.ViewEndpoint):
    """What data a build has, without the values."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = _OF_BUILD
    view = views.BUILD_DATA


class BuildDataNoValueEndpoint(base.ViewEndpoint):
    """One piece of a build's data, without the value."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [pattern + "/i:name" for pattern in _OF_BUILD]
    view = views.BUILD_DATA


class BuildDataEndpoint(base.ViewEndpoint):
    """The value of a piece of a build's data."""

    kind = base.EndpointKind.RAW
    pathPatterns = [pattern + "/i:name/value" for pattern in _OF_BUILD]
    view = views.BUILD_DATA

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """``raw`` (bytes), ``mime-type`` and ``filename``; None if there is no such data."""
        found = await self.reading(query.fetch_one, self.view, kwargs)
        if found is None:
            return None
        value = await self.master.db.read(build_data.value_of, found["buildid"], found["name"])
        return {"raw": value, "mime-type": "application/octet-stream", "filename": found["name"]}

    async def stream(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """The same."""
        return await self.get(resultSpec, kwargs)


class BuildData(base.ResourceType):
    """Bytes under a name."""

    name = "build_data"
    plural = "build_data"
    endpoints = [BuildDatasNoValueEndpoint, BuildDataNoValueEndpoint, BuildDataEndpoint]
    view = views.BUILD_DATA

    class EntityType(types.Entity):
        buildid = types.Integer()
        name = types.String()
        length = types.Integer()
        value = types.NoneOk(types.Binary())
        source = types.String()

    entityType = EntityType("build_data")

    @base.updateMethod
    @deferred
    async def setBuildData(self, buildid: int, name: str, value: bytes, source: str) -> None:
        """Store bytes under a name, in place of what is there."""
        if not isinstance(value, bytes):
            raise TypeError(f"setBuildData: value is {type(value).__name__}, not bytes")
        await self.write_about("build", buildid, build_data.put, buildid, name, value, source)
