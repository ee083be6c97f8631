"""Workers: which there are, what they do, and pausing them."""

from __future__ import annotations

from typing import Any

from buildmaster.www.pages.building import _act, _with_builders
from buildmaster.www.pages.overview import RUNNING, names
from buildmaster.www.pages.page import Action, Context, Filters, Page
from buildmaster.www.pages.visit import Visit, together

BUILDS_SHOWN = 30
_ACTIONS = ("pause", "unpause", "stop", "kill")


async def workers_page(visit: Visit) -> Context:
    """All workers with what they are doing."""
    workers, running, builders = await together(
        visit.get("workers", order=["name"]),
        visit.get("builds", filters=RUNNING, limit=1000),
        visit.get("builders"),
    )
    doing: dict[int, list[Any]] = {}
    for build in running:
        doing.setdefault(build["workerid"], []).append(build)
    configured = [w for w in workers if w["configured_on"] or w["connected_to"] or visit.argument("all")]
    return {"workers": configured, "doing": doing, "names": names(builders), "others": len(workers) - len(configured)}


async def worker_page(visit: Visit, worker: str) -> Context:
    """One worker."""
    found = await visit.need("workers", int(worker) if worker.isdigit() else worker)
    builds, builders = await together(
        visit.get("workers", found["workerid"], "builds", order=["-buildid"], limit=BUILDS_SHOWN),
        visit.get("workers", found["workerid"], "builders"),
    )
    path = ("workers", found["workerid"])
    return {
        "worker": found,
        "builds": await _with_builders(visit, builds or ()),
        "builders": builders or (),
        "info": sorted(pair for pair in (found["workerinfo"] or {}).items() if pair[0] != "environ"),
        "may": {action: await visit.may(path, action) for action in _ACTIONS},
    }


async def control(visit: Visit, worker: str, action: str) -> str:
    """Pause, unpause or stop a worker; back to its page."""
    if action not in _ACTIONS:
        return visit.url("workers", worker)
    found = await visit.need("workers", int(worker) if worker.isdigit() else worker)
    reason = visit.argument("reason") or "from the web page"
    await _act(visit, ("workers", found["workerid"]), action, {"reason": reason})
    return visit.url("workers", worker)


def _watch_workers(context: Context) -> Filters:
    return [("workers", None, None), ("builds", None, "new"), ("builds", None, "finished")]


def _watch_worker(context: Context) -> Filters:
    workerid = str(context["worker"]["workerid"])
    return [("workers", workerid, None), ("workers", workerid, "builds", None, None)]


PAGES = [
    Page("workers", "workers.html", workers_page, _watch_workers),
    Page("workers/{worker}", "worker.html", worker_page, _watch_worker),
]
ACTIONS = [Action("workers/{worker}/{action}", control)]
