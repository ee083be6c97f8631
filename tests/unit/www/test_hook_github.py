"""The dialect ``github``: what becomes of GitHub's payloads."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from buildmaster.plugins import util
from buildmaster.www.hooks.github import DEFAULT_SKIPS_PATTERN, GitHubEventHandler
from tests.support.hook_payloads import (
    FIRST,
    SECOND,
    ZERO,
    github_commit,
    github_deleted,
    github_ping,
    github_pull_request,
    github_push,
    github_tag,
)
from tests.support.hooks import FORM, JSON, Hooked, properties, signature


class Mine(GitHubEventHandler):
    """What public configurations do with the class."""

    def handle_blah(self, payload):
        return [], "git"

    async def handle_issue_comment(self, payload, event):
        props = self.extractProperties(payload)
        return [{"author": "commenter", "properties": {**props, "event": event}, "revision": "c"}], "git"

    def handle_push(self, payload, event):
        payload["repository"]["html_url"] = payload["repository"]["ssh_url"]
        return super().handle_push(payload, event)

    def _process_change(self, payload, user, repo, repo_url, project, event, properties):
        found = super()._process_change(payload, user, repo, repo_url, project, event, properties)
        return [{**change, "comments": f"{user} {repo}: {change['comments']}"} for change in found]

    def handle_fails(self, payload, event):
        raise ValueError("my own words")

    handle_no_method = 5


class Named(GitHubEventHandler):
    """Passes all arguments on, as subclasses with an ``__init__`` of their own do."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = (args, sorted(kwargs))


WHITELIST = ["github.sender.*", "github.head_commit.added"]


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    made = Hooked(tmp_path_factory.mktemp("github"), {"github": {"github_property_whitelist": WHITELIST}})
    yield made
    made.stop()


USUAL = {"github_property_whitelist": WHITELIST}


@pytest.fixture
def using(hooked):
    """``using(**options)`` gives the hook other options."""

    def use(**options):
        if options != hooked.config["www"]["change_hook_dialects"]["github"]:
            hooked.config["www"] = {"port": 8010, "change_hook_dialects": {"github": options}}
            hooked.kit.reconfig()
        return hooked

    return use


@pytest.fixture(autouse=True)
def nothing_new(hooked, using, request):
    if "using" not in request.function.__code__.co_varnames:
        using(**USUAL)
    hooked.new()


def push(hooked, payload, where="github", **headers):
    return hooked.payload(where, payload, x_github_event="push", **headers)


# -- pushes ------------------------------------------------------------------------------------------------------------


def test_each_commit_of_a_push_is_a_change(hooked):
    assert push(hooked, github_push()) == (200, "2 change found")
    first, second = hooked.new()
    expected = {
        "author": "Ada Byron <ada@example.org>",
        "committer": "Charles Babbage <charles@example.org>",
        "branch": "main",
        "category": None,
        "codebase": "",
        "comments": "Cards\n\nfor the loom",
        "files": ["loom.c", "old.c"],
        "project": "analytical/engine",
        "repository": "https://github.com/analytical/engine",
        "revision": FIRST,
        "revlink": f"https://github.com/analytical/engine/commit/{FIRST}",
        "when_timestamp": 1430869215,
    }
    assert {name: first[name] for name in expected} == expected
    assert (second["revision"], second["files"], second["comments"]) == (SECOND, ["mill/carry.c"], "Carry the two")
    assert properties(first) == {
        "event": "push",
        "github_distinct": True,
        "github.head_commit.added": [],
        "github.sender.id": 6752317,
        "github.sender.login": "ada",
        "github.sender.type": "User",
    }


def test_a_form_does_as_well(hooked):
    body = urlencode({"payload": json.dumps(github_push())}).encode()
    assert hooked.post("github", body, content_type=FORM, x_github_event="push") == (200, "2 change found")
    assert hooked.new("revision") == [FIRST, SECOND]


