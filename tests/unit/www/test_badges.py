"""Badges: pictures of how a builder's last build went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS
from buildmaster.plugins import util
from buildmaster.www.settings import check
from tests.unit.www.conftest import Web

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def badges(make_web: Callable[..., Web]) -> Web:
    return make_web(plugins={"badges": {"left_color": "#222"}})


def texts(svg: str) -> list[str | None]:
    """The texts in a picture, without their shadows."""
    root = ElementTree.fromstring(svg)
    return [text.text for text in root.iter(f"{SVG}text") if "aria-hidden" not in text.attrib]


def fills(svg: str) -> list[str | None]:
    return [rect.get("fill") for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")]


def test_it_shows_the_last_build(badges: Web) -> None:
    def shown() -> list[str | None]:
        answer = badges.client.get("/badges/b1.svg")
        assert (answer.status, answer.header("content-type")) == (200, "image/svg+xml; charset=utf-8")
        assert "no-cache" in (answer.header("cache-control") or "")
        assert "sandbox" in (answer.header("content-security-policy") or "")
        return texts(answer.text)

    assert shown() == ["Build Status", "unknown"]
    for results, word in ((SUCCESS, "success"), (FAILURE, "failure"), (EXCEPTION, "exception")):
        build = badges.add_build()
        assert shown() == ["Build Status", "running"]
        badges.update("finishBuild", build["buildid"], results)
        assert shown() == ["Build Status", word]


def test_both_addresses_and_any_name(badges: Web) -> None:
    assert badges.client.get("/plugins/badges/b1.svg").text == badges.client.get("/badges/b1.svg").text
    assert badges.client.get("/badges/b%202%2F%C3%BC.svg").status == 200
    for path in ("/badges/nobody.svg", "/badges/b1", "/badges/b1.gif", "/badges/.svg", "/plugins/other/x", "/plugins"):
        assert badges.client.get(path).status == 404


def test_options_of_the_configuration_and_of_the_url(badges: Web) -> None:
    assert "#222" in fills(badges.client.get("/badges/b1.svg").text)
    svg = badges.client.get("/badges/b1.svg?left_color=abc&left_text=a%3Cb&style=flat-square&left_pad=50").text
    assert texts(svg) == ["a<b", "unknown"]
    assert "#abc" in fills(svg)
    pictures = {badges.client.get(f"/badges/b1.svg?style={style}").text for style in ("flat", "plastic", "badgeio")}
    assert len(pictures) == 2  # badgeio is flat, with other measures


def test_what_an_option_can_not_be(badges: Web) -> None:
    wrong = ["style=../../secrets", "style=nosuch", "left_pad=x", "left_pad=999", "left_color=url(x)", "x=1"]
    for query in [*wrong, "color_scheme=red", "template_name=/etc/passwd", 'font_face=a"b']:
        assert (query, badges.client.get(f"/badges/b1.svg?{query}").status) == (query, 400)


def test_own_templates(badges: Web) -> None:
    directory = Path(badges.basedir, "template")
    directory.mkdir()
    (directory / "mine.svg.j2").write_text("<svg>{{ right_text }} {{ right_color }} {{ width }}</svg>")
    assert badges.client.get("/badges/b1.svg?style=mine").text.startswith("<svg>unknown #9f9f9f 1")


@pytest.mark.needs("cairosvg")
def test_png(badges: Web) -> None:
    answer = badges.client.get("/badges/b1.png")
    assert (answer.status, answer.header("content-type")) == (200, "image/png")
    assert answer.body.startswith(b"\x89PNG")


def test_png_without_its_library_is_told(badges: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)
    answer = badges.client.get("/badges/b1.png")
    assert (answer.status, "pip install CairoSVG" in answer.text) == (501, True)


def test_without_the_plugin_there_are_none(web: Web) -> None:
    assert web.client.get("/badges/b1.svg").status == 404


def test_the_rules_hold_for_them(make_web: Callable[..., Web]) -> None:
    rules = util.Authz([util.AnyEndpointMatcher(role="staff")], [])
    assert make_web(plugins={"badges": {}}, authz=rules).client.get("/badges/b1.svg").status == 403


def app(environ: Any, start_response: Any) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("plugins", "told"),
    [
        ({"badges": []}, "c['www']['plugins']['badges'] must be a dictionary"),
        ({"badges": {"lef_pad": 1}}, "there is no option 'lef_pad'"),
        ({"badges": {"left_pad": -1}}, "left_pad is -1: it must be a number from 0 to 100"),
        (
            {"badges": {"color_scheme": {"green": "#fff"}}},
            "color_scheme must be a dictionary with colors for cancelled",
        ),
        ({"badges": {"color_scheme": {"success": 5}}}, "5 is no color"),
        ({"wsgi_dashboards": {}}, "must be a list of dictionaries"),
        ({"wsgi_dashboards": ["x"]}, "[0]: it must be a dictionary"),
        ({"wsgi_dashboards": [{"name": "x"}]}, "[0]: 'app' must be a WSGI application"),
        ({"wsgi_dashboards": [{"name": "a/b", "app": app}]}, "'name' is 'a/b': it must be a word"),
        ({"wsgi_dashboards": [{"name": "builders", "app": app}]}, "which is a page of the site"),
        ({"wsgi_dashboards": [{"name": "x", "app": app, "url": 1}]}, "unknown key 'url'"),
        ({"wsgi_dashboards": [{"name": "x", "app": app}] * 2}, "[1]: there is a dashboard 'x' before it"),
        ({"wsgi_dashboards": [{"name": "x", "app": app, "order": "1"}]}, "'order' must be a number"),
    ],
)
def test_mistakes_in_options_of_plugins_are_told(plugins: dict[str, Any], told: str) -> None:
    (message,) = check({"plugins": plugins})
    assert told in message


@pytest.mark.parametrize(
    "plugins",
    [
        {"badges": {"color_scheme": {"skipped": "a4a61d"}}, "waterfall_view": {}, "console_view": True},
        {"badges": True, "grid_view": {"a": 1}, "wsgi_dashboards": False},
        {"wsgi_dashboards": [{"name": "x", "caption": "X", "app": app, "order": 5, "icon": "area-chart"}]},
    ],
)
def test_options_that_are_right(plugins: dict[str, Any]) -> None:
    assert check({"plugins": plugins}) == []
