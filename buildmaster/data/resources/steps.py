"""Steps of builds."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.strings import force_identifier
from buildmaster.base.times import datetime2epoch
from buildmaster.data import base, types
from buildmaster.db import steps, views

_OF_BUILD = [
    "/builds/n:buildid/steps",
    "/builders/n:builderid/builds/n:build_number/steps",
    "/builders/s:buildername/builds/n:build_number/steps",
]


class StepEndpoint(base.ViewEndpoint):
    """One step, by its id or by its build and number or name."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [
        "/steps/n:stepid",
        *(pattern + "/i:step_name" for pattern in _OF_BUILD),
        *(pattern + "/n:step_number" for pattern in _OF_BUILD),
    ]
    view = views.STEPS


class StepsEndpoint(base.ViewEndpoint):
    """The steps of a build."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = _OF_BUILD
    view = views.STEPS


class UrlEntityType(types.Entity):
    """A link to show with a step."""

    name = types.String()
    url = types.String()


class Step(base.ResourceType):
    """One step of a build."""

    name = "step"
    plural = "steps"
    endpoints = [StepEndpoint, StepsEndpoint]
    eventPathPatterns = ["/builds/:buildid/steps/:stepid", "/steps/:stepid"]
    events = ("new", "started", "updated", "finished")
    view = views.STEPS
    subresources = ["Log"]

    class EntityType(types.Entity):
        stepid = types.Integer()
        number = types.Integer()
        name = types.Identifier(50)
        buildid = types.Integer()
        started_at = types.NoneOk(types.DateTime())
        locks_acquired_at = types.NoneOk(types.DateTime())
        complete = types.Boolean()
        complete_at = types.NoneOk(types.DateTime())
        results = types.NoneOk(types.Integer())
        state_string = types.String()
        urls = types.List(of=UrlEntityType("Url"))
        hidden = types.Boolean()

    entityType = EntityType("step")

    @base.updateMethod
    @deferred
    async def addStep(self, buildid: int, name: str) -> tuple[int, int, str]:
        """Store a new step, under the next free name; returns (step id, number, name)."""
        botmaster = getattr(self.master, "botmaster", None)
        build = botmaster.running_build(buildid) if botmaster is not None else None
        if build is not None:
            row = build.new_step_row(force_identifier(name))  # a build that runs counts its steps itself
            await self.master.db.write(steps.add, row)
        else:
            row = await self.master.db.write(steps.add_next, buildid, force_identifier(name))
        return row.stepid, row.number, row.name

    @base.updateMethod
    @deferred
    async def startStep(self, stepid: int, started_at: Any = None, locks_acquired: bool = False) -> None:
        """A step begins; with ``locks_acquired`` it need not wait for locks."""
        begun = self._when(started_at)
        values = {"started_at": begun, **({"locks_acquired_at": begun} if locks_acquired else {})}
        await self.master.db.write(steps.change, stepid, "started", **values)

    @base.updateMethod
    @deferred
    async def set_step_locks_acquired_at(self, stepid: int, locks_acquired_at: Any = None) -> None:
        """A step has got its locks, now or at this time."""
        when = self._when(locks_acquired_at)
        await self.master.db.write(steps.change, stepid, "updated", locks_acquired_at=when)

    @base.updateMethod
    @deferred
    async def setStepStateString(self, stepid: int, state_string: str) -> None:
        """What a step is doing, in a few words."""
        await self.write_about("step", stepid, steps.set_state_string, stepid, str(state_string))

    @base.updateMethod
    @deferred
    async def addStepURL(self, stepid: int, name: str, url: str) -> None:
        """A link to show with a step; the same twice is one."""
        await self.write_about("step", stepid, steps.add_url, stepid, name, url)

    @base.updateMethod
    @deferred
    async def finishStep(self, stepid: int, results: int, hidden: bool) -> None:
        """A step has ended."""
        ended = {"complete": True, "complete_at": self.master.db.now(), "results": results, "hidden": bool(hidden)}
        await self.master.db.write(steps.change, stepid, "finished", **ended)

    def _when(self, given: Any) -> float:
        if given is None:
            return self.master.db.now()
        return datetime2epoch(given) if hasattr(given, "timestamp") else given
