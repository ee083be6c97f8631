"""HTTPStep against a real HTTP server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.properties import Property, Secret
from buildmaster.steps import http
from tests.support.farm import Farm

pytestmark = pytest.mark.needs("buildbot-worker")


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(size).decode("latin-1"),
        }
        self.server.seen.append(seen)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/there")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"gone" if "gone" in self.path else json.dumps({"ok": True}).encode()
        self.send_response(404 if "gone" in self.path else 200)
        self.send_header("X-Token", "hush")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.seen = []
    running.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def test_requests(server, tmp_path):
    farm = Farm(tmp_path / "farm")
    farm.directory = "b"
    called = []
    steps = [
        http.POST(
            server.url + "/form",
            data={"builder": Property("buildername")},
            params={"q": "1 2"},
            auth=("u", "p"),
            headers={"X-Key": "k"},
            hide_request_headers=["x-key"],
            hide_response_headers=["X-Token"],
            cookies={"c": "1"},
        ),
        http.PUT(server.url + "/json", json={"n": Property("buildnumber")}),
        http.GET(server.url + "/moved", hooks={"response": lambda response: called.append(response.url)}),
        http.GET(server.url + "/moved", allow_redirects=False),
        http.POST(server.url + "/files", files={"f": ("n.txt", "content", "text/plain")}),
        http.HEAD(server.url + "/x"),
        http.OPTIONS(server.url + "/x", stream=True),
        http.HTTPStep("http://other.example/proxied", method="DELETE", proxies={"http": server.url}),
        http.GET(server.url + "/gone"),
        http.GET("http://127.0.0.1:1/", timeout=5),
    ]
    for step in steps:
        step.set_step_arg("alwaysRun", True)
        step.set_step_arg("haltOnFailure", False)
    with farm.live:
        build = farm.build(*steps)
        made = farm.live.get("builds", build["buildid"], "steps", order=("number",))
        made = [step for step in made if step["name"].startswith("HTTPStep")]
        assert [step["results"] for step in made] == [SUCCESS] * 8 + [FAILURE] * 2
        assert [step["state_string"] for step in made][-3:] == [
            "Status code: 200",
            "Status code: 404 (failure)",
            "Request failed (failure)",
        ]
        log = farm.live.get("logs", farm.live.get("steps", made[0]["stepid"], "logs")[0]["logid"], "contents")[
            "content"
        ]
        assert "\tX-Key: <HIDDEN>\n" in log
        assert "\tX-Token: <HIDDEN>\n" in log
        assert 'o{"ok": true}\n' in log
        assert "An exception occurred while performing the request: Connection was refused" in farm.log(build, "log")
    form, put, *_ = server.seen
    assert (form["method"], form["path"], form["body"]) == ("POST", "/form?q=1+2", "builder=b")
    assert (form["headers"]["authorization"], form["headers"]["cookie"]) == ("Basic dTpw", "c=1")
    assert (put["method"], json.loads(put["body"])["n"]) == ("PUT", build["number"])
    assert called == [server.url + "/there"]
    (files,) = [seen for seen in server.seen if seen["path"] == "/files"]
    assert 'filename="n.txt"' in files["body"]
    assert ("DELETE", "http://other.example/proxied") in [(seen["method"], seen["path"]) for seen in server.seen]


def test_mistakes_are_told():
    with pytest.raises(ConfigErrors) as caught:
        http.HTTPStep("http://x", method="TRACE")
    message = "HTTPStep: Wrong method given: 'TRACE' is not one of POST, GET, PUT, DELETE, HEAD, OPTIONS"
    assert caught.value.errors == [message]
    assert http.GET("http://x", auth=("u", Secret("s"))).method == "GET"
