"""The login page: a form where the authentication takes names and passwords, else a link to its login."""

from __future__ import annotations

from buildmaster.www.pages.page import Context, Page
from buildmaster.www.pages.visit import Visit


async def login_page(visit: Visit) -> Context:
    """The form."""
    return {
        "has_form": visit.master.www.auth.has_form,
        "service": visit.master.www.auth.getConfigDict()["name"],
        "failed": bool(visit.argument("failed")),
        "redirect": visit.argument("redirect"),
    }


PAGES = [Page("login", "login.html", login_page)]
