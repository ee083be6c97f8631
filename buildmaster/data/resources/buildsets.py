"""Buildsets: one decision to build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.records import NewBuildset, Patch, SourceStamp
from buildmaster.base.strings import unicode2bytes
from buildmaster.data import base, exceptions, types
from buildmaster.data.resources.sourcestamps import SourceStamp as SourceStampType
from buildmaster.db import buildsets, query, views
from buildmaster.mq.decision import next_idempotency_key


class BuildsetEndpoint(base.ViewEndpoint):
    """One buildset."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/buildsets/n:bsid"]
    view = views.BUILDSETS


class BuildsetsEndpoint(base.ViewEndpoint):
    """All buildsets."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/buildsets"]
    rootLinkName = "buildsets"
    view = views.BUILDSETS


class Buildset(base.ResourceType):
    """What is to be built, why, and with which properties; one request for each builder."""

    name = "buildset"
    plural = "buildsets"
    endpoints = [BuildsetEndpoint, BuildsetsEndpoint]
    eventPathPatterns = ["/buildsets/:bsid"]
    events = ("new", "complete")
    view = views.BUILDSETS

    class EntityType(types.Entity):
        bsid = types.Integer()
        external_idstring = types.NoneOk(types.String())
        reason = types.String()
        rebuilt_buildid = types.NoneOk(types.Integer())
        submitted_at = types.Integer()
        complete = types.Boolean()
        complete_at = types.NoneOk(types.Integer())
        results = types.NoneOk(types.Integer())
        sourcestamps = types.List(of=SourceStampType.entityType)
        parent_buildid = types.NoneOk(types.Integer())
        parent_relationship = types.NoneOk(types.String())

    entityType = EntityType("buildset")

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """The buildset; when it is new also the name of its scheduler."""
        body = super().body(fields, event, row)
        if body.get("results") is None:
            body["results"] = -1
        if event == "new":
            body["scheduler"] = fields.get("scheduler")
        return body

    @base.updateMethod
    @deferred
    async def addBuildset(
        self,
        waited_for: bool,
        scheduler: str | None = None,
        sourcestamps: Sequence[Mapping[str, Any] | int | str] | None = None,
        reason: str = "",
        properties: Mapping[str, tuple[Any, str]] | None = None,
        builderids: Sequence[int] | None = None,
        external_idstring: str | None = None,
        rebuilt_buildid: int | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
        priority: int = 0,
    ) -> tuple[int, dict[int, int]]:
        """Ask for builds of these builders; returns (buildset id, request id by builder id).

        Each of ``sourcestamps`` is the id of a stored one, or a dictionary with ``codebase``, ``repository``,
        ``project``, ``branch``, ``revision`` and perhaps ``patch_body``, ``patch_level``, ``patch_author``,
        ``patch_comment``, ``patch_subdir``.  ``properties`` are pairs of value and source by name.

        A callback of ``master.mq.startConsuming`` with a ``persistent_name`` adds the same buildset once, though the
        message is told again after a crash.
        """
        builderids = list(builderids or ())
        new = NewBuildset(
            builderids=builderids,
            sourcestamps=[stamp_of(stamp) for stamp in sourcestamps or ()],
            scheduler=scheduler,
            reason=reason,
            properties=dict(properties or {}),
            waited_for=bool(waited_for),
            external_idstring=external_idstring,
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
            rebuilt_buildid=rebuilt_buildid,
            priority=priority,
            collapse=self._collapse_modes(builderids),
            idempotency_key=next_idempotency_key(),
        )
        return await self.master.db.write(buildsets.add, new)

    def _collapse_modes(self, builderids: Iterable[int]) -> Mapping[int, str]:
        botmaster = getattr(self.master, "botmaster", None)
        return botmaster.collapse_modes(builderids) if botmaster is not None else {}

    async def repeat(
        self, bsid: int, builderids: Sequence[int], rebuilt_buildid: int | None = None
    ) -> tuple[int, dict[int, int]]:
        """Add a buildset that asks for the same as a stored one, of these builders."""
        old = await self.master.db.read(query.fetch_one, views.BUILDSETS, {"bsid": bsid})
        if old is None:
            raise exceptions.InvalidPathError(f"there is no buildset {bsid}")
        return await self.addBuildset(
            waited_for=False,
            scheduler="rebuild",
            sourcestamps=[stamp["ssid"] for stamp in old["sourcestamps"]],
            reason="rebuild",
            properties=await self.master.db.read(buildsets.properties, bsid),
            builderids=builderids,
            external_idstring=old["external_idstring"],
            rebuilt_buildid=rebuilt_buildid,
            parent_buildid=old["parent_buildid"],
            parent_relationship=old["parent_relationship"],
        )

    @base.updateMethod
    @deferred
    async def maybeBuildsetComplete(self, bsid: int) -> None:
        """End a buildset whose requests are all complete."""
        await self.master.db.write(buildsets.complete_if_done, bsid)


_PLAIN = ("codebase", "repository", "project", "branch", "revision")
_PATCH = ("patch_body", "patch_level", "patch_author", "patch_comment", "patch_subdir")


def stamp_of(given: Mapping[str, Any] | int | str) -> SourceStamp | int:
    """A source stamp as ``addBuildset`` takes it; raises TypeError for an unknown key."""
    if isinstance(given, (int, str)):
        return int(given)
    unknown = sorted(set(given) - set(_PLAIN) - set(_PATCH))
    if unknown:
        raise TypeError(f"addBuildset: a source stamp has unknown keys: {', '.join(unknown)}")
    values = {name: given[name] for name in _PLAIN if given.get(name) is not None}
    if given.get("patch_body") is None:
        return SourceStamp(**values)
    level = given.get("patch_level")
    patch = Patch(
        body=unicode2bytes(given["patch_body"]),
        level=0 if level is None else level,
        subdir=given.get("patch_subdir") or "",
        author=given.get("patch_author") or "",
        comment=given.get("patch_comment") or "",
    )
    return SourceStamp(**values, patch=patch)
