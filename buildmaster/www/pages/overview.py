"""The front page, the list of builders, and the about page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from buildmaster.data.resultspec import Filter
from buildmaster.db.builders import VIRTUAL_TAG
from buildmaster.www.frontend import versions
from buildmaster.www.pages.page import Context, Filters, Page
from buildmaster.www.pages.visit import Visit, together

RUNNING_SHOWN = 50
RECENT_SHOWN = 20
BUILDERS_SHOWN = 100
#: how many of the newest builds are looked through for each builder's last ones
BUILDS_LOOKED_AT = 300
DOTS = 8
#: builders and workers that the front page shows
CHIPS_SHOWN = 60

RUNNING = [Filter("complete", "eq", [False])]
FINISHED = [Filter("complete", "eq", [True])]
PENDING = [Filter("complete", "eq", [False]), Filter("claimed", "eq", [False])]


def in_use(builder: Mapping[str, Any]) -> bool:
    """Whether a master is configured with a builder, or it is a virtual one."""
    return bool(builder["masterids"]) or VIRTUAL_TAG in builder["tags"]


def names(builders: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Builder id → name."""
    return {builder["builderid"]: builder["name"] for builder in builders}


async def home(visit: Visit) -> Context:
    """What runs, what ran last, and what waits."""
    running, newest, builders, workers, pending = await together(
        visit.get("builds", filters=RUNNING, order=["-buildid"], limit=RUNNING_SHOWN),
        visit.get("builds", order=["-buildid"], limit=BUILDS_LOOKED_AT),
        visit.get("builders", order=["name"]),
        visit.get("workers"),
        visit.get("buildrequests", filters=PENDING, fields=["buildrequestid", "complete", "claimed"], limit=1),
    )
    return {
        "running": running,
        "recent": [build for build in newest if build["complete"]][:RECENT_SHOWN],
        "last": {build["builderid"]: build for build in reversed(newest)},
        "chips_shown": CHIPS_SHOWN,
        "names": names(builders),
        "builders": [builder for builder in builders if in_use(builder)],
        "workers": [worker for worker in workers if worker["configured_on"]],
        "connected": sum(1 for worker in workers if worker["connected_to"]),
        "pending": pending.total if pending.total is not None else len(pending),
    }


async def builders_page(visit: Visit) -> Context:
    """All builders, or those whose name or tags are asked for, with their last builds."""
    wanted, tag, page = visit.argument("q").strip(), visit.argument("tag"), visit.number("page")
    everything = [b for b in await visit.get("builders", order=["name"]) if in_use(b) or visit.argument("all")]
    tags = sorted({tag for builder in everything for tag in builder["tags"]})
    found = [b for b in everything if wanted.lower() in b["name"].lower() and (not tag or tag in b["tags"])]
    shown = found[page * BUILDERS_SHOWN : (page + 1) * BUILDERS_SHOWN]
    builds, pending = await together(
        visit.get("builds", order=["-buildid"], limit=BUILDS_LOOKED_AT),
        visit.get("buildrequests", filters=PENDING, fields=["builderid", "complete", "claimed"], limit=5000),
    )
    return {
        "builders": shown,
        "found": len(found),
        "page": page,
        "pages": (len(found) + BUILDERS_SHOWN - 1) // BUILDERS_SHOWN,
        "q": wanted,
        "tag": tag,
        "tags": tags,
        "last": await _last_builds(visit, shown, builds),
        "waiting": _count(request["builderid"] for request in pending),
    }


async def _last_builds(visit: Visit, builders: list[Any], builds: Any) -> dict[int, list[Any]]:
    """Builder id → its newest builds; builders that built nothing lately are asked for their last one."""
    last: dict[int, list[Any]] = {builder["builderid"]: [] for builder in builders}
    for build in builds:
        mine = last.get(build["builderid"])
        if mine is not None and len(mine) < DOTS:
            mine.append(build)
    if len(builds) == BUILDS_LOOKED_AT:
        quiet = [builderid for builderid, mine in last.items() if not mine]
        found = await together(*(visit.get("builders", id, "builds", order=["-number"], limit=1) for id in quiet))
        last.update({builderid: list(one) for builderid, one in zip(quiet, found, strict=True)})
    return last


def _count(values: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


async def about(visit: Visit) -> Context:
    """Versions, masters, and what this installation is made of."""
    masters = await visit.get("masters", order=["name"])
    www = visit.master.www
    return {
        "versions": versions({"versions": www.settings.versions}),
        "masters": masters,
        "auth_name": www.auth.getConfigDict()["name"],
        "authz": www.settings.authz is not None,
    }


def _watch_builds(context: Context) -> Filters:
    return [("builds", None, None), ("buildrequests", None, None), ("builders", None, None), ("workers", None, None)]


PAGES = [
    Page("", "home.html", home, _watch_builds),
    Page("builders", "builders.html", builders_page, _watch_builds),
    Page("about", "about.html", about),
]
