"""The three views of many builders at once; each shows the builders of one tag if ``tag`` is asked for.

*Waterfall*: builders are columns, time runs upwards, builds are blocks.  *Console*: changes are rows and builders are
columns.  *Grid*: source stamps are columns and builders are rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from buildmaster.data.resultspec import Filter
from buildmaster.www.pages.overview import names
from buildmaster.www.pages.page import Context, Filters, Page
from buildmaster.www.pages.render import epoch
from buildmaster.www.pages.visit import Visit, together

WATERFALL_BUILDS = 120
CONSOLE_CHANGES = 25
GRID_BUILDS = 300
GRID_STAMPS = 8
MOST_BUILDERS = 60

#: pixels
COLUMN, TIME_COLUMN, TOP = 120, 130, 6
LEAST_GAP, MOST_GAP = 16, 60
#: seconds that are one pixel, between the least and the most
SECONDS_PER_PIXEL = 20


async def _builders(visit: Visit) -> tuple[list[Any], list[str], str]:
    """The configured builders, those of the tag that is asked for; all tags; that tag."""
    everything = [builder for builder in await visit.get("builders", order=["name"]) if builder["masterids"]]
    tag = visit.argument("tag")
    shown = [builder for builder in everything if not tag or tag in builder["tags"]]
    return shown, sorted({one for builder in everything for one in builder["tags"]}), tag


def _ids(values: Iterable[int]) -> list[Filter]:
    return [Filter("builderid", "in", sorted(set(values)))]


# -- waterfall ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Block:
    """A build in the waterfall, in pixels."""

    build: Any
    x: int
    y: int
    height: int


async def waterfall(visit: Visit) -> Context:
    """The newest builds, each as long as it took, as far as that can be shown."""
    builders, tags, tag = await _builders(visit)
    mine = [builder["builderid"] for builder in builders]
    found = await visit.get("builds", filters=_ids(mine), order=["-buildid"], limit=WATERFALL_BUILDS) if mine else []
    having = {build["builderid"] for build in found}
    columns = [builder for builder in builders if builder["builderid"] in having][:MOST_BUILDERS]
    place = {builder["builderid"]: TIME_COLUMN + n * COLUMN for n, builder in enumerate(columns)}
    now = visit.master.reactor.seconds()
    ticks = scale(found, now)
    return {
        "view": "waterfall",
        "columns": [(builder, place[builder["builderid"]]) for builder in columns],
        "blocks": blocks(found, place, ticks, now),
        "ticks": labels(ticks),
        "width": TIME_COLUMN + COLUMN * len(columns),
        "height": max(ticks.values(), default=0) + LEAST_GAP,
        "column": COLUMN,
        "tags": tags,
        "tag": tag,
    }


def scale(builds: Sequence[Mapping[str, Any]], now: float) -> dict[float, int]:
    """Moments at which builds began or ended → where they stand, the newest on top.

    The more time lies between two moments the further they are apart, within bounds: an idle night takes no screen.
    """
    moments = {now} if any(not build["complete"] for build in builds) else set()
    for build in builds:
        moments |= {float(at) for at in (epoch(build["started_at"]), epoch(build["complete_at"])) if at is not None}
    places: dict[float, int] = {}
    y, later = TOP, None
    for moment in sorted(moments, reverse=True):
        if later is not None:
            y += max(LEAST_GAP, min(MOST_GAP, round((later - moment) / SECONDS_PER_PIXEL)))
        places[moment] = y
        later = moment
    return places


def blocks(
    builds: Sequence[Mapping[str, Any]], columns: Mapping[int, int], ticks: Mapping[float, int], now: float
) -> list[Block]:
    """Where each build stands."""
    made = []
    for build in builds:
        if build["builderid"] in columns:
            began, ended = epoch(build["started_at"]), epoch(build["complete_at"])
            top, bottom = ticks[float(ended) if ended is not None else now], ticks[float(began or now)]
            made.append(Block(build, columns[build["builderid"]], top, max(LEAST_GAP, bottom - top)))
    return made


def labels(ticks: Mapping[float, int]) -> list[tuple[float, int]]:
    """(moment, place) of those that have room for a label."""
    shown: list[tuple[float, int]] = []
    for moment, y in ticks.items():
        if not shown or y - shown[-1][1] >= 2 * LEAST_GAP:
            shown.append((moment, y))
    return shown


# -- console -----------------------------------------------------------------------------------------------------------


async def console(visit: Visit) -> Context:
    """The newest changes with the builds that they were in."""
    page = visit.number("page")
    (builders, tags, tag), changes = await together(
        _builders(visit),
        visit.get("changes", order=["-changeid"], limit=CONSOLE_CHANGES, offset=page * CONSOLE_CHANGES),
    )
    of_changes = await together(
        *(visit.get("changes", change["changeid"], "builds", order=["buildid"]) for change in changes)
    )
    shown = {builder["builderid"] for builder in builders}
    rows = [
        (change, by_builder(build for build in builds or () if build["builderid"] in shown))
        for change, builds in zip(changes, of_changes, strict=True)
    ]
    having = {builderid for _, cells in rows for builderid in cells}
    return {
        "view": "console",
        "columns": [builder for builder in builders if builder["builderid"] in having][:MOST_BUILDERS],
        "rows": rows,
        "page": page,
        "more": len(changes) == CONSOLE_CHANGES,
        "tags": tags,
        "tag": tag,
    }


def by_builder(builds: Iterable[Any]) -> dict[int, list[Any]]:
    """Builder id → its builds."""
    found: dict[int, list[Any]] = {}
    for build in builds:
        found.setdefault(build["builderid"], []).append(build)
    return found


# -- grid --------------------------------------------------------------------------------------------------------------


async def grid(visit: Visit) -> Context:
    """The source stamps that were built last, of one branch if ``branch`` is asked for, with the builds of each."""
    builders, tags, tag = await _builders(visit)
    mine = [builder["builderid"] for builder in builders]
    found = await visit.get("builds", filters=_ids(mine), order=["-buildid"], limit=GRID_BUILDS) if mine else []
    stamps = await _stamps(visit, found)
    branch = visit.argument("branch")
    columns: dict[Any, list[Any]] = {}
    for build in found:  # newest first: so are the columns
        of_build = stamps.get(build["buildrequestid"], [])
        if not branch or any(stamp["branch"] == branch for stamp in of_build):
            columns.setdefault(tuple(stamp["ssid"] for stamp in of_build), []).append((build, of_build))
    newest = list(columns.values())[:GRID_STAMPS]
    shown = [(pairs[0][1], by_builder(build for build, _ in reversed(pairs))) for pairs in reversed(newest)]
    having = {builderid for _, cells in shown for builderid in cells}
    return {
        "view": "grid",
        "columns": shown,
        "rows": [builder for builder in builders if builder["builderid"] in having][: 4 * MOST_BUILDERS],
        "names": names(builders),
        "branches": sorted({stamp["branch"] for some in stamps.values() for stamp in some if stamp["branch"]}),
        "branch": branch,
        "tags": tags,
        "tag": tag,
    }


async def _stamps(visit: Visit, builds: Sequence[Any]) -> dict[int, list[Any]]:
    """Request id → the source stamps of these builds' requests."""
    if not builds:
        return {}
    wanted = sorted({build["buildrequestid"] for build in builds})
    requests = await visit.get("buildrequests", filters=[Filter("buildrequestid", "in", wanted)])
    sets = sorted({request["buildsetid"] for request in requests})
    buildsets = await visit.get("buildsets", filters=[Filter("bsid", "in", sets)])
    stamps = {buildset["bsid"]: list(buildset["sourcestamps"]) for buildset in buildsets}
    return {request["buildrequestid"]: stamps.get(request["buildsetid"], []) for request in requests}


def _watch(context: Context) -> Filters:
    filters: list[tuple[str | None, ...]] = [("builds", None, "new"), ("builds", None, "finished")]
    if context["view"] == "console":
        filters.append(("changes", None, "new"))
    return filters


PAGES = [
    Page("waterfall", "waterfall.html", waterfall, _watch),
    Page("console", "console.html", console, _watch),
    Page("grid", "grid.html", grid, _watch),
]
LINKS = {
    "waterfall_view": ("waterfall", "Waterfall"),
    "console_view": ("console", "Console"),
    "grid_view": ("grid", "Grid"),
}
"""Name of the plugin that puts it into the navigation → (path, label)."""
