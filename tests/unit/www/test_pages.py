"""The pages: what they show, and that they change while they are looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildmaster.www.pages.live import AT_LATEST_SECONDS, EVERY_SECONDS
from tests.unit.www.conftest import Web
from tests.unit.www.test_events import Listener


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture
def busy(web: Web) -> Web:
    """A running build with a step and a log, a waiting request, and a change."""
    build = web.add_build()
    web.update("setBuildProperty", build["buildid"], "owner", "me@x.org", "test")
    step = web.add_step(build["buildid"])
    web.update("addStepURL", step, "docs", "http://docs.example/")
    web.update("addStepURL", step, "evil", "javascript:alert(1)")
    web.add_log(step, "hmake all\noone <b>\neoops\n")
    web.add_request()
    web.update(
        "addChange",
        author="Ada <ada@x.org>",
        comments="Fix <script>\nin full",
        revision="abcdef0123456789",
        revlink="https://r/abc",
        branch="main",
        files=["a.c"],
        when_timestamp=1_500_000_000,
    )
    return web


PAGES = [
    ("/", ["1 build running", "b1 #1", "3 requests waiting", "0 of 1 worker", "b1 ▶ running", "no build lately"]),
    ("/builders", ["b1", "b 2/ü", "running", "no build yet"]),
    ("/builders?q=2", ["b 2/ü"]),
    ("/builders?tag=t", ["b1"]),
    ("/builders/1", ["Waiting", "#1", "w1"]),
    ("/builders/b%202%2F%C3%BC", ["No build yet"]),
    ("/builders/1/builds/1", ["compile", "stdio 3 lines…", "docs", "because &lt;b&gt;", "me@x.org", "make all one"]),
    ("/builders/1/builds/1/steps/0/logs/stdio", ["make all", "one &lt;b&gt;", "oops", "3 lines, running"]),
    ("/builders/b1/builds/1/steps/compile/logs/stdio", ["make all"]),
    ("/changes", ["Fix &lt;script&gt;", "Ada", "abcdef012345"]),
    ("/changes/1", ["in full", "a.c", "main"]),
    ("/workers", ["w1", "not connected", "b1 #1"]),
    ("/workers/w1", ["b1 #1"]),
    ("/pendingbuildrequests", ["3 requests waiting"]),
    ("/buildrequests/2", ["No worker has taken it yet"]),
    ("/schedulers", ["any", "Switch off"]),
    ("/about", ["Buildmaster", "Twisted", "active"]),
]


@pytest.mark.parametrize(("path", "shown"), PAGES, ids=[path for path, _ in PAGES])
def test_what_a_page_shows(busy: Web, path: str, shown: list[str]) -> None:
    answer = busy.client.get(path)
    assert answer.status == 200, answer.text
    text = text_of(answer.text)
    for part in shown:
        assert part in text
    assert "<script>" not in answer.text.replace("<script ", "")


def test_what_builds_and_strangers_wrote_is_harmless(busy: Web) -> None:
    page = busy.client.get("/builders/1/builds/1")
    assert "javascript:" not in page.text
    policy = page.header("content-security-policy") or ""
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.header("x-frame-options") == "DENY"
    for unsafe in (" style=", "onclick=", "<style"):
        assert unsafe not in page.text


def test_links_work_below_any_prefix(busy: Web) -> None:
    for path in ("/", "/builders", "/builders/1/builds/1/steps/0/logs/stdio"):
        links = re.findall(r'(?:href|src|action)="([^"#]+)', busy.client.get(path).text)
        assert links
        assert [link for link in links if link.startswith("/")] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nosuch", 404),
        ("/builders/99", 404),
        ("/builders/1/builds/99", 404),
        ("/builders/1/builds/x", 404),
        ("/builders/1/builds/1/steps/9/logs/stdio", 404),
        ("/builders/1/builds/1/steps/0/logs/none", 404),
        ("/changes/99", 404),
        ("/workers/none", 404),
        ("/builders/%FF", 404),
    ],
)
def test_what_is_not_there(busy: Web, path: str, status: int) -> None:
    answer = busy.client.get(path)
    assert answer.status == status
    assert "Not found" in answer.text


def test_a_request_leads_to_its_build(busy: Web) -> None:
    answer = busy.client.get("/buildrequests/1")
    assert (answer.status, answer.header("location")) == (302, "../builders/1/builds/1")
    assert busy.client.get("/buildrequests/1?stay=1").status == 200


def test_a_slash_too_many(busy: Web) -> None:
    assert busy.client.get("/builders/1/").header("location") == "../1"


def test_another_front_page(make_web: Callable[..., Web]) -> None:
    assert make_web(default_page="builders").client.get("/").header("location") == "builders"
    assert "Recent builds" in make_web(default_page="settings").client.get("/").text


def test_own_templates_go_before_ours(make_web: Callable[..., Web], tmp_path: Path) -> None:
    (tmp_path / "0").mkdir(exist_ok=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "about.html").write_text("{% extends 'base.html' %}{% block main %}Our house{% endblock %}")
    (tmp_path / "0").rmdir()
    web = make_web(custom_templates_dir=str(tmp_path / "mine"))
    assert "Our house" in web.client.get("/about").text
    assert "<h1>Builders</h1>" in web.client.get("/builders").text


def test_colours_of_the_configuration(make_web: Callable[..., Web]) -> None:
    theme = {"bb-sidebar-background-color": "#123456", "x": "red;} body{display:none"}
    web = make_web(theme=theme)
    assert web.client.get("/theme.css").text == ":root{--bb-sidebar-background-color:#123456}\n"
    assert "theme.css" in web.client.get("/").text


def test_an_open_master_says_so(busy: Web) -> None:
    assert "Everybody who reaches this page" in busy.client.get("/").text


# -- live --------------------------------------------------------------------------------------------------------------


def live(web: Web, path: str) -> Listener:
    """A browser that has just been given this page."""
    return live_of(web, path, web.client.get(path).text)


def live_of(web: Web, path: str, page: str) -> Listener:
    """A browser that shows this page."""
    connect = re.search(r'sse-connect="([^"]+)"', page)
    assert connect
    return Listener(web, path.partition("?")[0] + connect.group(1).replace("&amp;", "&"))


def parts(web: Web, listener: Listener) -> dict[str, str]:
    """The parts that came, by name, once the page's pace allows them."""
    web.kit.advance(EVERY_SECONDS)
    return {event["name"]: event["data"] for event in listener.events()}


