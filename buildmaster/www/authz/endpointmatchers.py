"""Endpoint matchers: which rule is about which resource and action."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.data.exceptions import InvalidPathError


class Match:
    """What a rule matched, so that its owner can be found."""

    def __init__(self, master: Any, build: Any = None, buildrequest: Any = None, buildset: Any = None) -> None:
        self.master = master
        self.build = build
        self.buildrequest = buildrequest
        self.buildset = buildset

    @deferred
    async def getOwner(self) -> str | None:
        """The value of the property ``owner``, or None."""
        if self.buildset:
            return await self.getOwnerFromBuildSet(self.buildset)
        if self.buildrequest:
            return await self.getOwnerFromBuildRequest(self.buildrequest)
        if self.build:
            return await self.getOwnerFromBuild(self.build)
        return None

    @deferred
    async def getOwnerFromBuild(self, build: Any) -> str | None:
        """The owner of a build is that of its request."""
        request = await self.master.data.get(("buildrequests", build["buildrequestid"]))
        return None if request is None else await self.getOwnerFromBuildRequest(request)

    @deferred
    async def getOwnerFromBuildsetOrBuildRequest(self, buildsetorbuildrequest: Any) -> str | None:
        """The property ``owner`` of the buildset, or of the request's buildset."""
        found = buildsetorbuildrequest
        bsid = found["bsid"] if "bsid" in found else found["buildsetid"]
        properties = await self.master.data.get(("buildsets", bsid, "properties"))
        return properties["owner"][0] if properties and "owner" in properties else None

    getOwnerFromBuildRequest = getOwnerFromBuildsetOrBuildRequest
    getOwnerFromBuildSet = getOwnerFromBuildsetOrBuildRequest


class EndpointMatcherBase:
    """Base of all rules: ``role`` is what a user needs where the rule matches.

    A subclass has methods ``match_<Endpoint>_<action>`` or ``match_<Endpoint>`` (the endpoint's class name in the data
    API, such as ``BuildEndpoint``) with arguments (epobject, epdict, options), which return a :class:`Match`, None,
    or a Deferred of either.  With ``defaultDeny=False`` the rules behind this one are asked if the user lacks the role.
    """

    def __init__(self, role: str, defaultDeny: bool = True) -> None:
        self.role = role
        self.defaultDeny = defaultDeny
        self.owner: Any = None
        self.authz: Any = None
        self.master: Any = None

    def setAuthz(self, authz: Any) -> None:
        """The rule belongs to these rules from now on."""
        self.authz = authz
        self.master = authz.master

    @deferred
    async def match(self, ep: Any, action: str = "get", options: Any = None) -> Match | None:
        """A :class:`Match` if this rule is about that action at that path."""
        try:
            epobject, epdict = self.master.data.getEndpoint(ep)
        except InvalidPathError:
            return None
        for name in _endpoint_names(epobject):
            for method in (f"match_{name}_{action}", f"match_{name}"):
                rule = getattr(self, method, None)
                if rule is not None:
                    return await maybe(rule, epobject, epdict, options)
        return None

    def __repr__(self) -> str:
        shown = sorted((key, value) for key, value in vars(self).items() if key not in ("authz", "master", "owner"))
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in shown)})"


_SPELLED = {"buildrequest": "BuildRequest", "forcescheduler": "ForceScheduler", "changesource": "ChangeSource"}


def _endpoint_names(epobject: Any) -> Iterator[str]:
    """Documented names of an endpoint: its class's and its bases', then what its resource type calls for."""
    for cls in inspect.getmro(type(epobject)):
        yield cls.__name__
    name = getattr(getattr(epobject, "rtype", None), "name", None)
    kind = getattr(getattr(epobject, "kind", None), "name", "")
    if name:
        spelled = _SPELLED.get(name) or "".join(part.capitalize() for part in name.split("_"))
        yield f"{spelled}sEndpoint" if kind == "COLLECTION" else f"{spelled}Endpoint"


class AnyEndpointMatcher(EndpointMatcherBase):
    """Everything, reading too."""

    @deferred
    async def match(self, ep: Any, action: str = "get", options: Any = None) -> Match | None:
        return Match(self.master)


class AnyControlEndpointMatcher(EndpointMatcherBase):
    """Every action, present and future, but not reading."""

    @deferred
    async def match(self, ep: Any, action: str = "", options: Any = None) -> Match | None:
        return None if (action or "get").lower() in ("get", "options", "head") else Match(self.master)


