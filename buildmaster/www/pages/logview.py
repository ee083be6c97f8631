"""The page of a log: its first lines (or those asked for) at once, the rest by the script as one scrolls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.www.pages.page import Context, Page
from buildmaster.www.pages.render import without_ansi
from buildmaster.www.pages.visit import NotFound, Visit, together

LINES_A_PAGE = 1000
_CHANNELS = {"o": "stdout", "e": "stderr", "h": "header"}


async def log_page(visit: Visit, builder: str, number: str, step: str, slug: str) -> Context:
    """A log of a step; the step by its number or name."""
    if not number.isdigit():
        raise NotFound(f"{number} is not a build's number")
    path = ("builders", builder, "builds", int(number))
    owner, build, found = await together(
        visit.need("builders", builder),
        visit.need(*path),
        visit.need(*path, "steps", int(step) if step.isdigit() else step),
    )
    logs = await visit.get("steps", found["stepid"], "logs")
    log = next((log for log in logs or () if log["slug"] == slug), None)
    if log is None:
        raise NotFound(f"The step {found['name']} has no log {slug}")
    first = min(visit.number("offset"), max(0, log["num_lines"] - 1))
    return {
        "builder": owner,
        "build": build,
        "step": found,
        "logs": logs,
        "log": log,
        "first": first,
        "lines": await _lines(visit, log, first) if log["type"] in ("s", "t") else [],
        "page_size": LINES_A_PAGE,
    }


async def _lines(visit: Visit, log: Mapping[str, Any], first: int) -> list[tuple[str, str]]:
    """(channel, text) of the lines of one page."""
    chunk = await visit.get("logs", log["logid"], "contents", offset=first, limit=LINES_A_PAGE)
    lines = (chunk["content"] if chunk else "").split("\n")[:-1]
    if log["type"] != "s":
        return [("stdout", without_ansi(line)) for line in lines]
    return [(_CHANNELS.get(line[:1], "stdout"), without_ansi(line[1:])) for line in lines]


PAGES = [
    Page("builders/{builder}/builds/{number}/steps/{step}/logs/{slug}", "log.html", log_page),
]
