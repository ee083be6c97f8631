"""The dashboards of docs/howto/wsgi-dashboards.rst, in Flask and Bottle, on a real master and over real HTTP."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from twisted.internet.threads import deferToThread

from buildmaster.data.exceptions import InvalidPathError
from buildmaster.plugins import schedulers, util, worker
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import run

pytestmark = pytest.mark.needs("flask", "bottle", "requests")
HOWTO = Path(__file__).parents[2] / "docs" / "howto"


class Site:
    """A master with both dashboards and one of the test's."""

    def __init__(self, path: Path) -> None:
        self.log: list[Any] = []
        self.gate = threading.Event()
        self.live = LiveMaster(path, self.config)

    def config(self) -> dict[str, Any]:
        rule = util.AnyControlEndpointMatcher(role="admins")
        c: dict[str, Any] = {
            "title": "Dash",
            "buildbotURL": "http://localhost/",
            "workers": [worker.Worker("w", "pw")],
            "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
            "builders": [util.BuilderConfig(name="b<1>", workernames=["w"], factory=util.BuildFactory())],
            "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=["b<1>"])],
            "www": {
                "port": "tcp:0:interface=127.0.0.1",
                "plugins": {},
                "auth": util.UserPasswordAuth({"ada": "pw"}),
                "authz": util.Authz([rule], [util.RolesFromUsername(["admins"], ["ada"])]),
            },
        }
        for name in ("mydashboard.py", "queue_dashboard.py"):
            exec((HOWTO / name).read_text(), {"c": c, "__file__": str(HOWTO / name)})
        c["www"]["plugins"]["wsgi_dashboards"].append({"name": "own", "caption": "Own", "app": self.app, "order": 9})
        return c

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/hangs":
            self.gate.wait(60)
        if path == "/index.html" and environ["QUERY_STRING"] == "broken=1":
            raise RuntimeError("broken on purpose")
        status, found = "200 OK", [("Content-Type", "text/plain")]
        if environ["QUERY_STRING"] == "away=1":
            status, found = "302 Found", [("Location", "builders")]
        start_response(status, found)
        assert len(environ["buildbot_api"].dataGet("builders")) == 1
        return [f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']} {path}".encode()]

    def get(self, path: str, method: str = "get", session: Any = requests, **options: Any) -> requests.Response:
        url = f"http://127.0.0.1:{self.live.master.www.getPortnum()}{path}"
        return run(deferToThread(getattr(session, method), url, timeout=20, **options))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with site.live as live:
        updates = live.master.data.updates
        for owner in ("ada", None):
            stamp = {"codebase": "", "repository": "", "branch": None, "revision": None, "project": ""}
            live.call(
                updates.addBuildset,
                waited_for=False,
                builderids=[1],
                sourcestamps=[stamp],
                properties={"owner": (owner, "test")} if owner else {},
            )
        live.call(updates.claimBuildRequests, [1])
        live.call(updates.addBuild, 1, 1, 1)
        yield site
        site.gate.set()


def test_flask_in_a_page_of_the_site(site: Site) -> None:
    page = site.get("/mydashboard")
    assert page.status_code == 200
    assert "<title>My Dashboard – Dash</title>" in page.text
    assert "<th>b&lt;1&gt; #1</th><td>running</td>" in page.text.replace("\n", "")
    assert '<a href="./mydashboard" aria-current="page">My Dashboard</a>' in page.text
    order = [page.text.index(f'href="./{name}"') for name in ("about", "queue", "mydashboard", "own")]
    assert order == sorted(order)
    assert "'unsafe-inline'" in page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in site.get("/builders").headers["content-security-policy"]


def test_bottle_with_pages_of_its_own(site: Site) -> None:
    assert "1 requests wait, stranger." in site.get("/queue").text
    answer = site.get("/wsgi_dashboards/queue/first.json")
    assert (answer.headers["content-type"], answer.json()) == ("application/json", {"first": [1]})


def test_other_front_ends_find_them(site: Site) -> None:
    (flask, *_) = site.get("/config").json()["plugins"]["wsgi_dashboards"]
    assert (flask["name"], flask["icon"], flask["app"]) == ("mydashboard", "area-chart", "Flask")


def test_who_is_logged_in_is_told(site: Site) -> None:
    session = requests.Session()
    site.get("/auth/login", session=session, auth=("ada", "pw"), allow_redirects=False)
    assert "requests wait, ada." in site.get("/queue", session=session).text


def test_actions_need_their_role_and_come_from_this_site(site: Site) -> None:
    session = requests.Session()
    assert site.get("/wsgi_dashboards/own/do", "post").status_code == 403
    site.get("/auth/login", session=session, auth=("ada", "pw"), allow_redirects=False)
    strange = {"origin": "http://evil.org"}
    assert site.get("/wsgi_dashboards/own/do", "post", session, headers=strange).status_code == 403
    assert site.get("/wsgi_dashboards/own/do", "post", session).text == "POST /wsgi_dashboards/own /do"


def test_redirects_errors_and_what_is_not_there(site: Site) -> None:
    assert site.get("/own?away=1", allow_redirects=False).headers["location"] == "builders"
    broken = site.get("/own?broken=1")
    assert broken.status_code == 500
    assert "on purpose" not in broken.text
    for path in ("/nobody", "/wsgi_dashboards/nobody/x", "/wsgi_dashboards"):
        assert site.get(path).status_code == 404


def test_data_get_of_a_thread(site: Site) -> None:
    api = site.live.master.www.dashboards.dashboards.api

    def ask(*args: Any, **kwargs: Any) -> Any:
        return run(deferToThread(api.dataGet, *args, **kwargs))

    printed = "(path, filters=None, fields=None, order=None, limit=None, offset=None)"
    taken = inspect.signature(api.dataGet).parameters.values()
    assert str(inspect.Signature([one.replace(annotation=inspect.Parameter.empty) for one in taken])) == printed
    assert ask(("builders", "1", "builds", 1))["number"] == ask("/builders/1/builds/1").number == 1
    assert [row["buildrequestid"] for row in ask("buildrequests", order=["-buildrequestid"], limit=1)] == [2]
    assert [row["buildrequestid"] for row in ask("buildrequests", order=["-buildrequestid"], offset=1)] == [1]
    assert list(ask("builders", fields=["name"])) == [{"name": "b<1>"}]
    assert ask(("builds", 99)) is None
    with pytest.raises(InvalidPathError):
        ask("nothing/here")


def test_a_master_stops_though_an_application_hangs(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.live.__enter__()
    hanging = deferToThread(
        requests.get, f"http://127.0.0.1:{site.live.master.www.getPortnum()}/wsgi_dashboards/own/hangs"
    )
    hanging.addErrback(lambda _: None)
    run(site.live.master.www.dashboards.dashboards.run(lambda: None))
    from buildmaster.www import dashboards

    before, dashboards.STOP_SECONDS = dashboards.STOP_SECONDS, 0.2
    try:
        site.live.__exit__()
    finally:
        dashboards.STOP_SECONDS = before
        site.gate.set()
        run(hanging)
