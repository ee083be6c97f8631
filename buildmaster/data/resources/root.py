"""What the API itself consists of."""

from __future__ import annotations

from typing import Any

from buildmaster.data import base, types
from buildmaster.db.view import Row


class RootLinksEndpoint(base.Endpoint):
    """Where to begin."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/"]

    def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        return base.ListResult([Row(link) for link in self.master.data.rootLinks])


class RootLink(base.ResourceType):
    """The name of a collection that can be read without knowing anything else."""

    name = "rootlink"
    plural = "rootlinks"
    endpoints = [RootLinksEndpoint]

    class EntityType(types.Entity):
        name = types.String()

    entityType = EntityType("rootlink")


class SpecEndpoint(base.Endpoint):
    """All paths with what they answer."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/application.spec"]

    def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        return base.ListResult([Row(spec) for spec in self.master.data.allEndpoints()])


class Spec(base.ResourceType):
    """A path, and the type of resource at it."""

    name = "spec"
    plural = "specs"
    endpoints = [SpecEndpoint]

    class EntityType(types.Entity):
        path = types.String()
        type = types.String()
        plural = types.String()
        type_spec = types.JsonObject()

    entityType = EntityType("spec")