def test_a_content_type_with_parameters_is_known(hooked):
    body = json.dumps(github_push()).encode()
    headers = {"content_type": JSON + "; charset=utf-8", "x_github_event": "push"}
    assert hooked.post("github", body, **headers) == (200, "2 change found")


def test_a_project_in_the_address_is_that_of_the_changes(hooked):
    push(hooked, github_push(), "github?project=mine")
    assert hooked.new("project") == ["mine", "mine"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(github_push("refs/heads/a/b"), [("a/b", None, FIRST), ("a/b", None, SECOND)], id="a slash"),
        pytest.param(github_push(created=True, before=ZERO), [("main", None, SECOND)], id="new branch: its newest"),
        pytest.param(github_push(created=True, commits=[]), [("main", None, SECOND)], id="new branch, nothing new"),
        pytest.param(github_tag(), [("v1.0", "tag", SECOND)], id="tag"),
        pytest.param(github_tag(created=False), [("v1.0", "tag", SECOND)], id="tag that moved"),
        pytest.param(github_deleted(), [], id="deleted branch"),
        pytest.param(github_deleted(ref="refs/tags/v1.0"), [], id="deleted tag"),
        pytest.param(github_push("refs/notes/commits"), [], id="neither branch nor tag"),
        pytest.param(github_push(commits=[]), [], id="forced back"),
    ],
)
def test_what_a_push_may_be(hooked, payload, expected):
    assert push(hooked, payload)[0] == 200
    assert hooked.new("branch", "category", "revision") == expected


def test_a_commit_that_is_elsewhere_already_says_so(hooked):
    payload = github_push()
    payload["commits"][0]["distinct"] = False
    push(hooked, payload)
    assert [properties(change)["github_distinct"] for change in hooked.new()] == [False, True]


def test_files_are_those_added_modified_and_removed(hooked):
    commit = github_commit(FIRST, added=["a"], modified=["m"], removed=["r"])
    push(hooked, github_push(commits=[commit], head_commit=commit))
    assert hooked.new("files") == [["a", "m", "r"]]


@pytest.mark.parametrize("event", ["ping", "workflow_run"])
def test_events_without_changes_are_welcome(hooked, event):
    assert hooked.payload("github", github_ping(), x_github_event=event) == (200, "no change found")


@pytest.mark.parametrize("action", ["closed", "edited", "labeled", "ready_for_review", "review_requested"])
def test_only_new_commits_of_a_pull_request_are_changes(hooked, action):
    answer = hooked.payload("github", github_pull_request(action), x_github_event="pull_request")
    assert answer == (200, "no change found")


@pytest.mark.parametrize(("count", "told"), [(50, True), (51, False)])
def test_a_large_push_is_not_a_property_of_each_of_its_changes(using, count, told):
    """Two thousand commits of which each holds them all are four gigabytes."""
    hooked = using(github_property_whitelist=["github.commits", "github.ref"])
    commits = [github_commit(f"{number:040x}") for number in range(count)]
    push(hooked, github_push(commits=commits, head_commit=commits[-1]))
    found = hooked.new()
    assert [change["revision"] for change in found] == [commit["id"] for commit in commits]
    assert {"github.commits" in properties(change) for change in found} == {told}
    assert {properties(change)["github.ref"] for change in found} == {"refs/heads/main"}


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"{}", {"x_github_event": "issues"}, 400, "Unknown event: issues"),
        (b"{}", {"x_github_event": "Push Me/../"}, 400, "Unknown event"),
        (b"{}", {"x_github_event": "_init__"}, 400, "Unknown event: _init__"),
        (b"{}", {}, 400, "Unknown event: None"),
        (b"{oops", {"x_github_event": "push"}, 400, "Error loading JSON: Expecting property name"),
        (b"\xff\xfe", {"x_github_event": "push"}, 400, "Error loading JSON"),
        (b"[" * 200_000, {"x_github_event": "push"}, 400, "nested too deeply"),
        (b"[1]", {"x_github_event": "push"}, 400, "the payload is a JSON list, not an object"),
        (b"{}", {"x_github_event": "push"}, 400, "the payload has no repository"),
        (b'{"repository": {"html_url": "u"}}', {"x_github_event": "push"}, 400, "the payload has no name"),
        (b"{}", {"x_github_event": "push", "content_type": "text/plain"}, 415, "Unknown content type: text/plain"),
        (b"a=1", {"x_github_event": "push", "content_type": FORM}, 400, "the form has no field 'payload'"),
        (b"{}", {"x_github_event": "pull_request"}, 400, "the payload has no pull_request"),
    ],
)
def test_what_can_not_be_read_is_refused(hooked, body, headers, status, words):
    answer = hooked.post("github", body, **{"content_type": JSON, **headers})
    assert (answer[0], words in answer[1]) == (status, True)
    assert hooked.new() == []


