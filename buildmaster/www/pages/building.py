"""The pages of a builder and of a build, and what their buttons do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.results import SUCCESS, WARNINGS
from buildmaster.data.resultspec import Filter
from buildmaster.www.pages import force
from buildmaster.www.pages.overview import FINISHED, PENDING
from buildmaster.www.pages.page import Action, Context, Filters, Page
from buildmaster.www.pages.render import epoch, without_ansi
from buildmaster.www.pages.visit import NotFound, Visit, together
from buildmaster.www.rest import act

BUILDS_SHOWN = 30
REQUESTS_SHOWN = 30
#: the durations of so many good builds tell how long the next one will take
ETA_BUILDS = 5
#: lines of a running step's log that the build's page shows
TAIL_LINES = 8


# -- a builder ---------------------------------------------------------------------------------------------------------


async def builder_page(visit: Visit, builder: str) -> Context:
    """Its builds, what waits for it, its workers, and how to force a build."""
    found = await visit.need("builders", builder)
    builderid, page = found["builderid"], visit.number("page")
    builds, pending, workers, forcers, seconds = await together(
        visit.get("builders", builderid, "builds", order=["-number"], limit=BUILDS_SHOWN, offset=page * BUILDS_SHOWN),
        visit.get(
            "builders",
            builderid,
            "buildrequests",
            filters=PENDING,
            order=["-priority", "buildrequestid"],
            limit=REQUESTS_SHOWN,
        ),
        visit.get("builders", builderid, "workers"),
        visit.get("builders", builderid, "forceschedulers"),
        usual_seconds(visit, builderid),
    )
    may_force = [
        forcer
        for forcer in forcers or ()
        if forcer["enabled"] and await visit.may(("forceschedulers", forcer["name"]), "force", {"builderid": builderid})
    ]
    return {
        "builder": found,
        "builds": builds,
        "page": page,
        "pending": pending,
        "workers": workers,
        "forcers": [force.Form(forcer) for forcer in may_force],
        "usual_seconds": seconds,
        "may_cancel": bool(pending) and await visit.may(("buildrequests", pending[0]["buildrequestid"]), "cancel"),
    }


async def usual_seconds(visit: Visit, builderid: int) -> float | None:
    """How long a good build of this builder takes, from its last ones; None if there was none."""
    good = [*FINISHED, Filter("results", "in", [SUCCESS, WARNINGS])]
    builds = await visit.get("builders", builderid, "builds", filters=good, order=["-number"], limit=ETA_BUILDS)
    took = [(b["complete_at"] - b["started_at"]).total_seconds() for b in builds or ()]
    return sum(took) / len(took) if took else None


def _watch_builder(context: Context) -> Filters:
    builderid = str(context["builder"]["builderid"])
    return [
        ("builders", builderid, "builds", None, None),
        ("builders", builderid, "buildrequests", None, None),
        ("builders", builderid, None),
        ("workers", None, None),
    ]


# -- a build -----------------------------------------------------------------------------------------------------------


async def build_page(visit: Visit, builder: str, number: str) -> Context:
    """Everything about one build."""
    if not number.isdigit():
        raise NotFound(f"{number} is not a build's number")
    owner, build = await together(
        visit.need("builders", builder), visit.need("builders", builder, "builds", int(number))
    )
    buildid = build["buildid"]
    steps, properties, changes, request, worker, children, newest, tries = await together(
        visit.get("builds", buildid, "steps", order=["number"]),
        visit.get("builds", buildid, "properties"),
        visit.get("builds", buildid, "changes"),
        visit.get("buildrequests", build["buildrequestid"]),
        visit.get("workers", build["workerid"]) if build["workerid"] else _nothing(),
        visit.get("builds", buildid, "triggered_builds"),
        visit.get("builders", build["builderid"], "builds", order=["-number"], limit=1, fields=["number"]),
        visit.get("buildrequests", build["buildrequestid"], "builds", order=["buildid"]),
    )
    shown = [step for step in steps if not step["hidden"] or visit.argument("hidden")]
    logs, buildset, seconds = await together(
        together(*(visit.get("steps", step["stepid"], "logs") for step in shown)),
        visit.get("buildsets", request["buildsetid"]) if request else _nothing(),
        usual_seconds(visit, build["builderid"]) if not build["complete"] else _nothing(),
    )
    path = ("builds", buildid)
    return {
        "builder": owner,
        "build": build,
        "steps": [(step, list(mine or ())) for step, mine in zip(shown, logs, strict=True)],
        "hidden": len(steps) - len(shown),
        "tails": {} if build["complete"] else await _tails(visit, shown, logs),
        "properties": sorted((properties or {}).items()),
        "changes": changes,
        "responsible": responsible(changes, properties or {}),
        "request": request,
        "buildset": buildset,
        "parent": await _parent(visit, buildset),
        "children": await _with_builders(visit, children or ()),
        "worker": worker,
        "newest": newest[0]["number"] if newest else build["number"],
        "tries": [one for one in tries or () if one["buildid"] > buildid],
        "progress": progress(build, seconds, visit.master.reactor.seconds()),
        "may_stop": not build["complete"] and await visit.may(path, "stop"),
        "may_rebuild": build["complete"] and await visit.may(path, "rebuild"),
    }


async def _nothing() -> None:
    return None


async def _parent(visit: Visit, buildset: Mapping[str, Any] | None) -> Any:
    """The build that triggered this one, with its builder's name."""
    if not buildset or not buildset["parent_buildid"]:
        return None
    found = await visit.get("builds", buildset["parent_buildid"])
    return (await _with_builders(visit, [found]))[0] if found else None


