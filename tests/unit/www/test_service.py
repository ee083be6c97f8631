"""The web service follows its configuration."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from buildmaster.process import urls
from tests.unit.www.conftest import Web


def ports(web: Web) -> list[int]:
    """The ports that are listened on, workers' excepted."""
    return [port for port, *_ in web.kit.reactor.tcpServers if port != 9989]


def reconfig(web: Web, **www: Any) -> Any:
    web.www = www
    return web.kit.reconfig()


def test_the_port_may_change(web: Web) -> None:
    assert ports(web) == [8010]
    outcome = reconfig(web, port="tcp:8011:interface=127.0.0.1")
    assert outcome.ok, outcome.lines
    assert ports(web)[-1] == 8011
    assert web.master.www.port == "tcp:8011:interface=127.0.0.1:backlog=1024"


def test_without_a_port_there_is_no_server(make_web: Callable[..., Web]) -> None:
    web = make_web(port=None)
    assert ports(web) == []
    assert web.master.www.site is None


def test_the_long_queue_of_connections(web: Web) -> None:
    ((_, _, backlog, _),) = [server for server in web.kit.reactor.tcpServers if server[0] == 8010]
    assert backlog == 1024


def test_settings_are_followed(web: Web) -> None:
    reconfig(web, allowed_origins=["http://friend.org"], ws_ping_interval=5, logfileName="other.log")
    assert web.client.get("/api/v2/builders", origin="http://friend.org").status == 200
    assert web.master.www.site.logPath.endswith("/other.log")
    reconfig(web)
    assert web.client.get("/api/v2/builders", origin="http://friend.org").status == 400


def test_the_secret_of_sessions_is_made_once(web: Web) -> None:
    secret = web.kit.call(web.master.www.makeSessionSecret)
    assert len(secret) == 128
    assert web.kit.call(web.master.www.makeSessionSecret) == secret


def test_debugging_shows_errors_to_the_browser(make_web: Callable[..., Web]) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("broken on purpose")

    for debug in (False, True):
        web = make_web(debug=debug)
        web.master.data.get_with_resultspec = broken
        answer = web.client.get("/api/v2/builders")
        assert answer.status == 500
        assert ("broken on purpose" in answer.text) is debug


def test_urls_of_what_reporters_tell_about() -> None:
    master = SimpleNamespace(config=SimpleNamespace(buildbotURL="http://x/bb/"))
    assert urls.getURLForBuild(master, 3, 7) == "http://x/bb/builders/3/builds/7"
    assert urls.getURLForBuildrequest(master, 9) == "http://x/bb/buildrequests/9"
    assert urls.getURLForBuilder(master, 3) == "http://x/bb/builders/3"
    assert urls.getURLForStep(master, 3, 7, 0) == "http://x/bb/builders/3/builds/7#step-0"
    assert urls.getURLForLog(master, 3, 7, 0, "a b") == "http://x/bb/builders/3/builds/7/steps/0/logs/a%20b"
