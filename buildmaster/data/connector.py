"""``master.data``: the root of the data API.

Finds the endpoint of a path, hands it the specification of the answer, gathers the update methods of all resource
types, and tells the message queue under which keys and with which bodies the journal's facts are announced.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application import service
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.records import Fact
from buildmaster.data import exceptions, resultspec, types
from buildmaster.data.base import Endpoint, ListResult, ResourceType
from buildmaster.data.paths import Matcher, split
from buildmaster.data.resources import RESOURCES
from buildmaster.db import query

log = Logger()


class Updates:
    """The update methods of all resource types."""


class RTypes:
    """The resource types by name."""


class DataConnector(service.Service):
    """Reads, controls and updates of everything the master knows.

    ``master`` may be given at once or by :meth:`setServiceParent`.
    """

    name: Any = "data"
    submodules = [module.__name__ for module in {inspect.getmodule(rtype): None for rtype in RESOURCES} if module]

    def __init__(self, master: Any = None) -> None:
        self.matcher = Matcher()
        self.rootLinks: list[dict[str, str]] = []
        self.updates = Updates()
        self.rtypes = RTypes()
        self._by_kind: dict[str, ResourceType] = {}
        self.master = master
        if master is not None:
            self._set_up()

    def setServiceParent(self, parent: Any) -> Any:
        """Belong to a master; fires when the API can be used."""
        result = defer.maybeDeferred(super().setServiceParent, parent)
        if self.master is None:
            self.master = getattr(parent, "master", None) or parent
            self._set_up()
        return result

    def _set_up(self) -> None:
        for resource in RESOURCES:
            rtype = resource(self.master)
            setattr(self.rtypes, rtype.name, rtype)
            self._by_kind[rtype.name] = rtype
            for endpoint in rtype.getEndpoints():
                for pattern in endpoint.pathPatterns:
                    self.matcher.add(pattern, endpoint)
                if endpoint.rootLinkName:
                    self.rootLinks.append({"name": endpoint.rootLinkName})
            for name, method in inspect.getmembers(rtype, callable):
                if getattr(method, "isUpdateMethod", False):
                    setattr(self.updates, name, method)

    # -- reading -------------------------------------------------------------------------------------------------------

    def getEndpoint(self, path: str | Sequence[str | int]) -> tuple[Endpoint, dict[str, Any]]:
        """The endpoint that answers for a path, and the variable parts of the path.

        Raises :class:`.exceptions.InvalidPathError`.
        """
        return self.matcher.find(path)

    def getResourceType(self, name: str) -> ResourceType:
        """The resource type of this name; raises AttributeError."""
        return getattr(self.rtypes, name)

    def get(
        self,
        path: str | Sequence[str | int],
        filters: Sequence[resultspec.Filter] | None = None,
        fields: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> defer.Deferred[Any]:
        """Read a path: a tuple such as ``("builds", 5, "steps")`` or a text such as ``"builds/5/steps"``.

        Fires with a resource (a dictionary whose items also read as attributes), with None if there is none such, or
        with a :class:`.base.ListResult`.  ``filters``, ``fields``, ``order``, ``limit`` and ``offset`` are those of a
        :class:`.resultspec.ResultSpec`.  Fails with :class:`.exceptions.InvalidPathError` for an unknown path and
        :class:`.exceptions.InvalidQueryParameter` for a field, filter or order that can't be used.
        """
        spec = resultspec.ResultSpec(filters=filters, fields=fields, order=order, limit=limit, offset=offset)
        return defer.Deferred.fromCoroutine(self._get(path, spec))

    def get_with_resultspec(
        self, path: str | Sequence[str | int], resultSpec: resultspec.ResultSpec
    ) -> defer.Deferred[Any]:
        """The same with a specification made already, which is left as it is."""
        return defer.Deferred.fromCoroutine(self._get(path, resultSpec.copy()))

    async def _get(self, path: str | Sequence[str | int], spec: resultspec.ResultSpec) -> Any:
        endpoint, kwargs = self.getEndpoint(path)
        result = await maybe(endpoint.get, spec, kwargs)
        try:
            return spec.apply(result)
        except KeyError as e:
            known = ", ".join(endpoint.rtype.entityType.fields)
            raise exceptions.InvalidQueryParameter(
                f"{endpoint.rtype.plural} have no field {e}; their fields are {known}"
            ) from None

    # -- acting --------------------------------------------------------------------------------------------------------

    @deferred
    async def control(self, action: str, args: dict[str, Any], path: str | Sequence[str | int]) -> Any:
        """Do an action at a path; the answer depends on the action.

        Fails with :class:`.exceptions.InvalidPathError`, :class:`.exceptions.InvalidControlException` for an unknown
        action, and :class:`.exceptions.InvalidActionException` for wrong arguments.
        """
        endpoint, kwargs = self.getEndpoint(path)
        return await maybe(endpoint.control, action, args, kwargs)

    @deferred
    async def produceEvent(self, rtype: str, msg: Mapping[str, Any], event: str) -> None:
        """Announce an event of a resource type, for what is no fact of the journal."""
        self.getResourceType(rtype).produceEvent(msg, event)

    # -- what it consists of -------------------------------------------------------------------------------------------

    def allEndpoints(self) -> list[dict[str, Any]]:
        """A description of each path: ``path``, ``type``, ``plural`` and ``type_spec``."""
        return [
            {
                "path": "/".join(map(str, split(pattern))),
                "type": str(endpoint.rtype.entityType.name),
                "plural": str(endpoint.rtype.plural),
                "type_spec": endpoint.rtype.entityType.getSpec(),
            }
            for pattern, endpoint in sorted(self.matcher.items(), key=lambda item: item[0])
        ]

    def resultspec_from_jsonapi(
        self, req_args: Mapping[Any, Sequence[Any]], entityType: types.Entity, is_collection: bool
    ) -> resultspec.ResultSpec:
        """The specification that the arguments of a REST request mean.

        Raises :class:`.exceptions.InvalidQueryParameter` for an argument that is unknown or can't be read.
        """
        from buildmaster.data.jsonapi import to_resultspec

        return to_resultspec(req_args, entityType, is_collection)

    # -- how facts are announced ---------------------------------------------------------------------------------------

    def routing_keys(self, fact: Fact) -> list[tuple[str, ...]]:
        """Every routing key under which a fact is announced."""
        rtype = self._by_kind.get(fact.kind)
        return [] if rtype is None else rtype.routing_keys(fact.fields, fact.event)

    @deferred
    async def bodies(self, facts: Sequence[Fact]) -> list[Any]:
        """The message of each fact: the resource as it was when the fact came about.

        What a fact does not carry is read now, with one query per kind of resource for all of them.
        """
        rows: dict[str, dict[Any, Any]] = {}
        for kind in dict.fromkeys(fact.kind for fact in facts):
            rtype = self._by_kind.get(kind)
            if rtype is None or rtype.view is None:
                continue
            ids = {
                fact.fields[rtype.view.key]
                for fact in facts
                if fact.kind == kind and fact.fields.get(rtype.view.key) and rtype.needs_row(fact.fields, fact.event)
            }
            rows[kind] = await self.master.db.read(query.fetch_by_ids, rtype.view, ids) if ids else {}
        return [self._body(fact, rows.get(fact.kind, {})) for fact in facts]

    def _body(self, fact: Fact, rows: Mapping[Any, Any]) -> Any:
        rtype = self._by_kind.get(fact.kind)
        if rtype is None:
            return dict(fact.fields)
        key = rtype.view.key if rtype.view is not None else ""
        try:
            return rtype.body(fact.fields, fact.event, rows.get(fact.fields.get(key)))
        except Exception:  # policy: tell the bare fact, so that it does not take others' events with it
            log.failure("the body of {kind} {event} could not be made", kind=fact.kind, event=fact.event)
            return dict(fact.fields)

    @deferred
    async def render(self, fact: Fact) -> list[tuple[tuple[str, ...], Any]]:
        """A fact as (routing key, body) pairs."""
        keys = self.routing_keys(fact)
        if not keys:
            return []
        body = (await self.bodies([fact]))[0]
        return [(key, body) for key in keys]


__all__ = ["DataConnector", "ListResult", "RTypes", "Updates"]
