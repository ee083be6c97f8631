"""Pull requests: the hook asks GitHub for what its payload does not tell; here a real server plays GitHub."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from twisted.web.test.requesthelper import DummyRequest

from buildmaster.plugins import util
from buildmaster.www.hooks import github
from buildmaster.www.hooks.github import GitHubEventHandler, GitHubHandler
from tests.support.hook_payloads import FIRST, GITHUB_COMMIT, GITHUB_FILES, github_pull_request
from tests.support.real_reactor import reactor, run
from tests.support.web_service import HANGS, serving

COMMIT = f"GET /repos/analytical/engine/commits/{FIRST}"
FILES = "GET /repos/analytical/engine/pulls/50/files"


class Master:
    """What a handler needs of a master."""

    reactor = reactor
    secrets_manager = None


@pytest.fixture
def service():
    with serving() as made:
        made.answers = {COMMIT: GITHUB_COMMIT, FILES: GITHUB_FILES}
        yield made


@pytest.fixture
def handle(service):
    """``handle(payload, **options)``: the changes that the hook makes of a pull request."""
    made: list[Any] = []

    def handle(payload, **options):
        made.append(GitHubHandler(Master(), {"github_api_endpoint": service.url, **options}))
        changes, src = run(made[-1].handler.handle_pull_request(payload, "pull_request"))
        assert src == "git"
        return changes

    yield handle
    for handler in made:
        run(handler.close())


@pytest.mark.parametrize("action", ["opened", "reopened", "synchronize"])
def test_a_pull_request_is_a_change_of_its_merge(handle, service, action):
    (change,) = handle(github_pull_request(action), github_property_whitelist=["github.head.ref", "github.labels"])
    assert change == {
        "author": "ada",
        "branch": "refs/pull/50/merge",
        "category": "pull",
        "comments": "GitHub Pull Request #50 (1 commit)\nCount backwards\nNeeded for\nlaunches",
        "files": ["mill/down.c", "mill/new.c", "mill/up.c"],
        "project": "analytical/engine",
        "properties": {
            "basename": "main",
            "event": "pull_request",
            "github.head.ref": "backwards",
            "github.labels": [{"name": "bug", "color": "fc2929"}, {"name": "ci", "color": "00ff00"}],
            "pullrequesturl": "https://github.com/analytical/engine/pull/50",
        },
        "repository": "https://github.com/analytical/engine",
        "revision": FIRST,
        "revlink": "https://github.com/analytical/engine/pull/50",
        "when_timestamp": 1430869227.0,
    }
    assert service.lines == [COMMIT, FILES]
    assert "authorization" not in service.asked[0].headers


def test_the_token_goes_with_the_questions(handle, service):
    handle(github_pull_request(), token=util.Interpolate("to%(kw:x)s", x="ken"))
    assert {asked.headers["authorization"] for asked in service.asked} == {"token token"}


def test_another_reference_may_be_built(handle):
    payload = github_pull_request()
    payload["pull_request"].update(commits=3, body=None)
    (change,) = handle(payload, pullrequest_ref="head", codebase="cb")
    assert (change["branch"], change["codebase"]) == ("refs/pull/50/head", "cb")
    assert change["comments"] == "GitHub Pull Request #50 (3 commits)\nCount backwards"


def test_the_newest_commit_may_ask_not_to_be_built(handle, service):
    service.answers[COMMIT] = {"commit": {"message": "Count [ci skip]"}}
    assert handle(github_pull_request()) == []
    assert len(handle(github_pull_request(), skips=[])) == 1


def test_files_are_asked_for_page_by_page(handle, service):
    def page(asked):
        start = (int(asked.args["page"]) - 1) * 100
        return [{"filename": f"f{number}"} for number in range(start, min(start + 100, 250))]

    service.answers[FILES] = page
    (change,) = handle(github_pull_request())
    assert change["files"] == [f"f{number}" for number in range(250)]


@pytest.mark.parametrize("answer", [(404, {}), (500, b"oops"), (200, b"<html>"), (200, {"message": "what?"})])
def test_a_pull_request_is_not_lost_though_github_does_not_tell(handle, service, answer):
    service.answers = {"GET *": answer}
    (change,) = handle(github_pull_request())
    assert (change["revision"], change["files"]) == (FIRST, [])


def test_github_is_not_waited_for_longer_than_it_waits(handle, service, monkeypatch):
    monkeypatch.setattr(github, "LOOKUP_DEADLINE", 0.05)
    service.answers = {"GET *": HANGS}
    assert len(handle(github_pull_request())) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("full_name", "../../user"), ("full_name", "a/b?x="), ("sha", "../../x"), ("sha", "main")]
)
def test_nothing_but_the_repository_is_asked_for(handle, service, name, value):
    """A payload that nobody signed may not choose what our token is used for."""
    payload = github_pull_request()
    (payload["repository"] if name == "full_name" else payload["pull_request"]["head"])[name] = value
    with pytest.raises(ValueError, match=name):
        handle(payload)
    assert service.asked == []


class Lenient(GitHubEventHandler):
    """Overrides what subclasses of public configurations override."""

    def _has_skip(self, msg):
        return "never" in msg

    def _get_pr_files(self, repo, number):
        return [f"{repo}#{number}"]


def test_parts_can_be_overridden(handle, service):
    (change,) = handle(github_pull_request(), **{"class": Lenient})
    assert change["files"] == ["analytical/engine#50"]
    assert service.lines == [COMMIT]


def test_a_whole_request(service):
    handler = GitHubHandler(Master(), {"github_api_endpoint": service.url})
    request = DummyRequest([b"github"])
    request.requestHeaders.setRawHeaders(b"X-GitHub-Event", [b"pull_request"])
    request.requestHeaders.setRawHeaders(b"Content-Type", [b"application/json"])
    request.content = BytesIO(json.dumps(github_pull_request()).encode())
    changes, src = run(handler.getChanges(request))
    assert ([change["branch"] for change in changes], src) == (["refs/pull/50/merge"], "git")
    run(handler.close())
