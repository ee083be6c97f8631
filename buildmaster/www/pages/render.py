"""Templates: their environment, filters, and rendering a page or one block of it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from buildmaster.base.results import Results, statusToString
from buildmaster.base.times import datetime2epoch, human_duration
from buildmaster.www import static

#: a sign beside every colour, for those who do not see colours
SIGNS = {
    "success": "✔",
    "warnings": "!",
    "failure": "✘",
    "skipped": "–",
    "exception": "✘",
    "retry": "↻",
    "cancelled": "⊘",
    "running": "▶",
    "pending": "…",
}
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_LINK = re.compile(r"\bhttps?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


def epoch(when: Any) -> int | None:
    """Epoch seconds of a datetime or of epoch seconds."""
    return datetime2epoch(when) if isinstance(when, datetime.datetime) else when


def status_of(thing: Mapping[str, Any]) -> str:
    """The word for the state of a build, step or request."""
    results = thing.get("results")
    if thing.get("complete"):
        return Results[results] if isinstance(results, int) and 0 <= results < len(Results) else "success"
    if "claimed" in thing:
        return "running" if thing["claimed"] else "pending"
    return "running" if thing.get("started_at") is not None else "pending"


def badge(status: str, text: str | None = None) -> Markup:
    """A coloured word with its sign."""
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        status, SIGNS.get(status, "?"), text or status
    )


def when(value: Any) -> Markup:
    """A moment: readable without scripts, "3 minutes ago" with them."""
    seconds = epoch(value)
    if seconds is None:
        return Markup("")
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    shown = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" data-ago="{}" title="{}">{}</time>').format(
        moment.isoformat(), seconds, shown, shown
    )


def clock(value: Any) -> str:
    """A moment in few letters."""
    seconds = epoch(value)
    return "" if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%m-%d %H:%M:%S")


def lasting(start: Any, end: Any, now: float) -> Markup:
    """How long something took, or has been running; it goes on counting where scripts run."""
    begun, ended = epoch(start), epoch(end)
    if begun is None:
        return Markup("")
    text = human_duration(max(0, (ended if ended is not None else now) - begun))
    if ended is not None:
        return Markup("<span>{}</span>").format(text)
    return Markup('<span data-since="{}">{}</span>').format(begun, text)


def linked(text: Any) -> Markup:
    """Text with its http links made clickable."""
    out, at = [], 0
    plain = str(text or "")
    for found in _LINK.finditer(plain):
        out.append(escape(plain[at : found.start()]))
        out.append(Markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>').format(found.group()))
        at = found.end()
    return Markup("").join([*out, escape(plain[at:])])


def safe_href(url: Any) -> str:
    """A link target that a build or configuration gave: http(s) and mail only, never a script."""
    text = str(url or "")
    scheme = text.partition(":")[0].lower() if ":" in text.split("/")[0] else ""
    return text if scheme in ("http", "https", "mailto", "ftp", "") else "#"


def without_ansi(text: str) -> str:
    """Text without terminal control sequences."""
    return _ANSI.sub("", text)


def as_json(value: Any) -> str:
    """A property's value as people read it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def person(text: Any) -> str:
    """The name in ``Name <mail>``."""
    name = str(text or "").partition("<")[0].strip()
    return name or str(text or "")


class Templates:
    """The templates of the package; those in ``custom`` with the same name go before them.

    The package's own are loaded with the first page: a master that only builds does without the library.
    """

    def __init__(self, custom: str | None = None, basedir: str = ".") -> None:
        self._custom = Path(basedir, custom) if custom else None
        if custom:
            _ = self.env  # a broken one is told when the configuration is loaded

    @cached_property
    def env(self) -> Any:
        """The ``jinja2.Environment`` with the filters and macros of the pages."""
        import jinja2

        loaders: list[jinja2.BaseLoader] = [jinja2.PackageLoader("buildmaster.www.pages", "templates")]
        if self._custom:
            loaders.insert(0, jinja2.FileSystemLoader(self._custom))
        env = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=bool(self._custom),
        )
        env.filters.update(
            when=when,
            clock=clock,
            linked=linked,
            href=safe_href,
            plain=without_ansi,
            as_json=as_json,
            person=person,
            epoch=epoch,
        )
        env.globals.update(
            badge=badge,
            status_of=status_of,
            lasting=lasting,
            SIGNS=SIGNS,
            assets=static.version(),
            result_word=statusToString,
        )
        env.globals["m"] = env.get_template("macros.html").module
        return env

    def page(self, name: str, context: Mapping[str, Any]) -> str:
        """A whole page."""
        return self.env.get_template(name).render(context)

    def blocks(self, name: str, context: Mapping[str, Any]) -> dict[str, str]:
        """The parts of a page that change while it is looked at: its blocks named ``live_…``."""
        template = self.env.get_template(name)
        inner = template.new_context(dict(context))
        return {block: "".join(render(inner)) for block, render in template.blocks.items() if block.startswith("live_")}
