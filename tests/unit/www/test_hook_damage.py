"""Payloads that are damaged in every place in every way: they are read or refused, never a fault of ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.web.test.requesthelper import DummyRequest

from buildmaster.base.aio import as_deferred, maybe
from buildmaster.data.incoming import NOTHING_GIVEN, checked
from buildmaster.testing.sync import result_of
from buildmaster.www.change_hook import add_change_arguments
from buildmaster.www.hooks.bitbucket import BitBucketHandler
from buildmaster.www.hooks.bitbucketcloud import BitbucketCloudEventHandler
from buildmaster.www.hooks.bitbucketserver import BitbucketServerEventHandler
from buildmaster.www.hooks.github import GitHubEventHandler, GitHubHandler
from buildmaster.www.hooks.gitlab import GitLabHandler
from buildmaster.www.hooks.gitorious import GitoriousHandler
from tests.support import hook_payloads as given

GONE = object()
DAMAGES = [GONE, None, 5, True, "x", [], [5], {}]


class Alone(GitHubEventHandler):
    """Asks nobody."""

    def _get_commit_msg(self, repo, sha):
        return ""

    def _get_pr_files(self, repo, number):
        return []


GITHUB = (GitHubHandler, {"class": Alone, "github_property_whitelist": ["*"]})
CLOUD = (BitbucketCloudEventHandler, {"bitbucket_property_whitelist": ["*"]})
SERVER = (BitbucketServerEventHandler, {"bitbucket_property_whitelist": ["*"]})

PAYLOADS = {
    "github push": (GITHUB, {"X-GitHub-Event": "push"}, given.github_push()),
    "github tag": (GITHUB, {"X-GitHub-Event": "push"}, given.github_tag()),
    "github pull request": (GITHUB, {"X-GitHub-Event": "pull_request"}, given.github_pull_request()),
    "gitlab push": ((GitLabHandler, {}), {}, given.gitlab_push()),
    "gitlab merge request": ((GitLabHandler, {}), {}, given.gitlab_merge_request()),
    "gitlab note": ((GitLabHandler, {}), {}, given.gitlab_note()),
    "cloud push": (CLOUD, {"X-Event-Key": "repo:push"}, given.bitbucket_push()),
    "cloud pull request": (CLOUD, {"X-Event-Key": "pullrequest:created"}, given.bitbucket_pull_request()),
    "server pull request": (SERVER, {"X-Event-Key": "pullrequest:rejected"}, given.bitbucket_pull_request(False)),
    "server push": (SERVER, {"X-Event-Key": "repo:refs_changed"}, given.native_push()),
    "bitbucket": ((BitBucketHandler, {}), {}, given.bitbucket_post()),
    "gitorious": ((GitoriousHandler, {}), {}, given.gitorious_push()),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a payload."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def damaged(payload: Any, path: tuple[Any, ...], damage: Any) -> Any:
    if not path:
        return {} if damage is GONE else damage
    payload = copy.deepcopy(payload)
    inner = payload
    for word in path[:-1]:
        inner = inner[word]
    if damage is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = damage
    return payload


def changes_of(handler: Any, headers: dict[str, str], payload: Any) -> list[Any]:
    """What is stored of a payload."""
    request = DummyRequest([b"x"])
    body = json.dumps(payload).encode()
    request.args = {b"payload": [body]}
    request.content = BytesIO(body if not isinstance(handler, BitBucketHandler) else urlencode({"p": 1}).encode())
    for name, value in {"Content-Type": "application/json", **headers}.items():
        request.requestHeaders.setRawHeaders(name.encode(), [value.encode()])
    changes, _src = result_of(as_deferred(maybe(handler.getChanges, request)))
    found = []
    for change in changes:
        arguments = {**NOTHING_GIVEN, **add_change_arguments(change)}
        assert set(arguments) == set(NOTHING_GIVEN)
        found.append(checked(arguments, 0))
    return found


@pytest.mark.parametrize("what", PAYLOADS)
def test_a_damaged_payload_is_read_or_refused(what):
    (kind, options), headers, payload = PAYLOADS[what]
    handler = kind(None, dict(options))
    assert changes_of(handler, headers, payload) != []
    refused = 0
    for path in places(payload):
        for damage in DAMAGES:
            try:
                changes_of(handler, headers, damaged(payload, path, damage))
            except ValueError as error:
                assert str(error) != ""
                refused += 1
            except Exception as error:
                shown = "gone" if damage is GONE else repr(damage)
                pytest.fail(f"{'.'.join(map(str, path))} {shown}: {type(error).__name__}: {error}")
    assert refused > 0


@pytest.mark.parametrize("depth", [100, 400, 900, 3000, 100_000])
def test_a_payload_of_any_depth_is_read_or_refused(depth):
    handler = GitHubHandler(None, dict(GITHUB[1]))
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    body = json.dumps(given.github_push()).encode()[:-1] + b', "deep": ' + deep + b"}"
    request = DummyRequest([b"github"])
    request.content = BytesIO(body)
    request.args = {}
    for name, value in {b"Content-Type": b"application/json", b"X-GitHub-Event": b"push"}.items():
        request.requestHeaders.setRawHeaders(name, [value])
    try:
        changes, _src = result_of(as_deferred(maybe(handler.getChanges, request)))
    except ValueError as refused:
        assert "nested too deeply" in str(refused)
    else:
        assert checked({**NOTHING_GIVEN, **add_change_arguments(changes[0])}, 0).revision == given.FIRST
