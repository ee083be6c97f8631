"""Badges: ``/badges/BUILDER.svg`` (and ``/plugins/badges/BUILDER.svg``) shows how a builder's last build went.

Options of ``c['www']['plugins']['badges']`` may be given for one picture as arguments of its URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.web.error import Error

from buildmaster.base.results import Results
from buildmaster.base.strings import bytes2unicode
from buildmaster.www import headers
from buildmaster.www.resource import Resource

log = Logger()

COLORS = {
    "exception": "#007ec6",
    "failure": "#e05d44",
    "retry": "#007ec6",
    "running": "#007ec6",
    "skipped": "#a4a61d",
    "success": "#4c1",
    "unknown": "#9f9f9f",
    "warnings": "#dfb317",
    "cancelled": "#9f9f9f",
}
DEFAULTS: dict[str, Any] = {
    "left_pad": 5,
    "left_text": "Build Status",
    "left_color": "#555",
    "right_pad": 5,
    "border_radius": 5,
    "style": "plastic",
    "template_name": "{style}.svg.j2",
    "font_face": "DejaVu Sans",
    "font_size": 11,
    "color_scheme": COLORS,
}
LARGEST = {"left_pad": 100, "right_pad": 100, "border_radius": 100, "font_size": 100}
LONGEST_TEXT = 100
HEIGHT = 20
TEMPLATE_DIRECTORIES = ("template", "templates")
"""Where own templates lie, below the master's directory."""

_HEX = re.compile(r"#?([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})\Z")
_WORD = re.compile(r"[A-Za-z]+\Z")
_FONT = re.compile(r"[\w ,'-]+\Z")
_TEMPLATE = re.compile(r"[\w.{}-]+\Z")
#: widths of letters in thousandths of the font's size; what is not here is as wide as an "n"
_NARROW = {**dict.fromkeys("iljI.,:;'|! ", 330), **dict.fromkeys("ftr()[]-/", 420), **dict.fromkeys("mwMW@%", 950)}


class BadOption(ValueError):
    """An option is not what it must be."""


def check(options: Any) -> list[str]:
    """A sentence for each mistake in the value of ``badges``."""
    where = "c['www']['plugins']['badges']"
    if options is True or options is None:
        return []
    if not isinstance(options, Mapping):
        return [f"{where} must be a dictionary"]
    errors = []
    for key, value in options.items():
        try:
            option(key, value)
        except BadOption as error:
            errors.append(f"{where}: {error}")
    return errors


def option(key: Any, value: Any) -> Any:
    """The value of an option as it is used; raises :class:`BadOption`."""
    if key in LARGEST:
        return _number(key, value)
    if key in ("left_color", "right_color"):
        return color(value)
    if key == "color_scheme":
        if not isinstance(value, Mapping) or not set(value) <= set(COLORS):
            raise BadOption(f"color_scheme must be a dictionary with colors for {', '.join(sorted(COLORS))}")
        return {**COLORS, **{name: color(one) for name, one in value.items()}}
    if key == "left_text":
        return str(value)[:LONGEST_TEXT]
    allowed = {"font_face": _FONT, "style": _TEMPLATE, "template_name": _TEMPLATE}.get(key)
    if allowed is None:
        raise BadOption(f"there is no option {key!r}; there are {', '.join(sorted([*DEFAULTS, 'right_color']))}")
    if not isinstance(value, str) or not allowed.match(value):
        raise BadOption(f"{key} can't be {value!r}")
    return value


