"""``buildmaster dev-proxy``: another master's site with the web plugins of this installation, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from click.testing import CliRunner
from twisted.internet import defer, endpoints
from twisted.internet.threads import deferToThread
from twisted.web import resource, static

from buildmaster.cli.main import group
from buildmaster.plugins import schedulers, util, worker
from buildmaster.www.dev_proxy import Front, Remote, Site
from buildmaster.www.plugin import Application
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import reactor, run

pytestmark = pytest.mark.needs("requests")


def config() -> dict[str, Any]:
    """A master of which not everybody may change something."""
    rule = util.AnyControlEndpointMatcher(role="admins")
    return {
        "title": "Far & away",
        "buildbotURL": "http://localhost/",
        "workers": [worker.Worker("w", "pw")],
        "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=util.BuildFactory())],
        "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])],
        "www": {
            "port": "tcp:0:interface=127.0.0.1",
            "plugins": {"theirs": {"a": 1}},
            "auth": util.UserPasswordAuth({"ada": "pw"}),
            "authz": util.Authz([rule], [util.RolesFromUsername(["admins"], ["ada"])]),
        },
    }


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMaster]:
    """The other master."""
    with LiveMaster(tmp_path_factory.mktemp("far"), config) as live:
        yield live


class Proxy:
    """A running proxy, and a visitor."""

    def __init__(self, url: str, plugins: dict[str, Any], cookie: str | None = None) -> None:
        self.front = Front(Remote(url, reactor, cookie=cookie), plugins, {name: {"b": 2} for name in plugins})
        self.port = run(endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Site(self.front)))

    @property
    def host(self) -> str:
        return f"localhost:{self.port.getHost().port}"

    def ask(self, path: str, method: str = "get", session: Any = requests, **options: Any) -> requests.Response:
        call = getattr(session, method)
        return run(deferToThread(call, f"http://{self.host}{path}", timeout=20, allow_redirects=False, **options))


def of(far: LiveMaster, path: str = "") -> str:
    """An address of the other master."""
    return f"http://127.0.0.1:{far.master.www.getPortnum()}{path}"


def plugin(directory: Path) -> Any:
    """A web plugin with one file."""
    (directory / "view.js").write_text("my_view()")
    made = Application("buildmaster", "mine")
    made.resource = static.File(str(directory))
    return made


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    """What is in it is closed in the end."""
    made: list[Proxy] = []
    yield made
    for proxy in made:
        run(defer.maybeDeferred(proxy.port.stopListening))


@pytest.fixture
def proxy(far: LiveMaster, tmp_path: Path, proxies: list[Proxy]) -> Proxy:
    """A proxy with a plugin and without a cookie."""
    proxies.append(Proxy(of(far), {"my_view": plugin(tmp_path)}))
    return proxies[0]


def test_pages_and_data_are_the_other_masters(proxy: Proxy) -> None:
    page = proxy.ask("/about")
    assert "Far &amp; away" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert proxy.ask("/api/v2/masters?field=active").json()["masters"] == [{"active": True}]
    assert proxy.ask("/api/v2/nothing").status_code == 404


def test_plugins_and_static_files_are_of_this_installation(proxy: Proxy, far: LiveMaster) -> None:
    assert proxy.ask("/my_view/view.js").text == "my_view()"
    assert (
        proxy.ask("/static/any/site.css").text == run(deferToThread(requests.get, of(far, "/static/x/site.css"))).text
    )
    assert proxy.ask("/static/any/nothing.css").status_code == 404
    told = proxy.ask("/config").json()
    assert told["plugins"] == {"theirs": {"a": 1}, "my_view": {"b": 2}}
    assert (told["title"], told["buildbotURL"]) == ("Far & away", f"http://{proxy.host}/")


def test_a_visitor_logs_in_there_by_this_site(proxy: Proxy) -> None:
    session = requests.Session()
    assert proxy.ask("/config", session=session).json()["user"] == {"anonymous": True}
    answer = proxy.ask("/auth/login", session=session, auth=("ada", "pw"))
    assert answer.status_code == 302
    assert answer.headers["location"] == "../"
    assert "domain" not in answer.headers["set-cookie"].lower()
    assert proxy.ask("/config", session=session).json()["user"]["username"] == "ada"


def cookie(far: LiveMaster) -> str:
    """The session of somebody who has logged in."""
    session = requests.Session()
    run(deferToThread(session.get, of(far, "/auth/login"), auth=("ada", "pw"), allow_redirects=False))
    return session.cookies["TWISTED_SESSION"]


@pytest.mark.parametrize("spelling", ["{}", "other=1; TWISTED_SESSION={}"])
def test_a_cookie_from_a_browser(far: LiveMaster, proxies: list[Proxy], spelling: str) -> None:
    proxies.append(Proxy(of(far), {}, spelling.format(cookie(far))))
    assert proxies[0].ask("/config").json()["user"]["username"] == "ada"
    pause = {"jsonrpc": "2.0", "id": 1, "method": "pause", "params": {}}
    own = {"origin": f"http://{proxies[0].host}"}
    told = proxies[0].ask("/api/v2/workers/1", "post", json=pause, headers=own)
    assert told.status_code == 200, told.text
    assert "result" in told.json()
    assert far.get("workers", 1)["paused"]


def test_pages_of_strangers_cannot_use_it(far: LiveMaster, proxies: list[Proxy]) -> None:
    proxies.append(Proxy(of(far), {}, cookie(far)))
    strange = {"origin": "http://evil.example"}
    assert proxies[0].ask("/api/v2/builds/1", "post", json={}, headers=strange).status_code == 403
    assert proxies[0].ask("/config", headers={"host": "evil.example"}).status_code == 403
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", **strange}
    assert proxies[0].ask("/ws", headers=upgrade).status_code == 403


def test_events_come_as_they_happen(proxy: Proxy, far: LiveMaster) -> None:
    answer = proxy.ask("/sse/listen/workers/*/*", stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    lines = answer.iter_lines()
    assert run(deferToThread(until, lines, b"event: ")) == b"event: handshake"
    far.call(far.master.data.updates.set_worker_paused, 1, False)
    assert json.loads(run(deferToThread(until, lines, b"data: {"))[6:])["key"] == ["workers", "1", "state_updated"]
    answer.close()


def until(lines: Iterator[bytes], begins: bytes) -> bytes:
    """The next line that begins so."""
    return next(line for line in lines if line.startswith(begins))


class Talk(WebSocketClientProtocol):
    """A browser that pings once."""

    said: defer.Deferred[Any]

    def onOpen(self) -> None:
        self.sendMessage(json.dumps({"cmd": "ping", "_id": 7}).encode())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.said.callback(json.loads(payload))

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        if not self.said.called:
            self.said.errback(ConnectionError(reason))


def talk(proxy: Proxy) -> tuple[Any, Talk]:
    """What a WebSocket says to a ping, and the connection."""
    factory = WebSocketClientFactory(f"ws://{proxy.host}/ws", origin=f"http://{proxy.host}", reactor=reactor)
    factory.protocol = Talk
    Talk.said = defer.Deferred()
    end = run(endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", proxy.port.getHost().port).connect(factory))
    return run(Talk.said), end


def test_a_websocket(proxy: Proxy) -> None:
    answer, end = talk(proxy)
    assert answer == {"_id": 7, "msg": "pong", "code": 200}
    end.sendClose(1000)
    run(end.is_closed)


def test_the_other_master_is_not_there(proxies: list[Proxy]) -> None:
    free = run(endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Site(resource.Resource())))
    number = free.getHost().port
    run(free.stopListening())
    proxies.append(Proxy(f"http://127.0.0.1:{number}", {}))
    answer = proxies[0].ask("/about")
    assert answer.status_code == 502
    assert "The other master can&#x27;t be asked: ConnectionRefusedError" in answer.text
    assert proxies[0].ask("/config").status_code == 502
    with pytest.raises(ConnectionError, match="502"):
        talk(proxies[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-b", "ci.example.org"], "an address such as https://ci.example.org/ is needed"),
        (["--plugins", "{"], "--plugins is not JSON"),
        (["--plugins", "[]"], "a JSON object is needed"),
        (["-p", "nonsense:1"], "--port 'nonsense:1'"),
    ],
)
def test_what_cannot_be_meant(options: list[str], words: str) -> None:
    told = CliRunner().invoke(group, ["dev-proxy", *options])
    assert told.exit_code == 1
    assert words in told.output
