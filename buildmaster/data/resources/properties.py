"""The properties of builds and buildsets, as a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.data.resultspec import Property, ResultSpec
from buildmaster.db import build_properties, buildsets, query, views
from buildmaster.db.txn import Txn
from buildmaster.db.view import Row

_ALL = ResultSpec(properties=[Property("properties", "eq", ["*"])])


class BuildsetPropertiesEndpoint(base.ViewEndpoint):
    """The properties with which a buildset was asked for."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/buildsets/n:bsid/properties"]
    view = views.BUILDSETS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        return Row(await self.master.db.read(buildsets.properties, kwargs["bsid"]))


class BuildPropertiesEndpoint(base.ViewEndpoint):
    """The properties of a build."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/builders/n:builderid/builds/n:build_number/properties", "/builds/n:buildid/properties"]
    view = views.BUILDS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        found = await self.reading(query.fetch_one, self.view, kwargs, _ALL)
        return Row(found["properties"] if found is not None else {})


class Properties(base.ResourceType):
    """Name to (value, source)."""

    name = "property"
    plural = "properties"
    endpoints = [BuildsetPropertiesEndpoint, BuildPropertiesEndpoint]
    eventPathPatterns = ["/builds/:buildid/properties"]
    events = ("update",)

    class EntityType(types.Entity):
        """A dictionary whose keys are the properties' names."""

    entityType = EntityType("property")

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """The properties that have changed: name to (value, source)."""
        return {name: tuple(pair) for name, pair in fields["properties"].items()}

    @base.updateMethod
    @deferred
    async def setBuildProperties(self, buildid: int, properties: Any) -> None:
        """Set these properties of a build (an ``IProperties``); those that are the same already are left alone."""
        given = properties.getProperties() if hasattr(properties, "getProperties") else properties
        shown = given.shown() if hasattr(given, "shown") else dict(given.asDict())
        await self.write_about("build", buildid, _set_properties, buildid, shown)

    @base.updateMethod
    @deferred
    async def setBuildProperty(self, buildid: int, name: str, value: Any, source: str) -> None:
        """Set one property of a build."""
        await self.write_about("build", buildid, build_properties.set_one, buildid, name, value, source)


def _set_properties(txn: Txn, buildid: int, properties: Mapping[str, tuple[Any, str]]) -> None:
    txn.flush()
    stored = build_properties.get(txn.conn, buildid)
    if stored is None:
        build_properties.add(txn, buildid, properties)
        return
    changed = {name: pair for name, pair in properties.items() if stored.get(name) != tuple(pair)}
    if changed:
        build_properties.replace(txn, buildid, {**stored, **changed}, changed)