def test_a_browser_is_sent_every_part_once_and_then_what_changes(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    assert set(parts(busy, listener)) == {"live_summary", "live_steps", "live_more"}
    assert parts(busy, listener) == {}
    busy.update("appendLog", 1, "oanother line\n")
    changed = parts(busy, listener)
    assert "another line" in changed["live_steps"]
    assert "live_more" not in changed


def test_a_commit_that_is_seen_before_it_is_told_of_is_not_lost(busy: Web) -> None:
    """A page is made, then a build ends; the stream's first loading sees that while the journal has not told of it."""
    journal = busy.master.journal
    page = busy.client.get("/builders/1/builds/1").text
    assert "running" in page
    told, journal.db.on_facts = journal.db.on_facts, lambda facts: kept.append(facts)
    kept: list[Any] = []
    busy.update("finishBuild", 1, 0)
    listener = live_of(busy, "/builders/1/builds/1", page)
    first = parts(busy, listener)
    journal.db.on_facts = told
    for facts in kept:
        told(facts)
    assert "success" in {**first, **parts(busy, listener)}["live_summary"]


def test_a_page_that_could_not_be_loaded_is_tried_again(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    parts(busy, listener)
    (view,) = busy.master.www.site.resource.views.values()
    load = view._load

    async def broken() -> Any:
        view._load = load
        raise OSError("the disk hiccuped")

    view._load = broken
    busy.update("setBuildStateString", 1, "after the hiccup")
    assert parts(busy, listener) == {}
    busy.kit.advance(AT_LATEST_SECONDS)
    assert "after the hiccup" in parts(busy, listener)["live_summary"]


def test_steps_and_log_lines_appear(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    parts(busy, listener)
    busy.update("appendLog", 1, "oanother line\n")
    assert "another line" in parts(busy, listener)["live_steps"]
    second = busy.add_step(1, "test")
    assert "test" in parts(busy, listener)["live_steps"]
    busy.add_log(second, "onew log\n")
    assert "new log" in parts(busy, listener)["live_steps"]
    busy.update("appendLog", 2, "omore of it\n")
    assert "more of it" in parts(busy, listener)["live_steps"]


def test_the_end_of_a_build_is_shown(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    busy.update("finishStep", 1, 0, False)
    busy.update("setBuildStateString", 1, "all done")
    busy.update("finishBuild", 1, 0)
    shown = parts(busy, listener)
    assert "all done" in shown["live_summary"]
    assert "Rebuild" in shown["live_summary"]
    assert "success" in shown["live_steps"]


def test_steps_of_a_build_that_was_cut_off_do_not_run_for_ever(busy: Web) -> None:
    busy.update("addStep", 1, "later")
    busy.update("finishBuild", 1, 5)
    text = text_of(busy.client.get("/builders/1/builds/1").text)
    assert "not finished compile" in text
    assert "not run later" in text


def test_a_burst_of_events_is_shown_at_once(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    parts(busy, listener)
    for n in range(50):
        busy.update("setBuildStateString", 1, f"at {n}")
    sent = [event for event in listener.events() if event["name"] == "live_summary"]
    assert len(sent) <= 1
    assert "at 49" in parts(busy, listener)["live_summary"]


def test_a_browser_that_comes_back_sees_the_present(busy: Web) -> None:
    listener = live(busy, "/builders/1/builds/1")
    listener.connection.hang_up()
    busy.update("setBuildStateString", 1, "while away")
    again = Listener(busy, "/builders/1/builds/1?live=1", last=2)
    assert "while away" in parts(busy, again)["live_summary"]


def test_after_a_restart_the_page_goes_on(busy: Web) -> None:
    position = busy.master.journal.head
    busy.kit.stop()
    again = Web(busy.basedir, busy.www)
    busy.kit = again.kit
    listener = Listener(again, "/builders/1/builds/1?live=1", last=position)
    shown = parts(again, listener)
    assert "retry" in shown["live_summary"]


def test_visitors_of_one_page_share_its_loading(busy: Web) -> None:
    first, second = live(busy, "/builders/1"), live(busy, "/builders/1")
    root = busy.master.www.site.resource
    assert len(root.views) == 1
    busy.add_build()
    assert "#2" in parts(busy, first)["live_builds"]
    assert "#2" in {event["name"]: event["data"] for event in second.events()}["live_builds"]
    first.connection.hang_up()
    second.connection.hang_up()
    assert root.views == {}


def test_the_front_page_lives(web: Web) -> None:
    listener = live(web, "/")
    web.add_build()
    shown = parts(web, listener)
    assert "b1" in shown["live_running"]
    assert "1</b> build running" in shown["live_numbers"]


def test_a_page_whose_thing_is_gone_ends_its_connection(busy: Web) -> None:
    listener = live(busy, "/builders/1")
    root = busy.master.www.site.resource
    (view,) = root.views.values()

    async def gone() -> Any:
        from buildmaster.www.pages.visit import NotFound

        raise NotFound("gone")

    view._load = gone
    busy.add_build()
    busy.kit.advance(EVERY_SECONDS)
    assert listener.connection.take().endswith(b"0\r\n\r\n")
    assert root.views == {}