@pytest.mark.parametrize("name", ["author", "message", "id", "timestamp", "url"])
def test_a_commit_without_a_part_keeps_the_whole_push_out(hooked, name):
    payload = github_push()
    del payload["commits"][1][name]
    assert push(hooked, payload) == (400, f"the payload has no {name}")
    assert hooked.new() == []


def test_a_time_that_is_none_is_refused(hooked):
    payload = github_push()
    payload["commits"][0]["timestamp"] = "tomorrow"
    assert push(hooked, payload) == (400, "the payload's timestamp is 'tomorrow', which is no time")


# -- skips -------------------------------------------------------------------------------------------------------------


def skipping(message):
    commit = github_commit(SECOND, message)
    return github_push(commits=[github_commit(FIRST), commit], head_commit=commit)


@pytest.mark.parametrize(
    ("message", "count"), [("x [skip ci]", 0), ("[ ci  skip ] x", 0), ("skip ci", 2), ("[skip-ci]", 2)]
)
def test_the_newest_commit_may_ask_not_to_be_built(hooked, message, count):
    push(hooked, skipping(message))
    assert len(hooked.new()) == count


def test_only_the_newest_is_asked(hooked):
    payload = github_push()
    payload["commits"][0]["message"] = "[skip ci]"
    push(hooked, payload)
    assert len(hooked.new()) == 2


def test_patterns_of_ones_own(using):
    hooked = using(skips=[r"\bnobuild\b"])
    for message in ("x nobuild", "[skip ci]"):
        push(hooked, skipping(message))
    assert hooked.new("comments") == ["Carry the two", "[skip ci]"]
    hooked = using(skips=[])
    push(hooked, skipping("[skip ci]"))
    assert len(hooked.new()) == 2


def test_the_usual_patterns_are_documented():
    assert DEFAULT_SKIPS_PATTERN == [r"\[ *skip *ci *\]", r"\[ *ci *skip *\]"]


# -- signatures --------------------------------------------------------------------------------------------------------


BODY = json.dumps(github_push()).encode()
SECRET = util.Interpolate("sec%(kw:rest)s", rest="ret")


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"x_hub_signature_256": signature(BODY, "secret")}, 200, "2 change found"),
        ({"x_hub_signature": signature(BODY, "secret", "sha1")}, 200, "2 change found"),
        ({"x_hub_signature_256": signature(BODY, "guess")}, 403, "Hash mismatch"),
        ({"x_hub_signature": signature(BODY, "guess", "sha1")}, 403, "Hash mismatch"),
        (
            {"x_hub_signature": signature(BODY, "secret", "sha1"), "x_hub_signature_256": "sha256=0"},
            403,
            "Hash mismatch",
        ),
        ({"x_hub_signature_256": signature(BODY + b" ", "secret")}, 403, "Hash mismatch"),
        ({"x_hub_signature": "rubbish"}, 403, "Wrong signature format: rubbish"),
        ({"x_hub_signature": "md5=12"}, 403, "Unknown hash type: md5"),
        ({"x_hub_signature": "sha1=ü"}, 403, "Hash mismatch"),
        ({}, 403, "the request has no signature"),
    ],
)
@pytest.mark.parametrize("secret", ["secret", SECRET])
def test_with_a_secret_deliveries_have_to_be_signed(using, secret, headers, status, words):
    hooked = using(secret=secret)
    answer = hooked.post("github", BODY, content_type=JSON, x_github_event="push", **headers)
    assert (answer[0], words in answer[1]) == (status, True)
    assert len(hooked.new()) == (2 if status == 200 else 0)


