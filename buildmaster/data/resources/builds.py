"""Builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from buildmaster.base.aio import deferred
from buildmaster.base.results import RETRY
from buildmaster.data import base, exceptions, types
from buildmaster.db import blame, builds, query, views
from buildmaster.db.txn import Txn


class BuildEndpoint(base.ViewEndpoint):
    """One build, by its id or by its builder and number."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [
        "/builds/n:buildid",
        "/builders/n:builderid/builds/n:build_number",
        "/builders/s:buildername/builds/n:build_number",
    ]
    view = views.BUILDS
    actions = {"stop": {"reason": "string", "results": "integer"}, "rebuild": {}}

    async def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """``stop`` ends a running build; ``rebuild`` asks for the same again and returns what it added."""
        if action not in self.actions:
            return super().control(action, args, kwargs)
        build = await self.reading(query.fetch_one, self.view, kwargs)
        if build is None:
            raise exceptions.InvalidPathError("there is no such build")
        if action == "rebuild":
            return await self._rebuild(build)
        return await self._stop(build["buildid"], args)

    async def _stop(self, buildid: int, args: dict[str, Any]) -> None:
        """Ask whoever runs it, and store the wish: a build that a crash ends first is not built again either."""
        body = {"reason": self.argument(args, "reason", str, "no reason"), "owner": args.get("owner")}
        results = self.argument(args, "results", int, None)
        if results is not None:
            body["results"] = results
        if results != RETRY:
            actor = f"user:{body['owner']}" if body["owner"] else "user"
            await self.master.db.write(builds.want_stopped, buildid, body["reason"], actor)
        await self.master.mq.produce(("control", "builds", str(buildid), "stop"), body)

    async def _rebuild(self, build: Any) -> tuple[int, dict[int, int]]:
        request = await self.reading(query.fetch_one, views.BUILDREQUESTS, {"buildrequestid": build["buildrequestid"]})
        buildsets = self.master.data.rtypes.buildset
        return await buildsets.repeat(request["buildsetid"], [build["builderid"]], build["buildid"])


class BuildsEndpoint(base.ViewEndpoint):
    """Builds: all, or those of a builder, request, change or worker."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = [
        "/builds",
        "/builders/n:builderid/builds",
        "/builders/s:buildername/builds",
        "/buildrequests/n:buildrequestid/builds",
        "/changes/n:changeid/builds",
        "/workers/n:workerid/builds",
    ]
    rootLinkName = "builds"
    view = views.BUILDS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        if "changeid" in kwargs:
            return await self.page(resultSpec, blame.builds_of_change, kwargs["changeid"], resultSpec)
        return await self.read(kwargs, resultSpec)


class BuildTriggeredBuildsEndpoint(base.ViewEndpoint):
    """The builds that a build has caused."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/builds/n:buildid/triggered_builds"]
    view = views.BUILDS
    scopes = {"buildid": "parent_buildid"}


class Build(base.ResourceType):
    """One run of a builder's steps."""

    name = "build"
    plural = "builds"
    endpoints = [BuildEndpoint, BuildsEndpoint, BuildTriggeredBuildsEndpoint]
    eventPathPatterns = [
        "/builders/:builderid/builds/:number",
        "/builds/:buildid",
        "/workers/:workerid/builds/:buildid",
    ]
    events = ("new", "update", "finished")
    view = views.BUILDS
    subresources = ["Step", "Property", "Change", "TestResultSet"]

    class EntityType(types.Entity):
        buildid = types.Integer()
        number = types.Integer()
        builderid = types.Integer()
        buildrequestid = types.Integer()
        workerid = types.Integer()
        masterid = types.Integer()
        started_at = types.DateTime()
        complete = types.Boolean()
        complete_at = types.NoneOk(types.DateTime())
        locks_duration_s = types.Integer()
        results = types.NoneOk(types.Integer())
        state_string = types.String()
        properties = types.NoneOk(types.SourcedProperties())

    entityType = EntityType("build")

    def needs_row(self, fields: Mapping[str, Any], event: str) -> bool:
        """A new build is always read: meanwhile it queues its properties, so that whoever is told of it finds them."""
        return event == "new" or super().needs_row(fields, event)

    @base.updateMethod
    @deferred
    async def addBuild(self, builderid: int, buildrequestid: int, workerid: int) -> tuple[int, int]:
        """Store a new build of this master and tell; returns (build id, number)."""
        ids = (builderid, buildrequestid, workerid, self.master.masterid)
        row = await self.master.db.write(builds.add, *ids, epoch=self.master.db.epoch)
        return row.buildid, row.number

    @base.updateMethod
    @deferred
    async def generateNewBuildEvent(self, buildid: int) -> None:
        """See to it that the ``new`` event of a build is told.

        It was noted with the build's row, so all there is to do is to wait until that is stored; raises KeyError if
        there is no such build.
        """
        if await self.master.db.read(builds.get, buildid) is None:
            raise KeyError(f"there is no build {buildid}")

    @base.updateMethod
    @deferred
    async def setBuildStateString(self, buildid: int, state_string: str) -> None:
        """What a build is doing, in a few words."""
        await self.write_about("build", buildid, _set_state_string, buildid, str(state_string))

    @base.updateMethod
    @deferred
    async def add_build_locks_duration(self, buildid: int, duration_s: int) -> None:
        """A build, or one of its steps, has waited this many seconds for locks."""
        await self.master.db.write(builds.add_locks_duration, buildid, int(duration_s))

    @base.updateMethod
    @deferred
    async def finishBuild(self, buildid: int, results: int) -> None:
        """A build has ended; its requests are left alone."""
        await self.master.db.write(builds.finish_by_id, buildid, results)


def _set_state_string(txn: Txn, buildid: int, state_string: str) -> None:
    txn.flush()
    row = builds.get(txn.conn, buildid)
    if row is not None and row.state_string != state_string:
        builds.set_state_string(txn, attrs.evolve(row, state_string=state_string))
