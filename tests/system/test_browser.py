"""The pages in a real browser, with a real master and a real worker.

Nothing is ever reloaded: each page is marked when it is opened, and the mark has to be there at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require_tool
from tests.support.commands import RealMaster

pytestmark = [pytest.mark.needs("chromium", "playwright", "buildbot-worker"), pytest.mark.timeout(180)]

PATIENCE_MS = 40_000

# Each step prints what it was given, then waits for a file of its name that the test makes.
STEPS = """
def waiting(name, text):
    script = "echo " + text + "; while [ ! -e %(gates)s/" + name + " ]; do sleep 0.05; done; echo " + text + " is over"
    return steps.ShellCommand(name=name, command=["sh", "-c", script])
c["builders"] = [util.BuilderConfig(name="one", workernames=["local"], factory=util.BuildFactory(
    [waiting("first", "apples"), waiting("second", "pears")]))]
c["title"] = "Orchard"
"""
FIRST, SECOND = (f'li.step:has(b:text-is("{name}"))' for name in ("first", "second"))


@pytest.fixture
def browser() -> Iterator[Any]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require_tool("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """Where the files lie that let steps go on."""
    (tmp_path / "gates").mkdir()
    return tmp_path / "gates"


@pytest.fixture
def master(tmp_path: Path, gates: Path) -> Iterator[RealMaster]:
    """A master with one builder of two steps, running."""
    made = RealMaster(tmp_path / "master").create()
    made.configure(STEPS % {"gates": gates})
    made.start()
    yield made
    made.run("stop")


class Look:
    """One page that somebody looks at."""

    def __init__(self, browser: Any, url: str, path: str) -> None:
        self.page = browser.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.mistakes: list[str] = []
        self.page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        self.page.goto(url + path)
        self.mark()

    def mark(self) -> None:
        """What is shown from now on must come without a reload."""
        self.page.evaluate("window.mark = 1")

    def see(self, selector: str, text: str) -> None:
        """Wait for an element with this text."""
        self.page.locator(selector, has_text=text).first.wait_for()

    def ended(self) -> None:
        """The page was never reloaded, and no script of it failed."""
        assert self.page.evaluate("window.mark") == 1
        assert self.mistakes == []


def force(look: Look) -> None:
    """Press the button on the builder's page; ends on the page of the build."""
    look.page.click("details.force summary")
    look.page.fill("input[name=reason]", "hungry")
    look.page.click("details.force button.main")
    look.page.wait_for_url("**/builds/*")
    look.mark()


def test_steps_and_log_lines_appear_without_reload_and_go_on_after_a_restart(
    master: RealMaster, browser: Any, gates: Path
) -> None:
    """A build, its log and the front page are looked at while the build runs and the master is restarted."""
    url = f"http://127.0.0.1:{master.web}/"
    front = Look(browser, url, "")
    build = Look(browser, url, "builders/1")
    force(build)
    build.see(f"{FIRST} .tail", "apples")
    front.see("#live_running", "one #1")
    log = Look(browser, url, "builders/1/builds/1/steps/first/logs/stdio")
    log.see(".row.stdout", "apples")

    (gates / "first").touch()
    log.see(".row.stdout", "apples is over")
    build.see(f"{FIRST} .badge", "success")
    build.see(f"{SECOND} .tail", "pears")

    (gates / "first").unlink()
    assert master.run("restart").returncode == 0, master.log()
    build.see("h1 .badge", "retry")
    build.see(".retried", "#2")
    front.see("#live_running", "one #2")
    front.see("#live_recent", "one #1")
    for look in (front, build, log):
        look.ended()

    again = Look(browser, url, "builders/1/builds/2")
    again.see(f"{FIRST} .tail", "apples")
    assert master.run("restart").returncode == 0, master.log()
    again.see("h1 .badge", "retry")
    front.see("#live_running", "one #3")
    third = Look(browser, url, "builders/1/builds/3")
    third.see(f"{FIRST} .tail", "apples")
    third_log = Look(browser, url, "builders/1/builds/3/steps/first/logs/stdio")
    (gates / "first").touch()
    third_log.see(".row.stdout", "apples is over")
    (gates / "second").touch()
    third.see("h1 .badge", "success")
    front.see("#live_recent", "one #3")
    for look in (front, again, third, third_log):
        look.ended()


