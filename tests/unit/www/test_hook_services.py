"""The dialects of GitLab, Bitbucket, Gitorious, and ``poller``: what becomes of their payloads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildmaster.changes.base import PollingChangeSource
from buildmaster.plugins import changes, util
from tests.support import hook_payloads as given
from tests.support.hook_payloads import BASE, BEFORE, FIRST, SECOND
from tests.support.hooks import JSON, Hooked, properties, signature


class Looks(PollingChangeSource):
    """A poller that counts how often it looked."""

    def __init__(self, name: str, fails: bool = False) -> None:
        super().__init__(name=name, pollInterval=10_000)
        self.looked, self.fails = 0, fails

    def poll(self):
        self.looked += 1
        if self.fails:
            raise RuntimeError("can't look")


SOURCES = [Looks("one"), Looks("two"), Looks("secret"), changes.PBChangeSource(port=9988)]


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    cloud = {"bitbucket_property_whitelist": ["bitbucket.id", "bitbucket.title"]}
    dialects = {
        "gitlab": True,
        "bitbucket": True,
        "bitbucketcloud": cloud,
        "bitbucketserver": {**cloud, "codebase": lambda payload: payload["repository"]["slug"]},
        "gitorious": True,
        "poller": {"allowed": ["one", "two", "nosuch"]},
    }
    made = Hooked(tmp_path_factory.mktemp("services"), dialects, change_source=SOURCES)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def nothing_new(hooked):
    hooked.new()


def gitlab(hooked, payload, where="gitlab", **headers):
    return hooked.payload(where, payload, x_gitlab_event="Some Hook", **headers)


def fields_of(change, expected):
    return {name: properties(change) if name == "properties" else change[name] for name in expected}


# -- GitLab ------------------------------------------------------------------------------------------------------------


def test_each_commit_of_a_push_to_gitlab_is_a_change(hooked):
    assert gitlab(hooked, given.gitlab_push()) == (200, "2 change found")
    first, second = hooked.new()
    expected = {
        "author": "Jordi Mallach <jordi@example.org>",
        "branch": "master",
        "category": "push",
        "codebase": "",
        "comments": "Update Catalan\n\nSee the list",
        "files": ["CHANGELOG", "app/controller/application.rb"],
        "project": "Diaspora",
        "properties": {"event": "push"},
        "repository": "git@gitlab.example.org:mike/diaspora.git",
        "revision": FIRST,
        "revlink": f"http://gitlab.example.org/mike/diaspora/commit/{FIRST}",
        "when_timestamp": 1323692851,
    }
    assert fields_of(first, expected) == expected
    assert second["revision"] == SECOND


def test_project_and_codebase_in_the_address_of_gitlabs_hook(hooked):
    gitlab(hooked, given.gitlab_push(), "gitlab?project=p&codebase=c")
    gitlab(hooked, given.gitlab_merge_request(), "gitlab?project=p&codebase=c")
    assert hooked.new("project", "codebase") == [("p", "c")] * 3


def test_a_merge_request_is_a_change_of_its_target(hooked):
    assert gitlab(hooked, given.gitlab_merge_request(fork=True)) == (200, "1 change found")
    (change,) = hooked.new()
    target, fork = "gitlab.example.org/mike/diaspora.git", "gitlab.example.org/jsmith/diaspora.git"
    expected = {
        "author": "Jordi Mallach <jordi@example.org>",
        "branch": "master",
        "category": "merge_request",
        "comments": "MR#7: MS-Viewport\n\nMuch wider",
        "files": [],
        "project": "Diaspora",
        "repository": f"http://{target}",
        "revision": FIRST,
        "revlink": "http://gitlab.example.org/mike/diaspora/merge_requests/7",
        "when_timestamp": 1323692851,
        "properties": {
            "event": "merge_request",
            "source_branch": "ms-viewport",
            "source_project_id": 14,
            "source_repository": f"http://{fork}",
            "source_git_ssh_url": "git@" + fork.replace("/", ":", 1),
            "target_branch": "master",
            "target_project_id": 15,
            "target_repository": f"http://{target}",
            "target_git_ssh_url": "git@" + target.replace("/", ":", 1),
        },
    }
    assert fields_of(change, expected) == expected


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (given.gitlab_tag(), 2),
        (given.gitlab_tag(commits=[]), 0),
        (given.gitlab_deleted(), 0),
        (given.gitlab_push("refs/merge-requests/1/head"), 0),
        (given.gitlab_merge_request("reopen"), 1),
        (given.gitlab_merge_request("update"), 0),  # a title, a label …
        (given.gitlab_merge_request("update", oldrev=BASE), 1),
        (given.gitlab_merge_request("close"), 0),
        (given.gitlab_merge_request("merge"), 0),
        (given.gitlab_merge_request("approved"), 0),
        (given.gitlab_merge_request("open", state="closed"), 0),
        (given.gitlab_note(), 1),
        (given.gitlab_note(noteable_type="Issue"), 0),
        ({"object_kind": "pipeline"}, 0),
        ({"event_name": "project_create"}, 0),
    ],
)
def test_how_many_changes_an_event_of_gitlab_is(hooked, payload, count):
    """What is no change is welcome: GitLab switches hooks off that refuse too much."""
    assert gitlab(hooked, payload)[0] == 200
    assert len(hooked.new()) == count


def test_tags_and_comments_have_categories_of_their_own(hooked):
    gitlab(hooked, given.gitlab_tag())
    gitlab(hooked, given.gitlab_note())
    first, _, note = hooked.new()
    assert (first["branch"], first["category"], properties(first)) == ("v1.0.0", "tag_push", {"event": "tag_push"})
    assert (note["category"], properties(note)["comments"]) == ("note", "This MR needs work.")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "the payload has no event_name"),
        ([1], "the payload is a JSON list"),
        ({"object_kind": "push"}, "the payload has no repository"),
        ({**given.gitlab_push(), "commits": 5}, "the payload's commits is a int, not a list"),
        ({"object_kind": "merge_request"}, "the payload has no object_attributes"),
    ],
)
def test_what_gitlab_does_not_send_is_refused(hooked, payload, words):
    status, said = gitlab(hooked, payload)
    assert (status, words in said) == (400, True)
    assert hooked.post("gitlab", b"{oops", content_type=JSON)[0] == 400


@pytest.mark.parametrize(("token", "status"), [("tok", 200), ("tik", 403), ("", 403), (None, 403)])
def test_gitlabs_secret_token(tmp_path, token, status):
    hooked = Hooked(tmp_path, {"gitlab": {"secret": util.Interpolate("t%(kw:x)s", x="ok")}})
    headers = {} if token is None else {"x_gitlab_token": token}
    assert gitlab(hooked, given.gitlab_push(), **headers)[0] == status
    assert len(hooked.new()) == (2 if status == 200 else 0)
    hooked.stop()


# -- Bitbucket Cloud and Server ----------------------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "server"])


def bitbucket(hooked, cloud, event, payload):
    return hooked.payload("bitbucketcloud" if cloud else "bitbucketserver", payload, x_event_key=event)


def expected_of(cloud):
    page = "https://bitbucket.org/CI/py-repo" if cloud else "http://bitbucket.example.org/projects/CI/repos/py-repo"
    return page, {
        "author": f"John Smith <{'john' if cloud else 'John'}>",
        "codebase": "" if cloud else "py-repo",
        "files": [],
        "project": "Continuous Integration",
        "repository": "https://api.bitbucket.org/2.0/repositories/CI/py-repo" if cloud else f"{page}/",
    }


@KINDS
def test_each_reference_of_a_push_to_bitbucket_is_a_change(hooked, cloud):
    moved = [given.bitbucket_moved(), given.bitbucket_created("tag", "v1"), given.bitbucket_closed()]
    assert bitbucket(hooked, cloud, "repo:push", given.bitbucket_push(cloud, moved)) == (200, "3 change found")
    page, common = expected_of(cloud)
    found = hooked.new()
    for change, (branch, category, revision) in zip(
        found,
        [
            ("refs/heads/main", "push", SECOND),
            ("refs/tags/v1", "push", SECOND),
            ("refs/heads/gone", "ref-deleted", BEFORE),
        ],
        strict=True,
    ):
        expected = {
            **common,
            "branch": branch,
            "category": category,
            "revision": revision,
            "revlink": f"{page}/commits/{revision}",
            "comments": f"Bitbucket {'Cloud' if cloud else 'Server'} commit {revision}",
            "properties": {},
        }
        assert fields_of(change, expected) == expected


@KINDS
@pytest.mark.parametrize(
    ("event", "branch"),
    [
        ("created", "refs/pull-requests/21/merge"),
        ("updated", "refs/pull-requests/21/merge"),
        ("fulfilled", "refs/heads/main"),
        ("rejected", "refs/heads/branch_1496411680"),
    ],
)
@pytest.mark.parametrize("ends", ["both", "source", "fromRef"])
def test_an_event_of_a_pull_request_is_a_change(hooked, cloud, event, branch, ends):
    payload = given.bitbucket_pull_request(cloud)
    for name in {"source": ("fromRef", "toRef"), "fromRef": ("source", "destination")}.get(ends, ()):
        del payload["pullrequest"][name]
    assert bitbucket(hooked, cloud, f"pullrequest:{event}", payload) == (200, "1 change found")
    page, common = expected_of(cloud)
    link = f"{page}/pull-requests/21"
    expected = {
        **common,
        "branch": branch,
        "category": f"pull-{event}",
        "revision": FIRST,
        "revlink": link,
        "comments": f"Bitbucket {'Cloud' if cloud else 'Server'} Pull Request #21",
        "properties": {"pullrequesturl": link, "bitbucket.id": 21, "bitbucket.title": "dot 1496311906"},
    }
    (change,) = hooked.new()
    assert fields_of(change, expected) == expected


@KINDS
@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({}, b"{}", 400, "Header X-Event-Key was not present"),
        ({"x_event_key": "pullrequest:approved"}, b"{}", 400, "Unknown event: pullrequest_approved"),
        ({"x_event_key": "repo:push"}, b"{oops", 400, "Error loading JSON"),
        ({"x_event_key": "repo:push", "content_type": "text/plain"}, b"{}", 415, "Unknown content type: text/plain"),
        ({"x_event_key": "repo:push"}, b'{"push": {"changes": [5]}}', 400, "the payload has no old"),
        ({"x_event_key": "pullrequest:created"}, b"{}", 400, "the payload has no pullrequest.id"),
    ],
)
def test_what_bitbucket_does_not_send_is_refused(hooked, cloud, headers, body, status, words):
    where = "bitbucketcloud" if cloud else "bitbucketserver"
    answer = hooked.post(where, body, **{"content_type": JSON, **headers})
    assert (answer[0], words in answer[1]) == (status, True)


def test_bitbucket_servers_own_hooks(hooked):
    payload = given.native_push()
    payload["changes"].append({**payload["changes"][0], "type": "DELETE"})
    assert bitbucket(hooked, False, "repo:refs_changed", payload) == (200, "2 change found")
    assert hooked.new("branch", "category", "revision", "author") == [
        ("refs/heads/main", "push", SECOND, "Administrator <admin>"),
        ("refs/heads/main", "ref-deleted", BEFORE, "Administrator <admin>"),
    ]
    assert bitbucket(hooked, False, "diagnostics:ping", {"test": True}) == (200, "no change found")


@pytest.mark.parametrize(
    ("event", "category", "branch"),
    [
        ("pr:opened", "pull-created", "refs/pull-requests/11/merge"),
        ("pr:from_ref_updated", "pull-updated", "refs/pull-requests/11/merge"),
        ("pr:merged", "pull-fulfilled", "refs/heads/main"),
        ("pr:declined", "pull-rejected", "refs/heads/topic"),
    ],
)
def test_pull_requests_in_bitbucket_servers_own_words(hooked, event, category, branch):
    link = "http://bitbucket.example.org/projects/CI/repos/py-repo/pull-requests/11"
    pull: dict[str, Any] = {"id": 11, "title": "t", "links": {"self": [{"href": link}]}}
    pull |= {"fromRef": given.native_ref("topic", FIRST), "toRef": given.native_ref("main", BASE)}
    payload = {"eventKey": event, "actor": given.native_push()["actor"], "pullRequest": pull}
    assert bitbucket(hooked, False, event, payload) == (200, "1 change found")
    assert hooked.new("category", "branch", "revision", "revlink") == [(category, branch, FIRST, link)]


def test_a_push_again_in_the_plugins_words(hooked):
    assert bitbucket(hooked, False, "repo:refs_changed", given.bitbucket_push(False)) == (200, "1 change found")


def test_a_secret_for_bitbucket(tmp_path):
    hooked = Hooked(tmp_path, {"bitbucketserver": {"secret": "s"}})
    body = json.dumps(given.native_push()).encode()
    headers = {"content_type": JSON, "x_event_key": "repo:refs_changed"}
    assert hooked.post("bitbucketserver", body, **headers)[0] == 403
    assert hooked.post("bitbucketserver", body, x_hub_signature=signature(body, "x"), **headers)[0] == 403
    assert hooked.post("bitbucketserver", body, x_hub_signature=signature(body, "s"), **headers)[0] == 200
    assert len(hooked.new()) == 1
    hooked.stop()


# -- Bitbucket's old service, Gitorious --------------------------------------------------------------------------------


def test_the_old_post_service_of_bitbucket(hooked):
    assert hooked.form("bitbucket?project=p", payload=given.bitbucket_post()) == (200, "1 change found")
    expected = {
        "author": "Marcus Bertrand <marcus@example.com>",
        "branch": "master",
        "comments": "Added some more things to somefile.py\n",
        "files": ["somefile.py", "other.py"],
        "project": "p",
        "properties": {"event": None},
        "repository": "https://bitbucket.org/marcus/project-x/",
        "revision": FIRST,
        "revlink": f"https://bitbucket.org/marcus/project-x/commits/{FIRST}",
        "when_timestamp": 1338350336,
    }
    (change,) = hooked.new()
    assert fields_of(change, expected) == expected
    assert hooked.form("bitbucket", payload={**given.bitbucket_post("hg"), "commits": []}) == (200, "no change found")


def test_gitorious(hooked):
    assert hooked.form("gitorious", payload=given.gitorious_push()) == (200, "1 change found")
    expected = {
        "author": "Jason <jason@example.org>",
        "branch": "new_look",
        "comments": "work in progress",
        "files": [],
        "project": "q",
        "repository": "http://gitorious.example.org/q/mainline",
        "revision": FIRST,
        "revlink": f"http://gitorious.example.org/q/mainline/commit/{FIRST}",
        "when_timestamp": 1326218547,
    }
    (change,) = hooked.new()
    assert fields_of(change, expected) == expected


@pytest.mark.parametrize("dialect", ["bitbucket", "gitorious"])
@pytest.mark.parametrize("fields", [{"x": "1"}, {"payload": "{"}, {"payload": "[]"}, {"payload": "{}"}])
def test_forms_that_are_none_of_theirs(hooked, dialect, fields):
    assert hooked.form(dialect, **fields)[0] == 400
    assert hooked.new() == []


# -- poller ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "words", "looks"),
    [
        ("?poller=one", 200, "no change found", [1, 0, 0]),
        ("?poller=one&poller=two", 200, "no change found", [1, 1, 0]),
        ("", 200, "no change found", [1, 1, 0]),
        ("?poller=secret", 400, "Could not find pollers: secret", [0, 0, 0]),
        ("?poller=one&poller=nosuch", 400, "Could not find pollers: nosuch", [0, 0, 0]),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_pollers_look_when_they_are_told_to(hooked, verb, query, status, words, looks):
    sources = {source.name: source for source in hooked.kit.master.change_svc}
    before = [sources[name].looked for name in ("one", "two", "secret")]
    assert hooked.post(f"poller{query}", verb=verb) == (status, words)
    after = [sources[name].looked for name in ("one", "two", "secret")]
    assert [b - a for a, b in zip(before, after, strict=True)] == looks


def test_a_poller_that_fails_is_told_in_its_log(tmp_path):
    hooked = Hooked(tmp_path, {"poller": {}}, change_source=Looks("broken", fails=True))
    assert hooked.post("poller", verb="GET") == (200, "no change found")
    hooked.stop()
