"""The properties of builds, buildsets and changes, as a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from buildmaster.data import base, types
from buildmaster.data.resultspec import Property as Asked
from buildmaster.data.resultspec import ResultSpec
from buildmaster.db import buildsets, query, views
from buildmaster.db.view import Row

_encode = msgspec.json.Encoder(enc_hook=str).encode
_ALL = ResultSpec(properties=[Asked("properties", "eq", ["*"])])


def listed(properties: Mapping[str, Any]) -> list[Row]:
    """Each property with its value as JSON text."""
    return [Row(name=n, source=source, value=_encode(value).decode()) for n, (value, source) in properties.items()]


class BuildPropertyListEndpoint(base.ViewEndpoint):
    """The properties of a build."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/builds/n:buildid/property_list"]
    view = views.BUILDS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        found = await self.reading(query.fetch_one, self.view, kwargs, _ALL)
        return base.ListResult(listed(found["properties"]) if found is not None else [])


class BuildsetPropertyListEndpoint(base.ViewEndpoint):
    """The properties of a buildset."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/buildsets/n:bsid/properties_list"]
    view = views.BUILDSETS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        return base.ListResult(listed(await self.master.db.read(buildsets.properties, kwargs["bsid"])))


class ChangePropertyListEndpoint(base.ViewEndpoint):
    """The properties of a change."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/changes/n:changeid/properties_list"]
    view = views.CHANGES

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        found = await self.reading(query.fetch_one, self.view, kwargs, _ALL)
        return base.ListResult(listed(found["properties"]) if found is not None else [])


class Property(base.ResourceType):
    """One property; its value is JSON text."""

    name = "_property"
    plural = "_properties"
    endpoints = [BuildPropertyListEndpoint, BuildsetPropertyListEndpoint, ChangePropertyListEndpoint]

    class EntityType(types.Entity):
        name = types.String()
        source = types.String()
        value = types.JsonObject()

    entityType = EntityType("_property")
