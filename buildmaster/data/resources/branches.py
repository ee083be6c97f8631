"""Branches of codebases."""

from __future__ import annotations

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import codebases, views


class BranchEndpoint(base.ViewEndpoint):
    """One branch."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/branches/n:branchid"]
    view = views.BRANCHES


class BranchesEndpoint(base.ViewEndpoint):
    """The branches of a codebase."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/codebases/n:codebaseid/branches"]
    view = views.BRANCHES


class Branch(base.ResourceType):
    """A branch, and the commit at which it was last seen."""

    name = "branch"
    plural = "branches"
    endpoints = [BranchEndpoint, BranchesEndpoint]
    eventPathPatterns = ["/branches/:branchid"]
    events = ("new", "update")
    view = views.BRANCHES

    class EntityType(types.Entity):
        branchid = types.Integer()
        codebaseid = types.Integer()
        name = types.String()
        commitid = types.Integer()
        last_timestamp = types.Integer()

    entityType = EntityType("branch")

    @base.updateMethod
    @deferred
    async def update_branch(
        self, *, codebaseid: int, name: str, commitid: int | None = None, last_timestamp: int
    ) -> None:
        """A branch stands at this commit; ``last_timestamp`` (epoch seconds) is when that was seen."""
        await self.master.db.write(codebases.update_branch, codebaseid, name, commitid, last_timestamp)