async def _with_builders(visit: Visit, builds: Sequence[Any]) -> list[tuple[Any, str]]:
    """(build, its builder's name) of each."""
    ids = sorted({build["builderid"] for build in builds})
    builders = await together(*(visit.get("builders", builderid) for builderid in ids))
    called = {b["builderid"]: b["name"] for b in builders if b}
    return [(build, called.get(build["builderid"], "?")) for build in builds]


async def _tails(visit: Visit, steps: Sequence[Any], logs: Sequence[Any]) -> dict[int, str]:
    """Step id → the last lines of its running log."""
    running = [
        (step["stepid"], mine[0])
        for step, mine in zip(steps, logs, strict=True)
        if not step["complete"] and mine and mine[0]["type"] in ("s", "t") and mine[0]["num_lines"]
    ]
    texts = await together(*(_tail(visit, log) for _, log in running))
    return {stepid: text for (stepid, _), text in zip(running, texts, strict=True)}


async def _tail(visit: Visit, log: Mapping[str, Any]) -> str:
    first = max(0, log["num_lines"] - TAIL_LINES)
    chunk = await visit.get("logs", log["logid"], "contents", offset=first, limit=TAIL_LINES)
    lines = (chunk["content"] if chunk else "").split("\n")[:-1]
    return without_ansi("\n".join(line[1:] if log["type"] == "s" else line for line in lines))


def responsible(changes: Sequence[Any], properties: Mapping[str, Any]) -> list[str]:
    """Whose changes are built, and who asked for the build."""
    people = {change["author"]: None for change in changes or ()}
    owners = properties.get("owners") or ([properties["owner"][0]] if "owner" in properties else [], "")
    for owner in owners[0] or ():
        if owner:
            people[owner] = None
    return list(people)


def progress(build: Mapping[str, Any], seconds: float | None, now: float) -> dict[str, Any] | None:
    """How far a running build is, judged by how long its predecessors took."""
    if build["complete"] or not seconds:
        return None
    begun = epoch(build["started_at"]) or now
    return {"percent": int(min(99, max(0, 100 * (now - begun) / seconds))), "end": int(begun + seconds)}


def _watch_build(context: Context) -> Filters:
    buildid = str(context["build"]["buildid"])
    filters: list[tuple[str | None, ...]] = [
        ("builds", buildid, None),
        ("builds", buildid, "steps", None, None),
        ("builds", buildid, "properties", None),
        ("buildrequests", str(context["build"]["buildrequestid"]), None),
        ("builders", str(context["build"]["builderid"]), "builds", None, "new"),
    ]
    for step, logs in context["steps"]:
        if not step["complete"] or any(not log["complete"] for log in logs):
            filters.append(("steps", str(step["stepid"]), "logs", None, None))
    return filters


# -- buttons -----------------------------------------------------------------------------------------------------------


async def _act(visit: Visit, path: Sequence[Any], action: str, params: dict[str, Any]) -> Any:
    return await act(visit.master.www, visit.request, tuple(str(word) for word in path), action, params)


async def stop(visit: Visit, builder: str, number: str) -> str:
    """Stop a build; back to its page."""
    reason = visit.argument("reason") or "stopped from the web page"
    await _act(visit, ("builders", builder, "builds", number), "stop", {"reason": reason})
    return visit.url("builders", builder, "builds", number)


async def rebuild(visit: Visit, builder: str, number: str) -> str:
    """Build the same again; to the page of the request."""
    result = await _act(visit, ("builders", builder, "builds", number), "rebuild", {})
    return force.after(visit, result) or visit.url("builders", builder)


async def force_build(visit: Visit, builder: str, scheduler: str) -> str:
    """Force a build; to the page of the request, or back to the form with what is wrong with it."""
    return await force.run(visit, builder, scheduler)


PAGES = [
    Page("builders/{builder}", "builder.html", builder_page, _watch_builder),
    Page("builders/{builder}/builds/{number}", "build.html", build_page, _watch_build),
]
ACTIONS = [
    Action("builders/{builder}/builds/{number}/stop", stop),
    Action("builders/{builder}/builds/{number}/rebuild", rebuild),
    Action("builders/{builder}/force/{scheduler}", force_build),
]
