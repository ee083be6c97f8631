"""Following a build through REST: against a real HTTP server that answers from a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.cli.follow import Follower, Lines, describe
from buildmaster.cli.main import Failed
from buildmaster.cli.rest import Rest, RestError


class Script:
    """Answers by address; a list of answers is given one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[str] = []

    def say(self, address: str, *answers: Any) -> None:
        self.answers[address] = list(answers)

    def answer(self, address: str) -> Any:
        self.asked.append(address)
        left = self.answers.get(address.partition("?")[0])
        if not left:
            return None
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def script() -> Iterator[tuple[Script, Rest]]:
    said = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = said.answer(self.path.removeprefix("/api/v2/"))
            body = json.dumps({"things": found, "meta": {}}).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    rest = Rest("127.0.0.1", server.server_address[1])
    yield said, rest
    rest.close()
    server.shutdown()
    server.server_close()


def a_step(**fields: Any) -> dict[str, Any]:
    return {
        "stepid": 1,
        "name": "git",
        "started_at": None,
        "complete": False,
        "complete_at": None,
        "results": None,
        "state_string": "pending",
        "hidden": False,
        **fields,
    }


DONE = a_step(started_at=10.0, complete=True, complete_at=12, results=SUCCESS, state_string="update")
FAILED = a_step(
    stepid=2, name="test", started_at=13, complete=True, complete_at=14, results=FAILURE, state_string="make failed"
)


def test_a_collection_and_a_resource_are_both_lists(script):
    said, rest = script
    said.say("builds", [{"buildid": 1}])
    assert rest.get("builds", limit=1, order="-buildid") == [{"buildid": 1}]
    assert said.asked == ["builds?limit=1&order=-buildid"]


def test_an_answer_that_says_no_is_an_error(script):
    with pytest.raises(RestError, match="/api/v2/nothing: 404"):
        script[1].get("nothing")


def test_a_build_is_followed_to_its_result_and_each_step_is_told_once(script, capsys):
    said, rest = script
    running, ended = {"complete": False, "results": None}, {"complete": True, "results": FAILURE}
    said.say("builds/3", [running], [running], [ended])
    said.say(
        "builds/3/steps",
        [a_step(), a_step(stepid=9, name="preparation", hidden=True)],
        [DONE, a_step(stepid=2, name="test")],
        [DONE, FAILED],
    )
    assert Follower(rest, lambda: True, Lines()).follow(3) == FAILURE
    assert capsys.readouterr().out.splitlines() == [
        "  git: success after 2 s - update",
        "  test: failure after 1 s - make failed",
    ]


def test_the_first_build_is_awaited_and_the_change_is_told(script, capsys):
    said, rest = script
    said.say("builds", [], [{"buildid": 1, "number": 1}])
    said.say("changes", [{"revision": "abcdef0123456789", "author": "me", "comments": "why\n\nbecause"}])
    said.say("buildrequests", [])
    assert Follower(rest, lambda: True, Lines()).first_build(10) == {"buildid": 1, "number": 1}
    assert capsys.readouterr().out == "noticed commit abcdef012345 by me: why\n"


def test_waiting_for_a_build_has_an_end(script):
    said, rest = script
    for name in ("builds", "changes", "buildrequests"):
        said.say(name, [])
    with pytest.raises(Failed, match=r"No build began within 0\.1 seconds"):
        Follower(rest, lambda: True, Lines()).first_build(0.1)


def test_a_master_that_has_ended_is_told(script):
    with pytest.raises(Failed, match="The master has ended"):
        Follower(script[1], lambda: False, Lines()).first_build(10)


def test_the_end_of_a_failed_steps_logs_is_shown_without_channels(script):
    said, rest = script
    said.say("builds/3/steps", [DONE, FAILED])
    said.say("steps/2/logs", [{"logid": 9, "name": "stdio", "num_lines": 60, "type": "s"}])
    said.say("logs/9/contents", [{"content": "oout\neerr\n"}])
    assert Follower(rest, lambda: True, Lines()).tail_of_failure(3) == ["-- test: stdio", "out", "err"]
    assert said.asked[-1] == "logs/9/contents?offset=20&limit=40"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (a_step(), "waiting"),
        (DONE, "success after 2 s - update"),
        (a_step(complete=True, results=3, state_string="not needed"), "skipped - not needed"),
    ],
)
def test_a_steps_state_in_words(step, words):
    assert describe(step) == words
