"""Schedulers by which people ask for builds; they live in memory, as configured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.base.aio import maybe
from buildmaster.data import base, exceptions, types
from buildmaster.db import query, views
from buildmaster.db.view import Row


def _live(master: Any) -> Iterable[Any]:
    """The running schedulers that can be forced."""
    return [s for s in master.allSchedulers() if hasattr(s, "all_fields") and callable(getattr(s, "force", None))]


def _resource(scheduler: Any) -> Row:
    return Row(
        name=str(scheduler.name),
        button_name=str(scheduler.buttonName),
        label=str(scheduler.label),
        builder_names=[str(name) for name in scheduler.builderNames],
        enabled=bool(scheduler.enabled),
        all_fields=[field.getSpec() for field in scheduler.all_fields],
    )


class ForceSchedulerEndpoint(base.Endpoint):
    """One of them."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/forceschedulers/i:schedulername"]
    actions = {"force": {"owner": "string", "builderid": "integer", "priority": "integer"}}

    def _find(self, name: str) -> Any:
        return next((scheduler for scheduler in _live(self.master) if scheduler.name == name), None)

    def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        scheduler = self._find(kwargs["schedulername"])
        return None if scheduler is None else _resource(scheduler)

    async def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """``force`` asks for builds; its arguments are the scheduler's fields.

        Returns (buildset id, request id by builder id).  What the scheduler raises for wrong fields is passed on.
        """
        if action != "force":
            return super().control(action, args, kwargs)
        scheduler = self._find(kwargs["schedulername"])
        if scheduler is None:
            raise exceptions.InvalidPathError(f"there is no force scheduler {kwargs['schedulername']!r}")
        arguments = {"owner": None, **args}
        return await maybe(scheduler.force, **arguments)


class ForceSchedulersEndpoint(base.ViewEndpoint):
    """All of them, or those for a builder (by id or name)."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/forceschedulers", "/builders/:builderid/forceschedulers"]
    rootLinkName = "forceschedulers"
    view = views.BUILDERS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        found = [_resource(scheduler) for scheduler in _live(self.master)]
        if kwargs:
            name = await self._builder_name(kwargs["builderid"])
            found = [scheduler for scheduler in found if name in scheduler["builder_names"]]
        return base.ListResult(found)

    async def _builder_name(self, given: str) -> str | None:
        where = {"builderid": int(given)} if given.isdigit() else {"buildername": given}
        builder = await self.reading(query.fetch_one, self.view, where)
        return None if builder is None else builder["name"]


class ForceScheduler(base.ResourceType):
    """A scheduler with a form: ``all_fields`` describes the form's fields."""

    name = "forcescheduler"
    plural = "forceschedulers"
    endpoints = [ForceSchedulerEndpoint, ForceSchedulersEndpoint]

    class EntityType(types.Entity):
        name = types.Identifier(50)
        button_name = types.String()
        label = types.String()
        builder_names = types.List(of=types.Identifier(50))
        enabled = types.Boolean()
        all_fields = types.List(of=types.JsonObject())

    entityType = EntityType("forcescheduler")
