"""Resource types, endpoints and what they answer with.

A :class:`ResourceType` lists the fields of a resource, the paths it is read by, the events told about it and the
methods that change it.  Nearly all endpoints are a :class:`ViewEndpoint`: a view of the database narrowed by the parts
of the path.
"""

from __future__ import annotations

import enum
from collections import UserList
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred
from buildmaster.base.times import epoch2datetime
from buildmaster.data import exceptions, types
from buildmaster.db import hiding, query
from buildmaster.db.fields import BadSpec
from buildmaster.db.view import Row, View


class EndpointKind(enum.Enum):
    """What an endpoint answers with."""

    SINGLE = 1  # a resource, or None
    COLLECTION = 2  # a list of resources
    RAW = 3  # {"raw", "mime-type", "filename"}, to be saved
    RAW_INLINE = 4  # the same, to be shown


class ListResult(UserList):
    """A list of resources; ``total`` counts those on other pages too (None: unknown)."""

    __slots__ = ("limit", "offset", "total")

    def __init__(
        self, values: Iterable[Any], offset: int | None = None, total: int | None = None, limit: int | None = None
    ) -> None:
        self.data = values if isinstance(values, list) else list(values)
        self.offset = offset
        self.total = total
        self.limit = limit

    def __repr__(self) -> str:
        return f"ListResult({self.data!r}, offset={self.offset}, total={self.total}, limit={self.limit})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListResult):
            ours, theirs = (self.offset, self.total, self.limit), (other.offset, other.total, other.limit)
            return self.data == other.data and ours == theirs
        return self.offset is None and self.limit is None and self.data == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None


