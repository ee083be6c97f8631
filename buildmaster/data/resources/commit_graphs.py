"""How two commits of a codebase are related."""

from __future__ import annotations

from typing import Any

from buildmaster.data import base, types
from buildmaster.db import codebases
from buildmaster.db.view import Row


class CommitGraphEndpoint(base.Endpoint):
    """The common ancestor of two commits, and the ways from it to each."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [
        "/codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2/commits_common_parent",
    ]

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        ids = (kwargs["codebaseid"], kwargs["commitid1"], kwargs["commitid2"])
        fork = await self.master.db.read(codebases.fork_of, *ids)
        return None if fork is None else Row(common=fork.common, to1=list(fork.to1), to2=list(fork.to2))


class CommitGraph(base.ResourceType):
    """The newest common ancestor and, from there, oldest first, the commits to each of two commits."""

    name = "commit_graph"
    plural = "commit_graphs"
    endpoints = [CommitGraphEndpoint]

    class EntityType(types.Entity):
        common = types.Integer()
        to1 = types.List(of=types.Integer())
        to2 = types.List(of=types.Integer())

    entityType = EntityType("commit_graph")
