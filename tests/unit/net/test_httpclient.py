"""The HTTP client, against a real web resource without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet import task
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from buildmaster import service
from buildmaster.base.aio import DeadlineExceeded
from buildmaster.base.errors import ConfigErrors
from buildmaster.testing.sync import failure_of, outcome_of, result_of
from buildmaster.util.httpclientservice import HTTPClientService


class Echo(Resource):
    """Answers with what it was asked."""

    isLeaf = True

    def render(self, request: Any) -> Any:
        if request.path == b"/api/hang":
            return NOT_DONE_YET
        request.setResponseCode(201 if request.method == b"POST" else 200)
        headers = {key.decode(): values for key, values in request.requestHeaders.getAllRawHeaders()}
        wanted = {
            name: headers[name][0].decode() for name in ("X-Token", "Content-Type", "Authorization") if name in headers
        }
        asked = {
            "method": request.method.decode(),
            "uri": request.uri.decode(),
            "body": request.content.read().decode(),
            "headers": wanted,
        }
        return json.dumps(asked).encode()


class Client(HTTPClientService):
    """Talks to :class:`Echo`."""

    def _agent(self) -> Any:
        return RequestTraversalAgent(Echo())


@pytest.fixture
def master():
    made = service.MasterService()
    made.reactor = task.Clock()
    result_of(made.startService())
    return made


def client(master: Any, **kwargs: Any) -> Any:
    return result_of(Client.getService(master, "http://h.example/api/", **kwargs))


def asked(response: Any) -> Any:
    return result_of(result_of(response).json())


def test_an_endpoint_is_appended_to_the_address(master):
    assert asked(client(master).get("/builds", params={"a": "1 2"})) == {
        "method": "GET",
        "uri": "/api/builds?a=1+2",
        "body": "",
        "headers": {},
    }
    response = result_of(client(master).get("/builds"))
    assert (response.code, response.url) == (200, "http://h.example/api/builds")
    with pytest.raises(ValueError, match="the endpoint 'builds' must begin with '/'"):
        client(master).get("builds")


def test_bodies(master):
    http = client(master)
    answer = asked(http.post("/x", json={"ä": 1}))
    assert json.loads(answer["body"]) == {"ä": 1}
    assert answer["headers"] == {"Content-Type": "application/json"}
    assert asked(http.put("/x", data=b"raw"))["body"] == "raw"
    assert asked(http.post("/x", data={"a": "b"}))["headers"] == {"Content-Type": "application/x-www-form-urlencoded"}
    assert result_of(http.post("/x")).code == 201
    assert asked(http.delete("/x"))["method"] == "DELETE"
    failure_of(http.post("/x", data=b"", json={}), ValueError)


def test_headers_and_credentials_go_with_every_request(master):
    http = client(master, headers={"X-Token": "one"}, auth=("user", "pass"))
    assert asked(http.get("/x"))["headers"] == {"X-Token": "one", "Authorization": "Basic dXNlcjpwYXNz"}
    assert asked(http.get("/x", headers={"X-Token": "two"}))["headers"]["X-Token"] == "two"
    http.updateHeaders({"X-Token": "three"})
    assert asked(http.get("/x"))["headers"]["X-Token"] == "three"


def test_a_request_has_a_deadline(master):
    outcome = outcome_of(client(master).get("/hang", timeout=5))
    master.reactor.advance(4.9)
    assert outcome == []
    master.reactor.advance(0.1)
    assert str(outcome[0].value) == "GET http://h.example/api/hang gave no answer within 5 s"


def test_no_more_than_so_many_at_a_time(master):
    http = client(master)
    waiting = [outcome_of(http.get("/hang", timeout=5)) for _ in range(http.MAX_THREADS)]
    last = outcome_of(http.get("/x"))
    assert last == []
    master.reactor.advance(5)
    assert [one[0].type for one in waiting] == [DeadlineExceeded] * http.MAX_THREADS
    assert last[0].code == 200


def test_equal_arguments_share_a_client(master):
    assert client(master) is client(master)
    assert client(master) is not client(master, headers={"X-Token": "one"})
    result_of(master.stopService())


def test_credentials_that_are_no_pair():
    with pytest.raises(
        ConfigErrors, match=r"HTTPClientService: auth must be a pair \(user, password\), not an object of str"
    ):
        HTTPClientService("http://h", auth="user:pass")  # type: ignore[arg-type]


def test_a_session_talks_over_a_real_socket(tmp_path):
    """In a process of its own, since it needs a running reactor."""
    program = """
from types import SimpleNamespace
import buildmaster
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site
from buildbot.util.httpclientservice import HTTPSession

class Echo(Resource):
    isLeaf = True
    def render(self, request):
        token = request.getHeader("X-Token").encode()
        return b"%s %s %s%s" % (request.method, request.uri, token, request.content.read())

async def ask():
    port = reactor.listenTCP(0, Site(Echo()), interface="127.0.0.1")
    http = SimpleNamespace(master=SimpleNamespace(reactor=reactor))
    session = HTTPSession(http, f"http://127.0.0.1:{port.getHost().port}/", headers={"X-Token": "one"})
    session.update_headers({"X-Token": "two"})
    for response in [await session.get("/a"), await session.put("/b"), await session.delete("/c"),
                     await session.post("/d", json={"e": 1})]:
        print(response.code, (await response.content()).decode())
    await port.stopListening()

from twisted.internet.defer import ensureDeferred
reactor.callWhenRunning(lambda: ensureDeferred(ask()).addErrback(lambda f: f.printTraceback())
                        .addBoth(lambda _: reactor.stop()))
reactor.run()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (
        '200 GET /a two\n200 PUT /b two\n200 DELETE /c two\n200 POST /d two{"e": 1}\n',
        "",
    )
