"""Changes: what a source reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.data.incoming import ChangeIntake, InvalidChange
from buildmaster.data.resources.sourcestamps import SourceStamp
from buildmaster.db import blame, views


class ChangeEndpoint(base.ViewEndpoint):
    """One change."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/changes/n:changeid"]
    view = views.CHANGES


class ChangesEndpoint(base.ViewEndpoint):
    """Changes, newest first unless ordered otherwise: all, those a build includes, or those of a source stamp."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = [
        "/changes",
        "/builders/n:builderid/builds/n:build_number/changes",
        "/builds/n:buildid/changes",
        "/sourcestamps/n:ssid/changes",
    ]
    rootLinkName = "changes"
    view = views.CHANGES

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        if "buildid" in kwargs or "build_number" in kwargs:
            return await self.page(resultSpec, blame.changes_of_build, kwargs, resultSpec)
        return await self.read(kwargs, resultSpec)


class Change(base.ResourceType):
    """A commit, or whatever its source calls a change."""

    name = "change"
    plural = "changes"
    endpoints = [ChangeEndpoint, ChangesEndpoint]
    eventPathPatterns = ["/changes/:changeid"]
    events = ("new",)
    view = views.CHANGES
    subresources = ["Build", "Property"]

    class EntityType(types.Entity):
        changeid = types.Integer()
        parent_changeids = types.List(of=types.Integer())
        author = types.String()
        committer = types.String()
        files = types.List(of=types.String())
        comments = types.String()
        revision = types.NoneOk(types.String())
        when_timestamp = types.Integer()
        branch = types.NoneOk(types.String())
        category = types.NoneOk(types.String())
        revlink = types.NoneOk(types.String())
        properties = types.SourcedProperties()
        repository = types.String()
        project = types.String()
        codebase = types.String()
        sourcestamp = SourceStamp.entityType

    entityType = EntityType("change")

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.intake = ChangeIntake(master)

    @base.updateMethod
    @deferred
    async def addChange(
        self,
        files: list[str] | None = None,
        comments: str | None = None,
        author: str | None = None,
        committer: str | None = None,
        revision: str | None = None,
        when_timestamp: int | None = None,
        branch: str | None = None,
        category: str | Callable[..., Any] | None = None,
        revlink: str | None = "",
        properties: dict[str, Any] | None = None,
        repository: str = "",
        codebase: str | None = None,
        project: str = "",
        src: str | None = None,
        _test_changeid: int | None = None,
    ) -> int:
        """Store a change; returns its id when it is certain to be seen by every scheduler.

        ``when_timestamp`` is in epoch seconds, by default now.  ``category`` may be a function of the change as a
        dictionary.  Where they are not given, ``codebase`` and ``revlink`` come from the configuration's
        ``codebaseGenerator`` and ``revlink``.  ``properties`` are values by name (or pairs of value and source).
        ``src`` is the kind of version control that the author's name comes from.  Raises ``InvalidChange``, which
        names the field, for values that can't be stored.  ``_test_changeid`` must stay None: ids are given by the
        database's writer.
        """
        if _test_changeid is not None:
            raise InvalidChange("addChange: _test_changeid is given, but a change's id can't be chosen")
        given = {
            "files": files,
            "comments": comments,
            "author": author,
            "committer": committer,
            "revision": revision,
            "when_timestamp": when_timestamp,
            "branch": branch,
            "revlink": revlink,
            "properties": properties,
            "repository": repository,
            "project": project,
        }
        return await self.intake.add(given, category, codebase, src)

    @base.updateMethod
    @deferred
    async def addChanges(
        self,
        changes: list[dict[str, Any]],
        src: str | None = None,
        idempotency_keys: list[str] | None = None,
    ) -> list[int]:
        """Store several changes, dictionaries of ``addChange``'s arguments, in one write: all or none.

        Returns their ids.  A change with the idempotency key (255 characters at most) of one that is stored is not
        stored again; its id is that one's.  Raises ``InvalidChange``, which names the field, for values that can't be
        stored, and TypeError for an unknown argument.
        """
        return await self.intake.add_all(changes, src, idempotency_keys)
