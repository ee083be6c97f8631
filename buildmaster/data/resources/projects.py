"""Projects."""

from __future__ import annotations

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import projects, views


class ProjectEndpoint(base.ViewEndpoint):
    """One project."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/projects/n:projectid", "/projects/i:projectname"]
    view = views.PROJECTS


class ProjectsEndpoint(base.ViewEndpoint):
    """All projects."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/projects"]
    rootLinkName = "projects"
    view = views.PROJECTS


class Project(base.ResourceType):
    """What builders and codebases belong to; it is active while a builder of it is configured."""

    name = "project"
    plural = "projects"
    endpoints = [ProjectEndpoint, ProjectsEndpoint]
    eventPathPatterns = ["/projects/:projectid"]
    events = ("update",)
    view = views.PROJECTS

    class EntityType(types.Entity):
        projectid = types.Integer()
        name = types.Identifier(70)
        slug = types.Identifier(70)
        active = types.NoneOk(types.Boolean())
        description = types.NoneOk(types.String())
        description_format = types.NoneOk(types.String())
        description_html = types.NoneOk(types.String())

    entityType = EntityType("project")

    @base.updateMethod
    @deferred
    async def find_project_id(self, name: str, auto_create: bool = True) -> int | None:
        """The id of the project of this name; with ``auto_create`` given at its first mention, else None."""
        return await self.master.db.write(projects.find_id, name, auto_create)

    @base.updateMethod
    @deferred
    async def update_project_info(
        self,
        projectid: int,
        slug: str,
        description: str | None,
        description_format: str | None,
        description_html: str | None,
    ) -> None:
        """What the configuration says of a project."""
        info = (slug, description, description_format, description_html)
        await self.master.db.write(projects.update_info, projectid, *info)
