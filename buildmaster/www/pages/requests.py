"""Requests that wait, one request, and cancelling them."""

from __future__ import annotations

from typing import Any

from buildmaster.www.pages.building import _act, _with_builders
from buildmaster.www.pages.overview import PENDING, names
from buildmaster.www.pages.page import Action, Context, Filters, Page
from buildmaster.www.pages.visit import NotFound, Visit, together
from buildmaster.www.resource import Redirect

REQUESTS_SHOWN = 100


async def pending_page(visit: Visit) -> Context:
    """What waits for a worker, the next to be built first."""
    page = visit.number("page")
    pending, builders = await together(
        visit.get(
            "buildrequests",
            filters=PENDING,
            order=["-priority", "buildrequestid"],
            limit=REQUESTS_SHOWN,
            offset=page * REQUESTS_SHOWN,
        ),
        visit.get("builders"),
    )
    return {
        "pending": pending,
        "total": pending.total if pending.total is not None else len(pending),
        "page": page,
        "names": names(builders),
        "may_cancel": bool(pending) and await visit.may(("buildrequests", pending[0]["buildrequestid"]), "cancel"),
    }


async def request_page(visit: Visit, request: str) -> Context:
    """One request; once it has a build, the page of that."""
    if not request.isdigit():
        raise NotFound(f"{request} is not a request's number")
    found = await visit.need("buildrequests", int(request))
    builds, builder, buildset = await together(
        visit.get("buildrequests", int(request), "builds", order=["-buildid"]),
        visit.get("builders", found["builderid"]),
        visit.get("buildsets", found["buildsetid"]),
    )
    if builds and not visit.argument("stay") and b"live" not in visit.request.args:
        newest = builds[0]
        raise Redirect(visit.url("builders", newest["builderid"], "builds", newest["number"]))
    return {
        "request": found,
        "builder": builder,
        "buildset": buildset,
        "builds": await _with_builders(visit, builds or ()),
        "may_cancel": not found["complete"] and await visit.may(("buildrequests", found["buildrequestid"]), "cancel"),
    }


async def cancel(visit: Visit, request: str) -> str:
    """Cancel a request; back to where the button was."""
    reason = visit.argument("reason") or "cancelled from the web page"
    await _act(visit, ("buildrequests", request), "cancel", {"reason": reason})
    back: Any = visit.argument("back")
    return visit.url("builders", back) if back else visit.url("pendingbuildrequests")


def _watch_pending(context: Context) -> Filters:
    return [("buildrequests", None, None)]


def _watch_request(context: Context) -> Filters:
    return [("buildrequests", str(context["request"]["buildrequestid"]), None), ("builds", None, "new")]


PAGES = [
    Page("pendingbuildrequests", "pending.html", pending_page, _watch_pending),
    Page("buildrequests/{request}", "request.html", request_page, _watch_request),
]
ACTIONS = [Action("buildrequests/{request}/cancel", cancel)]
