"""Schedulers: which there are, and switching them off and on."""

from __future__ import annotations

from buildmaster.www.pages.building import _act
from buildmaster.www.pages.page import Action, Context, Filters, Page
from buildmaster.www.pages.visit import Visit


async def schedulers_page(visit: Visit) -> Context:
    """All schedulers."""
    found = await visit.get("schedulers", order=["name"])
    may = bool(found) and await visit.may(("schedulers", found[0]["schedulerid"]), "enable")
    return {"schedulers": found, "may_enable": may}


async def enable(visit: Visit, scheduler: str) -> str:
    """Switch a scheduler on or off."""
    wanted = visit.argument("enabled") == "1"
    await _act(visit, ("schedulers", scheduler), "enable", {"enabled": wanted})
    return visit.url("schedulers")


def _watch_schedulers(context: Context) -> Filters:
    return [("schedulers", None, None)]


PAGES = [Page("schedulers", "schedulers.html", schedulers_page, _watch_schedulers)]
ACTIONS = [Action("schedulers/{scheduler}/enable", enable)]
