"""Codebases of projects."""

from __future__ import annotations

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import codebases, views


class CodebaseEndpoint(base.ViewEndpoint):
    """One codebase."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/codebases/n:codebaseid", "/projects/n:projectid/codebases/i:codebasename"]
    view = views.CODEBASES


class CodebasesEndpoint(base.ViewEndpoint):
    """All codebases."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/codebases"]
    rootLinkName = "codebases"
    view = views.CODEBASES


class Codebase(base.ResourceType):
    """A line of source code of a project."""

    name = "codebase"
    plural = "codebases"
    endpoints = [CodebaseEndpoint, CodebasesEndpoint]
    eventPathPatterns = ["/codebases/:codebaseid"]
    events = ("new", "update")
    view = views.CODEBASES

    class EntityType(types.Entity):
        codebaseid = types.Integer()
        projectid = types.Integer()
        name = types.Identifier(70)
        slug = types.Identifier(70)

    entityType = EntityType("codebase")

    @base.updateMethod
    @deferred
    async def find_codebase_id(self, *, projectid: int, name: str, auto_create: bool = True) -> int | None:
        """The id of a project's codebase; with ``auto_create`` given at its first mention, else None."""
        return await self.master.db.write(codebases.find_id, projectid, name, auto_create)

    @base.updateMethod
    @deferred
    async def update_codebase_info(self, *, codebaseid: int, projectid: int, slug: str) -> None:
        """What the configuration says of a codebase."""
        await self.master.db.write(codebases.update_info, codebaseid, projectid, slug)