def test_a_build_is_forced_and_stopped_from_the_page(master: RealMaster, browser: Any) -> None:
    url = f"http://127.0.0.1:{master.web}/"
    look = Look(browser, url, "#/builders/1")  # as Buildbot's links are
    look.page.wait_for_url(url + "builders/1")
    views = [Look(browser, url, f"#/{name}") for name in ("waterfall", "grid")]
    for view, name in zip(views, ("waterfall", "grid"), strict=True):
        view.page.wait_for_url(url + name)
        view.mark()
    force(look)
    look.see(f"{FIRST} .tail", "apples")
    for view, block in zip(views, ("svg a.running text", "a.dot.running"), strict=True):
        view.see(block, "1")
        assert view.page.locator(block).bounding_box()["width"] > 5
    look.page.fill("input[name=reason]", "not hungry any more")
    look.page.click("button.danger")
    look.see("h1 .badge", "cancelled")
    look.see("#live_more", "hungry")
    assert look.mistakes == []
    for view, block in zip(views, ("svg a.cancelled text", "a.dot.cancelled"), strict=True):
        view.see(block, "1")
        view.ended()


def test_pages_can_be_used_without_scripts(master: RealMaster, browser: Any, gates: Path) -> None:
    url = f"http://127.0.0.1:{master.web}/"
    (gates / "first").touch()
    (gates / "second").touch()
    page = browser.new_context(java_script_enabled=False).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url + "builders/1")
    page.click("details.force summary")
    page.click("details.force button.main")
    page.wait_for_url("**/builds/*")
    while "running" in page.inner_text("h1"):
        page.reload()
    assert "success" in page.inner_text("h1")
    page.click(f"{FIRST} a.log")
    assert "apples is over" in page.inner_text("pre.plain-log")
    assert page.locator(".row.stdout a.n").first.get_attribute("href").startswith("#L")


def test_a_long_log_is_shown_by_windows(master: RealMaster, browser: Any, gates: Path) -> None:
    """Only the rows that are seen are in the page, wherever one goes in 200,000 lines."""
    step = 'steps.ShellCommand(name="seq", command=["sh", "-c", "seq 1 200000; echo needle"])'
    master.configure(
        f'c["builders"] = [util.BuilderConfig(name="one", workernames=["local"], factory=util.BuildFactory([{step}]))]'
    )
    assert master.run("reconfig").returncode == 0
    url = f"http://127.0.0.1:{master.web}/"
    build = Look(browser, url, "builders/1")
    force(build)
    build.see("h1 .badge", "success")
    log = Look(browser, url, "builders/1/builds/1/steps/seq/logs/stdio")
    log.see(".row.stdout", "12")
    log.page.get_by_role("button", name="End").click()
    log.see(".row.stdout", "needle")
    log.page.get_by_label("Go to line").fill("100000")
    log.page.get_by_label("Go to line").press("Enter")
    log.see("#L100000.selected", "99")
    log.page.get_by_label("Search in the log").fill("NEEDLE")
    log.page.get_by_label("Search in the log").press("Enter")
    log.see(".row.hit mark", "needle")
    assert log.page.locator(".log-rows .row").count() < 200
    log.ended()


def test_a_page_hears_of_builds_by_websocket(master: RealMaster, browser: Any) -> None:
    url = f"http://127.0.0.1:{master.web}/"
    look = Look(browser, url, "about")
    look.page.evaluate(
        """() => new Promise((resolve) => {
            window.all = new Promise((resolve) => { window.told = resolve; });
            const heard = [];
            const socket = new WebSocket(new URL("ws", location.href).href.replace("http", "ws"));
            socket.onopen = () => socket.send(JSON.stringify({cmd: "startConsuming", path: "builds/*/new", _id: 7}));
            socket.onmessage = (event) => {
                heard.push(JSON.parse(event.data));
                if (heard.length == 1) resolve();
                if (heard.length == 2) window.told(heard);
            };
        })"""
    )
    master.control("forceschedulers/force", "force", builderid=1)
    answer, event = look.page.evaluate("window.all")
    assert answer == {"_id": 7, "msg": "OK", "code": 200}
    assert event["k"] == "builds/1/new"
    assert event["m"]["number"] == 1
