"""The list of changes, and a change with the builds it is in."""

from __future__ import annotations

from buildmaster.www.pages.building import _with_builders
from buildmaster.www.pages.page import Context, Filters, Page
from buildmaster.www.pages.visit import NotFound, Visit, together

CHANGES_SHOWN = 50


async def changes_page(visit: Visit) -> Context:
    """The newest changes."""
    page = visit.number("page")
    found = await visit.get("changes", order=["-changeid"], limit=CHANGES_SHOWN, offset=page * CHANGES_SHOWN)
    return {"changes": found, "page": page, "more": len(found) == CHANGES_SHOWN}


async def change_page(visit: Visit, changeid: str) -> Context:
    """One change."""
    if not changeid.isdigit():
        raise NotFound(f"{changeid} is not a change's number")
    change, builds = await together(visit.need("changes", int(changeid)), visit.get("changes", int(changeid), "builds"))
    return {"change": change, "builds": await _with_builders(visit, builds or ())}


def _watch_changes(context: Context) -> Filters:
    return [("changes", None, "new")]


def _watch_change(context: Context) -> Filters:
    return [("builds", None, None)]


PAGES = [
    Page("changes", "changes.html", changes_page, _watch_changes),
    Page("changes/{changeid}", "change.html", change_page, _watch_change),
]
