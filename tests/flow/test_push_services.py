"""Pushover, Pushjet and Zulip: what they are sent, against a real web resource."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.web.resource import Resource

from buildmaster.base.errors import ConfigErrors
from buildmaster.net.httpclient import HTTPSession
from buildmaster.plugins import reporters
from buildmaster.reporters.pushover import short_generators
from tests.support.reporting import build, path_with


class Receiver(Resource):
    """Keeps what is posted: path, arguments, and the JSON of a body that is no form."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[tuple[str, dict[str, str], Any]] = []

    def render_POST(self, request: Any) -> bytes:
        args = {name.decode(): values[0].decode() for name, values in request.args.items()}
        is_json = request.getHeader("Content-Type") == "application/json"
        body = json.loads(request.content.read()) if is_json else None
        self.posted.append((request.path.decode(), args, body))
        return b"{}"


def run(tmp_path: Path, kind: str, **kwargs: Any) -> tuple[Any, Receiver]:
    """A build on a master with this reporter; (master, what was posted)."""
    receiver = Receiver()

    class Session(HTTPSession):
        agent = RequestTraversalAgent(receiver)

    push = type(kind, (getattr(reporters, kind),), {"session_class": Session})
    path = path_with(tmp_path, lambda: [push(**kwargs)])
    build(path)
    path.kit.call(path.master.data.updates.workerMissing, 1, 1, 1_500_000_000, ["x"])
    path.kit.advance(1)
    path.kit.stop()
    return path, receiver


TEXT = 'A <a href="http://ci.example/builders/1/builds/1">passing build</a> of <i>b</i>, The Site, on w.'
GONE = "w is gone"


def everything() -> list[Any]:
    """What is reported by default, and missing workers."""
    gone = reporters.MessageFormatterMissingWorker(template="{{ worker['name'] }} is gone")
    return [*short_generators(), reporters.WorkerMissingGenerator(message_formatter=gone)]


def test_pushover(tmp_path: Path) -> None:
    _, receiver = run(
        tmp_path,
        "PushoverNotifier",
        user_key="U",
        api_token="T",
        priorities={"passing": 1},
        otherParams={"sound": "x"},
        generators=everything(),
    )
    common = {"user": "U", "token": "T", "sound": "x"}
    assert receiver.posted == [
        (
            "/1/messages.json",
            {"message": TEXT, "title": "☺ The Site: b - build successful", "html": "1", "priority": "1", **common},
            None,
        ),
        ("/1/messages.json", {"message": GONE, "title": "The Site: worker w is missing", **common}, None),
    ]


def test_pushjet(tmp_path: Path) -> None:
    levels = {"passing": 1, "worker_missing": 5}
    _, receiver = run(
        tmp_path, "PushjetNotifier", secret="S", levels=levels, base_url="http://p.example/", generators=everything()
    )
    assert receiver.posted == [
        ("/message", {"message": TEXT, "title": "☺ The Site: b - build successful", "level": "1", "secret": "S"}, None),
        ("/message", {"message": GONE, "title": "The Site: worker w is missing", "level": "5", "secret": "S"}, None),
    ]


def test_zulip(tmp_path: Path) -> None:
    _, receiver = run(tmp_path, "ZulipStatusPush", endpoint="https://z.example", token="K/1", stream="builds")
    told = {"buildid": 1, "buildername": "b", "url": "http://ci.example/builders/1/builds/1", "project": ""}
    asked = {"api_key": "K/1", "stream": "builds"}
    assert receiver.posted == [
        ("/api/v1/external/buildbot", asked, {"event": "new", **told, "timestamp": 1_500_000_000}),
        ("/api/v1/external/buildbot", asked, {"event": "finished", **told, "timestamp": 1_500_000_000, "results": 0}),
    ]


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            "PushoverNotifier",
            {"user_key": "u", "api_token": "t", "priorities": {"good": 1}},
            "priorities: there is no 'good'; there are cancelled, exception, failing, passing, warnings, "
            "worker_missing",
        ),
        (
            "PushoverNotifier",
            {"user_key": "u", "api_token": "t", "priorities": {"failing": 2}},
            "priority 2 needs 'retry' and 'expire' (seconds) in otherParams",
        ),
        (
            "PushjetNotifier",
            {"secret": "s", "levels": {"failing": 9}},
            "levels of 'failing' must be a number from 0 to 5, not 9",
        ),
        (
            "ZulipStatusPush",
            {"endpoint": "z.example", "token": "t"},
            "endpoint must be an address that begins with http:// or https://, not 'z.example'",
        ),
    ],
)
def test_mistakes(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        getattr(reporters, kind)(**arguments)
    assert raised.value.errors == [f"{kind}: {message}"]