class _OfBuilder(EndpointMatcherBase):
    """A rule that can be restricted to builders whose name matches ``builder``."""

    def __init__(self, builder: str | None = None, **kwargs: Any) -> None:
        self.builder = builder
        super().__init__(**kwargs)

    @deferred
    async def matchFromBuilderId(self, builderid: int | None) -> bool:
        """Whether this builder is meant."""
        if builderid is None:
            return False
        found = await self.master.data.get(("builders", builderid))
        return found is not None and self._is_meant(found["name"])

    def _is_meant(self, name: str) -> bool:
        return self.builder is None or self.authz.match(name, self.builder)

    async def _of(self, epdict: dict[str, Any], thing: str) -> Match | None:
        """The match of the build or request that a path names."""
        found = await (_build if thing == "build" else _request)(self.master, epdict)
        if found is None:
            return None
        if self.builder is None or await self.matchFromBuilderId(found["builderid"]):
            return Match(self.master, **{thing: found})
        return None


async def _build(master: Any, epdict: dict[str, Any]) -> Any:
    if "buildid" in epdict:
        return await master.data.get(("builds", epdict["buildid"]))
    builder = epdict.get("builderid", epdict.get("buildername"))
    return await master.data.get(("builders", builder, "builds", epdict["build_number"]))


async def _request(master: Any, epdict: dict[str, Any]) -> Any:
    return await master.data.get(("buildrequests", epdict["buildrequestid"]))


class StopBuildEndpointMatcher(_OfBuilder):
    """Stopping builds and cancelling requests."""

    @deferred
    async def match_BuildEndpoint_stop(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._of(epdict, "build")

    @deferred
    async def match_BuildRequestEndpoint_stop(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._of(epdict, "buildrequest")

    match_BuildRequestEndpoint_cancel = match_BuildRequestEndpoint_stop


class RebuildBuildEndpointMatcher(_OfBuilder):
    """Rebuilding builds."""

    @deferred
    async def match_BuildEndpoint_rebuild(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._of(epdict, "build")


class ForceBuildEndpointMatcher(_OfBuilder):
    """Forcing builds."""

    @deferred
    async def match_ForceSchedulerEndpoint_force(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        if self.builder is None:
            return Match(self.master)
        names = await self._builders(epdict, options or {})
        return Match(self.master) if any(self._is_meant(name) for name in names) else None

    async def _builders(self, epdict: dict[str, Any], options: dict[str, Any]) -> list[str]:
        """The builders that this call would force."""
        builderid = options.get("builderid")
        if builderid is not None:
            found = await self.master.data.get(("builders", int(builderid)))
            return [] if found is None else [found["name"]]
        if options.get("builderNames"):
            return list(options["builderNames"])
        found = await self.master.data.get(("forceschedulers", epdict["schedulername"]))
        return list(found["builder_names"]) if found else []


class EnableSchedulerEndpointMatcher(EndpointMatcherBase):
    """Enabling and disabling schedulers."""

    @deferred
    async def match_SchedulerEndpoint_enable(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return Match(self.master)


class _OfSource(_OfBuilder):
    """A rule that can be restricted to builds of some branch or project."""

    def __init__(
        self, branch: str | None = None, project: str | None = None, builder: str | None = None, **kwargs: Any
    ) -> None:
        self.branch = branch
        self.project = project
        super().__init__(builder=builder, **kwargs)

    async def _if_source_meant(self, match: Match | None) -> Match | None:
        if match is None or (self.branch is None and self.project is None):
            return match
        request = match.buildrequest or await _request(self.master, {"buildrequestid": match.build["buildrequestid"]})
        buildset = await self.master.data.get(("buildsets", request["buildsetid"]))
        for source in buildset["sourcestamps"] if buildset else ():
            if self._matches(source["branch"], self.branch) and self._matches(source["project"], self.project):
                return match
        return None

    def _matches(self, value: str | None, pattern: str | None) -> bool:
        return pattern is None or self.authz.match(value or "", pattern)


class ViewBuildsEndpointMatcher(_OfSource):
    """Looking at builds of some branch, project or builder."""

    @deferred
    async def match_BuildEndpoint_get(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._if_source_meant(await self._of(epdict, "build"))


class BranchEndpointMatcher(_OfSource):
    """Anything about builds and requests of some branch."""

    def __init__(self, branch: str, **kwargs: Any) -> None:
        super().__init__(branch=branch, **kwargs)

    @deferred
    async def match_BuildEndpoint(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._if_source_meant(await self._of(epdict, "build"))

    @deferred
    async def match_BuildRequestEndpoint(self, epobject: Any, epdict: Any, options: Any) -> Match | None:
        return await self._if_source_meant(await self._of(epdict, "buildrequest"))
