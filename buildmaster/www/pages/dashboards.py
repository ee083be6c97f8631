"""Dashboards of WSGI applications inside a page of the site."""

from __future__ import annotations

from markupsafe import Markup

from buildmaster.www.pages.page import Context, Page
from buildmaster.www.pages.visit import NotFound, Visit


async def dashboard_page(visit: Visit, dashboard: str) -> Context:
    """What the application answers for ``/index.html``, as it is."""
    resource = visit.master.www.dashboards
    found = resource.dashboards.get(dashboard)
    if found is None:
        raise NotFound(f"There is no page {dashboard}")
    return {"caption": found.caption, "content": Markup(await resource.page(visit, dashboard))}


PAGES = [Page("{dashboard}", "dashboard.html", dashboard_page, has_own_code=True)]
