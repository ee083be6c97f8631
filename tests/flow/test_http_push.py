"""HttpStatusPush on a whole master, against a real web resource."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.web.resource import Resource

from buildmaster.base.errors import ConfigErrors
from buildmaster.net.httpclient import HTTPSession
from buildmaster.plugins import reporters, util
from tests.support.reporting import build, path_with, service


class Receiver(Resource):
    """Keeps what is posted; answers with the first of ``codes``, then with 200."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[int] = []
        self.posted: list[tuple[str, Any, dict[str, str]]] = []

    def render_POST(self, request: Any) -> bytes:
        code = self.codes.pop(0) if self.codes else 200
        request.setResponseCode(code)
        if code == 200:
            headers = {name.decode(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()}
            self.posted.append((request.uri.decode(), json.loads(request.content.read()), headers))
        return b"said something"


def wired(receiver: Receiver) -> Any:
    """The class, talking to this resource instead of a network."""

    class Session(HTTPSession):
        agent = RequestTraversalAgent(receiver)

    return type("HttpStatusPush", (reporters.HttpStatusPush,), {"session_class": Session})


def test_the_documented_json(tmp_path: Path) -> None:
    receiver = Receiver()
    push = wired(receiver)
    headers = {"X-Site": "mine"}
    path = path_with(tmp_path, lambda: [push("http://h.example/in?a=b", auth=("me", "pw"), headers=headers)])
    build(path, reason="because")
    path.kit.advance(1)
    (_, started, _), (uri, finished, sent) = receiver.posted
    assert uri == "http://h.example/in?a=b" or uri == "/in?a=b"
    assert (sent["X-Site"], sent["Authorization"], sent["Content-Type"]) == (
        "mine",
        "Basic bWU6cHc=",
        "application/json",
    )
    assert sent["Idempotency-Key"].startswith("HttpStatusPush/")
    assert set(finished) == {
        "buildid", "number", "builderid", "buildrequestid", "workerid", "masterid", "started_at", "complete",
        "complete_at", "locks_duration_s", "state_string", "results", "properties", "buildrequest", "buildset",
        "parentbuild", "parentbuilder", "builder", "url",
    }  # fmt: skip
    assert (started["complete"], started["complete_at"], started["results"]) == (False, None, None)
    assert (finished["complete"], finished["results"], finished["url"]) == (
        True,
        util.SUCCESS,
        "http://ci.example/builders/1/builds/1",
    )
    assert isinstance(finished["complete_at"], int)
    assert finished["properties"]["reason"] == ["because", "Force Build Form"]
    assert set(finished["builder"]) == {
        "builderid", "name", "masterids", "description", "description_format", "description_html", "projectid", "tags",
    }  # fmt: skip
    assert set(finished["buildset"]["sourcestamps"][0]) == {
        "ssid", "branch", "revision", "project", "repository", "codebase", "created_at", "patch",
    }  # fmt: skip
    path.kit.stop()


@pytest.mark.parametrize(
    ("codes", "delivered"),
    [
        ([500, 503, 429], [False, True]),  # tried again, in order
        ([404], [True]),  # refused: logged, and the next one is sent
    ],
)
def test_answers(tmp_path: Path, codes: list[int], delivered: list[bool]) -> None:
    receiver = Receiver()
    receiver.codes = list(codes)
    push = wired(receiver)
    path = path_with(tmp_path, lambda: [push("http://h.example/", name="p")])
    build(path)
    path.kit.advance(30)
    assert [posted["complete"] for _, posted, _ in receiver.posted] == delivered
    path.kit.stop()


def test_bodies_of_ones_own(tmp_path: Path) -> None:
    receiver = Receiver()
    push = wired(receiver)

    def services() -> Any:
        formatter = reporters.MessageFormatterFunctionRaw(
            lambda context: {"body": {"result": context["build"]["results"], "users": context["users"]}, "type": "json"}
        )
        empty = reporters.MessageFormatterEmpty()
        generators = [reporters.BuildStatusGenerator(message_formatter=f) for f in (formatter, empty)]
        return [push("http://h.example/", generators=generators)]

    path = path_with(tmp_path, services)
    build(path)
    assert [posted for _, posted, _ in receiver.posted] == [{"result": 0, "users": ["me@x.org"]}]
    assert service(path, "HttpStatusPush").is_status_2xx(204)
    path.kit.stop()


def test_a_function_of_the_build_as_before_generators(tmp_path: Path) -> None:
    receiver = Receiver()

    def failed(build: Any) -> Any:
        name = build["properties"]["buildername"][0]
        return {"text": f"{name} {build['number']}"} if build["complete"] else None

    push = wired(receiver)
    path = path_with(tmp_path, lambda: [push("http://h.example/", format_fn=failed, wantProperties=True)])
    build(path)
    path.kit.advance(1)
    assert [body for _, body, _ in receiver.posted] == [{"text": "b 1"}]
    path.kit.stop()


def test_older_arguments_do_not_go_with_generators() -> None:
    made = [reporters.BuildStatusGenerator()]
    with pytest.raises(ConfigErrors, match="HttpStatusPush: builders can't be used together with generators"):
        reporters.HttpStatusPush("http://h.example/", builders=["b"], generators=made)
    with pytest.raises(ConfigErrors, match="format_fn must be a function that takes a build, not 3"):
        reporters.HttpStatusPush("http://h.example/", format_fn=3)
