"""Commits of codebases."""

from __future__ import annotations

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import codebases, views


class CommitEndpoint(base.ViewEndpoint):
    """One commit."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/commits/n:commitid", "/codebases/n:codebaseid/commits_by_revision/s:revision"]
    view = views.COMMITS


class CommitsEndpoint(base.ViewEndpoint):
    """The commits of a codebase."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/codebases/n:codebaseid/commits"]
    view = views.COMMITS


class Commit(base.ResourceType):
    """A commit, known by its revision."""

    name = "commit"
    plural = "commits"
    endpoints = [CommitEndpoint, CommitsEndpoint]
    eventPathPatterns = ["/commits/:commitid", "/codebases/:codebaseid/commits/:commitid"]
    events = ("new",)
    view = views.COMMITS

    class EntityType(types.Entity):
        commitid = types.Integer()
        codebaseid = types.Integer()
        author = types.String()
        committer = types.NoneOk(types.String())
        comments = types.String()
        when_timestamp = types.Integer()
        revision = types.String()
        parent_commitid = types.NoneOk(types.Integer())

    entityType = EntityType("commit")

    @base.updateMethod
    @deferred
    async def add_commit(
        self,
        *,
        codebaseid: int,
        author: str,
        committer: str | None = None,
        files: list[str] | None = None,
        comments: str,
        when_timestamp: int,
        revision: str,
        parent_commitid: int | None = None,
    ) -> None:
        """Store a commit; the same revision twice is one."""
        new = codebases.NewCommit(
            codebaseid=codebaseid,
            author=author,
            comments=comments,
            when_timestamp=int(when_timestamp),
            revision=revision,
            committer=committer,
            files=files,
            parent_commitid=parent_commitid,
        )
        await self.master.db.write(codebases.add_commit, new)