def _number(key: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise BadOption(f"{key} is {value!r}: it must be a number")
    if not 0 <= number <= LARGEST[key]:
        raise BadOption(f"{key} is {number}: it must be a number from 0 to {LARGEST[key]}")
    return number


def color(value: Any) -> str:
    """A colour by its name or as hexadecimal digits, which need no ``#``."""
    found = _HEX.match(value) if isinstance(value, str) else None
    if found:
        return "#" + found.group(1)
    if isinstance(value, str) and _WORD.match(value):
        return value
    raise BadOption(f"{value!r} is no color")


def width_of(text: str, font_size: int) -> int:
    """About how wide a text is, in pixels; the picture makes it exactly so."""
    return round(sum(_NARROW.get(letter, 620) for letter in text) * font_size / 1000)


def picture(right_text: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a template is given: all options, and the measures that follow from them."""
    size = options["font_size"]
    lengths = [width_of(text, size) for text in (options["left_text"], right_text)]
    left, right = lengths[0] + 2 * options["left_pad"], lengths[1] + 2 * options["right_pad"]
    height = max(HEIGHT, size + 9)
    return {
        "right_color": options["color_scheme"][right_text],
        **options,
        "right_text": right_text,
        "left_width": left,
        "right_width": right,
        "width": left + right,
        "height": height,
        "baseline": round(height / 2 + size * 0.36),
        "shadow": options["style"] != "flat-square",
        "texts": [(options["left_text"], left / 2, lengths[0]), (right_text, left + right / 2, lengths[1])],
    }


class BadgesResource(Resource):
    """``/badges``."""

    isLeaf = True
    needsReconfig = True

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self._options: dict[str, Any] | None = None
        self._templates: Any = None

    def reconfigResource(self, new_config: Any) -> None:
        given = (new_config.www.get("plugins") or {}).get("badges", False)
        mine = given if isinstance(given, Mapping) else {}
        self._templates = None
        self._options = None if given is False else DEFAULTS | {key: option(key, mine[key]) for key in mine}

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self._answer)

    async def _answer(self, request: Any) -> bytes:
        if self._options is None:
            raise Error(404, b"There are no badges: c['www']['plugins']['badges'] is not set")
        name, dot, kind = "/".join(bytes2unicode(word) for word in request.postpath).rpartition(".")
        if not dot or kind not in ("svg", "png"):
            raise Error(404, b"A badge is called BUILDER.svg or BUILDER.png")
        options = self._options | self._asked(request)
        svg = self._draw(await self._status(request, name), options)
        headers.foreign(request)
        request.setHeader(b"cache-control", b"no-cache, max-age=0")
        if kind == "png":
            request.setHeader(b"content-type", b"image/png")
            return await self.master.in_thread(to_png, svg)
        request.setHeader(b"content-type", b"image/svg+xml; charset=utf-8")
        return svg

    def _asked(self, request: Any) -> dict[str, Any]:
        """The options in the URL."""
        try:
            pairs = ((bytes2unicode(key), bytes2unicode(values[0])) for key, values in request.args.items())
            return {key: option(key, value) for key, value in pairs}
        except BadOption as error:
            raise Error(400, str(error).encode())

    async def _status(self, request: Any, name: str) -> str:
        """The word for a builder's last build."""
        await self.www.assertUserAllowed(request, ("builders", name, "builds"), "get", {})
        builder = await self.master.data.get(("builders", name)) if name else None
        if builder is None:
            raise Error(404, b"There is no such builder")
        path = ("builders", builder["builderid"], "builds")
        builds = await self.master.data.get(path, order=["-number"], limit=1)
        if not builds:
            return "unknown"
        return Results[builds[0]["results"]] if builds[0]["complete"] else "running"

    def _draw(self, status: str, options: Mapping[str, Any]) -> bytes:
        import jinja2

        if self._templates is None:
            own = jinja2.FileSystemLoader([Path(self.master.basedir, one) for one in TEMPLATE_DIRECTORIES])
            ours = jinja2.PackageLoader("buildmaster.www", "badge_templates")
            loader = jinja2.ChoiceLoader([own, ours])
            self._templates = jinja2.Environment(
                loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
            )
        name = options["template_name"].replace("{style}", options["style"])
        try:
            template = self._templates.get_template(name)
        except jinja2.TemplateNotFound:
            raise Error(400, f"There is no template {name}".encode())
        text: str = template.render(picture(status, options))
        return text.encode()


def to_png(svg: bytes) -> bytes:
    """The picture as PNG; raises an Error (501) if the library for it is not installed."""
    try:
        import cairosvg  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except (ImportError, OSError):  # the package, or the library below it
        raise Error(501, b"PNG needs the package CairoSVG on the master (pip install CairoSVG); SVG does without")
    data: bytes = cairosvg.svg2png(bytestring=svg)
    return data