def test_not_strict_takes_what_is_unsigned(using):
    """As Buildbot does it."""
    hooked = using(secret="secret", strict=False)
    assert push(hooked, github_push()) == (200, "2 change found")
    assert push(hooked, github_push(), x_hub_signature="sha1=0")[0] == 403


def test_strict_refuses_what_is_unsigned(using):
    assert push(using(secret="secret", strict=True), github_push())[0] == 403


def test_a_form_is_signed_as_it_was_sent(using):
    hooked = using(secret="secret")
    body = urlencode({"payload": json.dumps(github_push())}).encode()
    headers = {"x_github_event": "push", "x_hub_signature_256": signature(body, "secret")}
    assert hooked.post("github", body, content_type=FORM, **headers) == (200, "2 change found")


def test_strict_needs_a_secret():
    with pytest.raises(ValueError, match="there is no secret"):
        GitHubEventHandler(None, True)


# -- other options, and classes of one's own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codebase", "expected"), [("cb", "cb"), (lambda payload: payload["repository"]["name"], "engine")]
)
def test_the_codebase_is_a_text_or_a_function_of_the_payload(using, codebase, expected):
    hooked = using(codebase=codebase)
    push(hooked, github_push())
    assert hooked.new("codebase") == [expected, expected]


def test_without_a_codebase_the_configuration_is_asked(tmp_path):
    hooked = Hooked(tmp_path, {"github": {}}, codebaseGenerator=lambda change: change["project"])
    push(hooked, github_push())
    assert hooked.new("codebase") == ["analytical/engine", "analytical/engine"]
    hooked.stop()


def test_a_class_of_ones_own_takes_other_events(using):
    hooked = using(**{"class": Mine, "github_property_whitelist": ["github.x"]})
    assert hooked.payload("github", {}, x_github_event="blah") == (200, "no change found")
    assert hooked.payload("github", {"x": 1}, x_github_event="issue_comment") == (200, "1 change found")
    (change,) = hooked.new()
    assert (change["author"], properties(change)) == ("commenter", {"github.x": 1, "event": "issue_comment"})
    assert hooked.payload("github", {}, x_github_event="fails") == (400, "my own words")


def test_a_class_of_ones_own_changes_what_is_made_of_a_push(using):
    hooked = using(**{"class": Mine})
    push(hooked, github_push())
    assert hooked.new("repository", "comments") == [
        ("git@github.com:analytical/engine.git", "ada engine: Cards\n\nfor the loom"),
        ("git@github.com:analytical/engine.git", "ada engine: Carry the two"),
    ]


def test_how_a_class_of_ones_own_is_made(using):
    made = []

    class Recording(Named):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    hooked = using(**{"class": Recording, "secret": "s", "strict": True, "verify": False})
    push(hooked, github_push())
    (handler,) = made
    names = ["codebase", "debug", "github_api_endpoint", "github_property_whitelist", "master", "pullrequest_ref"]
    assert handler.seen == (("s", True), [*names, "skips", "token", "verify"])
    assert (handler.github_api_endpoint, handler.pullrequest_ref) == ("https://api.github.com", "merge")
    assert (handler.verify, handler.debug, handler.skips) == (False, False, DEFAULT_SKIPS_PATTERN)