def updateMethod(func: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of a resource type as one that shall stand in ``master.data.updates``."""
    func.isUpdateMethod = True  # type: ignore[attr-defined]
    return func


class Endpoint:
    """Answers for one or several path patterns.

    In a pattern, ``n:name`` stands for a number, ``i:name`` and ``s:name`` for any text; they become ``kwargs``.
    """

    pathPatterns: ClassVar[Sequence[str]] = []
    rootLinkName: ClassVar[str | None] = None
    isPseudoCollection: ClassVar[bool] = False
    kind: ClassVar[EndpointKind] = EndpointKind.SINGLE
    parentMapping: ClassVar[Mapping[str, str]] = {}
    actions: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """The actions that :meth:`control` knows, each with the names and types of its arguments."""

    def __init__(self, rtype: ResourceType, master: Any) -> None:
        self.rtype = rtype
        self.master = master

    def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """The resource or list of them, or a Deferred or coroutine of it; None if there is no such resource.

        ``kwargs`` are the variable parts of the path.  What the endpoint does of the specification itself it takes out
        of it; the rest is applied to its answer.
        """
        raise exceptions.InvalidPathError(f"{self._where()} can't be read")

    def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """Do an action.  Raises :class:`.exceptions.InvalidControlException` for an unknown one."""
        known = f"it knows {', '.join(self.actions)}" if self.actions else "it has none"
        raise exceptions.InvalidControlException(f"{self._where()} has no action {action!r}; {known}")

    def stream(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        """Raw content piece by piece; see the endpoints that have it."""
        raise exceptions.InvalidPathError(f"{self._where()} has nothing to stream")

    def _where(self) -> str:
        return ", ".join(self.pathPatterns) or type(self).__name__

    @staticmethod
    def argument(args: Mapping[str, Any], name: str, kind: type, default: Any = ...) -> Any:
        """An action's argument, checked; raises :class:`.exceptions.InvalidActionException`."""
        value = args.get(name)
        if value is None:
            if default is ...:
                raise exceptions.InvalidActionException(f"the argument {name!r} is missing")
            return default
        if kind is int and isinstance(value, str) and value.removeprefix("-").isdigit():
            return int(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise exceptions.InvalidActionException(f"the argument {name!r} is {value!r}, not of type {kind.__name__}")
        return value

    def __repr__(self) -> str:
        return f"<endpoint for {self._where()}>"


class ViewEndpoint(Endpoint):
    """An endpoint read from a view of the database; the parts of the path narrow it."""

    view: ClassVar[View]
    scopes: ClassVar[Mapping[str, str]] = {}
    """Where a part of the path does not have the name of the view's scope: the scope for it."""

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        where = {self.scopes.get(name, name): value for name, value in kwargs.items()} if self.scopes else kwargs
        return await self.read(where, resultSpec)

    async def read(self, where: Mapping[str, Any], resultSpec: Any) -> Any:
        """The answer for these scopes; nothing is left of the specification."""
        if self.kind is EndpointKind.SINGLE:
            row = await self.reading(query.fetch_one, self.view, where, resultSpec)
            resultSpec.fields = None
            return row
        return await self.page(resultSpec, query.fetch, self.view, where, resultSpec)

    async def page(self, resultSpec: Any, function: Callable[..., Any], *args: Any) -> ListResult:
        """What a reading function returns as a page; nothing is left of the specification."""
        page = await self.reading(function, *args)
        result = ListResult(page.rows, resultSpec.offset, page.total, resultSpec.limit)
        clear(resultSpec)
        return result

    async def reading(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(conn, *args)``; raises :class:`.exceptions.InvalidQueryParameter` for a bad specification."""
        try:
            return await self.master.db.read(function, *args)
        except BadSpec as e:
            raise exceptions.InvalidQueryParameter(str(e)) from None


def clear(resultSpec: Any) -> None:
    """Mark all of a specification as done."""
    resultSpec.filters = []
    resultSpec.fields = resultSpec.order = resultSpec.limit = resultSpec.offset = None


class ResourceType:
    """A kind of resource: its fields, endpoints, events and update methods."""

    name: ClassVar[str] = ""
    plural: ClassVar[str] = ""
    endpoints: ClassVar[Sequence[type[Endpoint]]] = []
    eventPathPatterns: ClassVar[Sequence[str]] = []
    entityType: ClassVar[types.Entity]
    subresources: ClassVar[Sequence[str]] = []

    events: ClassVar[Sequence[str]] = ()
    """The last words of its routing keys."""
    view: ClassVar[View | None] = None
    """What a fact's body is completed from."""
    fact_key: ClassVar[str] = ""
    """The field of a fact that is the view's key."""

    def __init__(self, master: Any) -> None:
        self.master = master
        self.compileEventPathPatterns()

    def compileEventPathPatterns(self) -> None:
        """Take the event patterns apart, once."""
        self._event_paths = [_split_pattern(pattern) for pattern in self.eventPathPatterns]

    def getEndpoints(self) -> list[Endpoint]:
        """An instance of each of the endpoint classes."""
        return [endpoint(self, self.master) for endpoint in self.endpoints]

    def getDefaultEndpoint(self) -> Endpoint | None:
        """The endpoint of a single resource."""
        return next((e for e in self.getEndpoints() if e.kind is EndpointKind.SINGLE), None)

    def getCollectionEndpoint(self) -> Endpoint | None:
        """The endpoint of a list of these resources."""
        return next((e for e in self.getEndpoints() if e.kind is EndpointKind.COLLECTION), None)

    @staticmethod
    def sanitizeMessage(msg: Mapping[str, Any]) -> dict[str, Any]:
        """A message without what must not leave the master; by default a copy."""
        return dict(msg)

    def routing_keys(self, fields: Mapping[str, Any], event: str) -> list[tuple[str, ...]]:
        """The routing keys under which an event is announced; those whose ids are not known are left out."""
        keys = []
        for parts in self._event_paths:
            words = [str(fields.get(word)) if variable else word for variable, word in parts]
            if "None" not in words:
                keys.append((*words, event))
        return keys

    def produceEvent(self, msg: Mapping[str, Any] | None, event: str) -> None:
        """Announce an event of this resource, for things that are no fact of the journal."""
        if msg is not None:
            body = self.entityType.to_json(self.sanitizeMessage(msg))
            for key in self.routing_keys(msg, event):
                self.master.mq.produce(key, body)

    def write_about(self, kind: str, id: int, function: Callable[..., Any], *args: Any) -> Any:
        """Write about a build or what belongs to it: ``function(txn, *args)``, the build's secrets taken out of them.

        ``kind`` is one of :data:`buildmaster.db.hiding.BUILDS`, ``id`` that of the build, step, log …
        """
        return self.master.db.write(hiding.write_about, self.master.db.secrets, kind, id, function, *args)

    # -- what facts tell -----------------------------------------------------------------------------------------------

    def needs_row(self, fields: Mapping[str, Any], event: str) -> bool:
        """Whether the body can't be made from the fact alone."""
        optional = self.view.on_request if self.view is not None else {}
        return self.view is not None and any(
            name not in fields and name not in optional for name in self.entityType.fields
        )

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """The resource as it was when the fact came about: the fact's fields over the stored row."""
        body: dict[str, Any] = dict(row) if row is not None else {}
        if self.view is not None:
            for name, empty in self.view.on_request.items():
                body.setdefault(name, empty())
        for name, value in fields.items():
            declared = self.entityType.fields.get(name)
            if declared is not None:
                body[name] = from_fact(declared, value)
        return Row(body)


def from_fact(declared: types.Type, value: Any) -> Any:
    """A fact's value as the data API shows it: times as datetimes, flags as booleans, properties as pairs."""
    if value is None:
        return None
    inner = declared.nestedType if isinstance(declared, types.NoneOk) else declared
    if isinstance(inner, types.DateTime) and not hasattr(value, "tzinfo"):
        return epoch2datetime(value)
    if isinstance(inner, types.Boolean):
        return bool(value)
    if isinstance(inner, types.Integer) and isinstance(value, float):
        return int(value)
    if isinstance(inner, types.SourcedProperties):
        return {name: tuple(pair) for name, pair in value.items()}
    return value


def _split_pattern(pattern: str) -> list[tuple[bool, str]]:
    """``/builds/:buildid`` as [(False, "builds"), (True, "buildid")]."""
    words = pattern.strip("/").split("/")
    return [(":" in word, word.partition(":")[2] if ":" in word else word) for word in words]


class SubResource:
    """A resource type as a part of another one."""

    def __init__(self, rtype: ResourceType) -> None:
        self.rtype = rtype


class BuildNestingMixin:
    """Turns the parts of a path that names a build, builder or project into ids; for own endpoints."""

    master: Any

    @deferred
    async def getBuildid(self, kwargs: Mapping[str, Any]) -> int | None:
        """The id of the build that the path names, or None."""
        return await NestedBuildDataRetriever(self.master, kwargs).get_build_id()

    @deferred
    async def getBuilderId(self, kwargs: Mapping[str, Any]) -> int | None:
        """The id of the builder that the path names, or None."""
        return await NestedBuildDataRetriever(self.master, kwargs).get_builder_id()

    @deferred
    async def get_project_id(self, kwargs: Mapping[str, Any]) -> int | None:
        """The id of the project that the path names, or None."""
        if "projectname" in kwargs:
            project = await self.master.data.get(("projects", kwargs["projectname"]))
            return None if project is None else project["projectid"]
        return kwargs["projectid"]


_UNREAD: Any = object()


class NestedBuildDataRetriever:
    """Reads, once each, what a path names: its builder, build, step, log and worker."""

    __slots__ = ("args", "build_dict", "builder_dict", "log_dict", "master", "step_dict", "worker_dict")

    def __init__(self, master: Any, args: Mapping[str, Any]) -> None:
        self.master = master
        self.args = args
        self.builder_dict = self.build_dict = self.step_dict = self.log_dict = self.worker_dict = _UNREAD

    async def _read(self, slot: str, path: tuple[Any, ...] | None) -> Any:
        if getattr(self, slot) is _UNREAD:
            setattr(self, slot, None if path is None else await self.master.data.get(path))
        return getattr(self, slot)

    @deferred
    async def get_builder_dict(self) -> Any:
        """The builder, or None."""
        name = self.args.get("builderid", self.args.get("buildername"))
        return await self._read("builder_dict", None if name is None else ("builders", name))

    @deferred
    async def get_builder_id(self) -> int | None:
        """The builder's id, or None."""
        builder = await self.get_builder_dict()
        return None if builder is None else builder["builderid"]

    @deferred
    async def get_build_dict(self) -> Any:
        """The build, or None."""
        if "buildid" in self.args:
            return await self._read("build_dict", ("builds", self.args["buildid"]))
        builderid = await self.get_builder_id()
        path = None if builderid is None else ("builders", builderid, "builds", self.args["build_number"])
        return await self._read("build_dict", path)

    @deferred
    async def get_build_id(self) -> int | None:
        """The build's id, or None."""
        build = await self.get_build_dict()
        return None if build is None else build["buildid"]

    @deferred
    async def get_step_dict(self) -> Any:
        """The step, or None."""
        if "stepid" in self.args:
            return await self._read("step_dict", ("steps", self.args["stepid"]))
        buildid = await self.get_build_id()
        step = self.args.get("step_number", self.args.get("step_name"))
        return await self._read("step_dict", None if buildid is None else ("builds", buildid, "steps", step))

    @deferred
    async def get_log_dict(self) -> Any:
        """The log, or None."""
        if "logid" in self.args:
            return await self._read("log_dict", ("logs", self.args["logid"]))
        step = await self.get_step_dict()
        path = None if step is None else ("steps", step["stepid"], "logs", self.args["log_slug"])
        return await self._read("log_dict", path)

    @deferred
    async def get_log_id(self) -> int | None:
        """The log's id, or None."""
        log = await self.get_log_dict()
        return None if log is None else log["logid"]

    @deferred
    async def get_worker_dict(self) -> Any:
        """The worker, or None."""
        name = self.args.get("workerid", self.args.get("name"))
        return await self._read("worker_dict", None if name is None else ("workers", name))
