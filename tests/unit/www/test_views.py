"""Waterfall, console and grid."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.www.pages.views import LEAST_GAP, MOST_GAP, labels, scale
from tests.unit.www.conftest import Web

VIEWS = {"waterfall_view": {}, "console_view": True, "grid_view": {}}


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    """Two changes; the first was built by both builders, the second by one, which is at it."""
    web = make_web(plugins=VIEWS)
    for revision, builders in (("aaa", ["b1", "b 2/ü"]), ("bbb", ["b1"])):
        change = web.update(
            "addChange", author="Ada <a@x>", revision=revision, branch="main", comments=f"make {revision}\nlong"
        )
        for builder in builders:
            build = build_change(web, change, builder)
            web.kit.advance(8)
            if revision == "aaa":
                web.update("finishBuild", build, SUCCESS if builder == "b1" else FAILURE)
            web.kit.advance(2)
    return web


def build_change(web: Web, change: int, builder: str) -> int:
    builderid = web.update("findBuilderId", builder)
    stamp = web.kit.get("changes", change)["sourcestamp"]["ssid"]
    _, requests = web.update("addBuildset", waited_for=False, sourcestamps=[stamp], builderids=[builderid])
    assert web.update("claimBuildRequests", [requests[builderid]])
    buildid: int = web.update("addBuild", builderid, requests[builderid], web.update("findWorkerId", "w1"))[0]
    return buildid


def cells(page: str) -> list[list[list[str]]]:
    """The links in each cell of each row of the matrix."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [row.split("<td ")[1:] for row in body.split("<tr ")[1:]]
    return [[re.findall(r'class="dot (\w+)" href="\./([^"]+)"', cell) for cell in row] for row in rows]


def test_console_shows_changes_by_builders(web: Web) -> None:
    page = web.client.get("/console").text
    assert re.findall(r'<tr id="change-(\d)"', page) == ["2", "1"]
    assert cells(page) == [
        [[], [("running", "builders/1/builds/2")]],
        [[("failure", "builders/2/builds/1")], [("success", "builders/1/builds/1")]],
    ]
    assert "make aaa" in page
    assert "long" not in page


def test_grid_shows_builders_by_source_stamps(web: Web) -> None:
    page = web.client.get("/grid").text
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    assert re.findall(r"<code>(\w+)</code>", head) == ["aaa", "bbb"]
    assert cells(page) == [
        [[("failure", "builders/2/builds/1")], []],
        [[("success", "builders/1/builds/1")], [("running", "builders/1/builds/2")]],
    ]
    assert "<option>main</option>" in page
    assert "No builds of other" in web.client.get("/grid?branch=other").text


def test_waterfall_shows_builds_over_time(web: Web) -> None:
    page = web.client.get("/waterfall").text
    blocks = re.findall(
        r'href="\./(builders/\d/builds/\d)" class="(\w+)">.*?<rect x="(\d+)" y="(\d+)" width="\d+" height="(\d+)"',
        page,
        re.S,
    )
    assert [block[:2] for block in blocks] == [
        ("builders/1/builds/2", "running"),
        ("builders/2/builds/1", "failure"),
        ("builders/1/builds/1", "success"),
    ]
    tops = [int(block[3]) for block in blocks]
    assert tops == sorted(tops)  # the newest on top
    assert blocks[0][2] == blocks[2][2] != blocks[1][2]  # a builder is a column
    assert tops[1] >= tops[0] + int(blocks[0][4])  # which began when the other had ended
    assert "style=" not in page


def test_only_builders_of_a_tag(web: Web) -> None:
    for page in ("waterfall", "console", "grid"):
        assert "builders/2" in web.client.get(f"/{page}").text
        assert "builders/2" not in web.client.get(f"/{page}?tag=t").text
        assert web.client.get(f"/{page}?tag=nothing").status == 200


def test_they_are_in_the_navigation_if_they_are_configured(web: Web, make_web: Callable[..., Web]) -> None:
    links = re.findall(r'<a href="\./(waterfall|console|grid)">', web.client.get("/builders").text)
    assert links == ["waterfall", "console", "grid"]
    plain = make_web(plugins={"grid_view": False})
    assert 'href="./grid"' not in plain.client.get("/builders").text
    for page, nothing in (("waterfall", "No builds yet"), ("console", "No changes yet"), ("grid", "No builds yet")):
        assert nothing in plain.client.get(f"/{page}").text


def test_a_view_may_be_the_front_page(make_web: Callable[..., Web]) -> None:
    assert make_web(default_page="#/grid").client.get("/").header("location") == "grid"


def test_they_follow_what_happens(web: Web) -> None:
    connection = web.client.open("GET", "/console?live=1")
    web.kit.advance(1)
    assert b"running" in connection.take()
    web.update("finishBuild", 3, SUCCESS)
    web.kit.advance(1)
    assert b"builders/1/builds/2" in (told := connection.take())
    assert b"running" not in told
    connection.hang_up()


def build(began: int, ended: int | None) -> dict[str, Any]:
    return {"started_at": began, "complete_at": ended, "complete": ended is not None}


def test_time_is_bent_so_that_a_night_takes_no_screen() -> None:
    places = scale([build(0, 10), build(100_000, 100_600), build(100_600, None)], 100_900)
    assert list(places) == [100_900, 100_600, 100_000, 10, 0]
    steps = [b - a for a, b in zip(places.values(), list(places.values())[1:], strict=False)]
    assert steps == [LEAST_GAP, 30, MOST_GAP, LEAST_GAP]
    assert [moment for moment, _ in labels(places)] == [100_900, 100_000, 10]


def test_nothing_built_is_nothing_shown() -> None:
    assert scale([], 5) == {}
