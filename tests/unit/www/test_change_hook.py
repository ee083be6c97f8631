"""``/change_hook``: the entrance of all hooks, and the dialect ``base``."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet import defer
from twisted.logger import globalLogPublisher

from buildmaster.plugins import webhooks
from buildmaster.www.hooks.dialects import check
from tests.support.hooks import FORM, Hooked, basic


class AsPrinted(webhooks.base):
    """The example of Buildbot's documentation."""

    def getChanges(self, request):
        args = request.args
        chdict = {
            "revision": args.get(b"revision"),
            "repository": args.get(b"repository"),
            "project": args.get(b"project"),
            "codebase": args.get(b"codebase"),
        }
        return ([chdict], None)


class Told(webhooks.base):
    """Does what the request's field ``do`` says."""

    def getChanges(self, request):
        return getattr(self, request.args[b"do"][0].decode())()

    def options_are(self):
        return [{"comments": ",".join(self.options), "author": type(self.master).__name__}], None

    async def coroutine(self):
        return [{"who": b"x", "when": 5, "files": [b"a"], "revision": "1"}], "git"

    def deferred(self):
        return defer.succeed(([{"author": "d"}], "git"))

    def nothing(self):
        return None, None

    def value_error(self):
        raise ValueError("not like this")

    def bug(self):
        raise KeyError("oops")

    def half(self):
        return [{"author": "x", "revision": "1"}, {"author": "x", "revision": "2", "files": 5}], "git"

    def unknown(self):
        return [{"author": "x", "nosuch": 5}], "git"

    def unknown_source(self):
        return [{"author": "x"}], "cvs-of-mine"


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    dialects = {"base": True, "gitlab": False, "told": {"custom_class": Told, "colour": 1}}
    dialects["printed"] = {"custom_class": AsPrinted}
    made = Hooked(tmp_path_factory.mktemp("hooked"), dialects)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def nothing_new(request):
    if "hooked" in request.fixturenames:
        request.getfixturevalue("hooked").new()


# -- base --------------------------------------------------------------------------------------------------------------


def test_a_form_is_a_change(hooked):
    fields = {
        "author": "me",
        "committer": "you",
        "files": ["a", "b"],
        "comments": "c",
        "revision": "r",
        "when_timestamp": "12345",
        "branch": "br",
        "category": "cat",
        "revlink": "l",
        "properties": {"x": 1},
        "repository": "rep",
        "project": "pr",
        "codebase": "",
        "src": "git",
    }
    assert hooked.form("base", **fields) == (200, "1 change found")
    (change,) = hooked.new()
    expected = {**fields, "properties": {"x": (1, "Change")}, "when_timestamp": 12345}
    del expected["src"]
    assert {name: change[name] for name in expected} == expected


def test_older_names_of_fields_are_taken(hooked):
    hooked.form("base", who="w", when="777")
    assert hooked.new("author", "when_timestamp") == [("w", 777)]


def test_without_a_dialect_it_is_base(hooked):
    assert hooked.form("", revision="5")[0] == 200
    assert hooked.form("base/some/sub", revision="6")[0] == 200
    assert hooked.post("base?revision=7", verb="GET")[0] == 200
    assert hooked.new("revision") == ["5", "6", "7"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"files": "a b"}, "Error loading JSON"),
        ({"files": "5"}, "files must be a JSON list, not 5"),
        ({"properties": "[1]"}, "properties must be a JSON object"),
        ({"when_timestamp": "x"}, "could not convert string to float"),
        ({"when_timestamp": "-5"}, "addChange: when_timestamp is -5.0"),
        ({"when_timestamp": "nan"}, "addChange: when_timestamp is nan"),
        ({"codebase": "x" * 300}, "addChange: codebase has 300 characters; at most 256"),
        ({"files": "[" * 100_000}, "nested too deeply"),
        ({"files": "[" + "1" * 5000 + "]"}, "Error loading JSON"),
    ],
)
def test_what_is_wrong_is_told_with_a_status_of_the_senders_fault(hooked, fields, words):
    status, said = hooked.form("base", **fields)
    assert (status, words in said) == (400, True)
    assert hooked.new() == []


# -- the entrance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["nosuch", "gitlab", "github", "__init__", "..", "%00"])
def test_a_dialect_that_is_not_switched_on_is_refused(hooked, dialect):
    status, said = hooked.form(dialect, revision="1")
    assert (status, "change_hook_dialects" in said) == (400, True)
    assert hooked.new() == []


def test_head_and_others_change_nothing(hooked):
    assert [hooked.ask("base?revision=1", verb=verb).status for verb in ("HEAD", "PUT", "DELETE")] == [405, 405, 405]
    assert hooked.new() == []


def test_a_page_of_another_site_may_not_send_changes(hooked):
    status, said = hooked.post("base", b"revision=1", content_type=FORM, origin="http://evil.example")
    assert (status, said) == (403, "a page of another site may not send changes")
    assert hooked.post("base?revision=1", verb="GET", sec_fetch_site="cross-site")[0] == 403
    assert hooked.new() == []


def test_a_body_without_end_is_refused_before_it_is_read(hooked):
    answer = hooked.ask("base", b"", content_type=FORM, content_length=str(10**12))
    assert (answer.status, "the body is larger than the 33554432 bytes" in answer.text) == (413, True)


def test_answers_are_plain_text(hooked):
    """They quote the request; nobody's browser may take that for a page."""
    answer = hooked.ask("%3Cscript%3E", b"", verb="GET")
    assert (answer.header("content-type"), "<script>" in answer.text) == ("text/plain; charset=utf-8", True)


# -- handlers of one's own ---------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_works_as_printed(hooked):
    assert hooked.form("printed", revision="r1", repository="rep") == (200, "1 change found")
    assert hooked.new("revision", "repository", "project", "codebase") == [("r1", "rep", "", "")]


def test_a_handler_gets_the_master_and_its_options(hooked):
    assert hooked.form("told", do="options_are")[0] == 200
    (change,) = hooked.new()
    assert (change["author"], "colour" in change["comments"]) == ("InlineMaster", True)


@pytest.mark.parametrize(("do", "authors"), [("coroutine", ["x"]), ("deferred", ["d"]), ("unknown_source", ["x"])])
def test_a_handler_may_answer_in_any_way(hooked, do, authors):
    assert hooked.form("told", do=do) == (200, "1 change found")
    assert hooked.new("author") == authors


def test_no_change_is_an_answer_too(hooked):
    assert hooked.form("told", do="nothing") == (200, "no change found")


@pytest.mark.parametrize(
    ("do", "status", "words"),
    [
        ("value_error", 400, "not like this"),
        ("bug", 500, "Error processing changes."),
        ("unknown", 500, "Error processing changes."),
        ("half", 400, "addChange: files is 5, not a list of names"),
    ],
)
def test_a_failing_handler_leaves_nothing_behind(hooked, do, status, words):
    """The changes of a request are stored by one write: a wrong one keeps the others out."""
    assert hooked.form("told", do=do) == (status, words)
    assert hooked.new() == []


# -- once and only once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["x_github_delivery", "x_request_uuid", "x_request_id", "idempotency_key"])
def test_a_delivery_that_comes_twice_is_stored_once(hooked, header):
    """A service whose line broke before the answer came sends the same again."""
    for _ in range(2):
        assert hooked.form("base", revision=header, headers={header: f"{header}-1"})[0] == 200
    assert hooked.form("base", revision=header, headers={header: f"{header}-2"})[0] == 200
    assert hooked.new("revision") == [header, header]


def test_the_answer_comes_after_the_commit(tmp_path):
    hooked = Hooked(tmp_path, {"base": True})
    assert hooked.form("base", revision="kept")[0] == 200
    hooked.kit.crash()
    again = Hooked(tmp_path, {"base": True})
    assert again.new("revision") == ["kept"]
    again.stop()


@pytest.mark.parametrize(
    ("www", "warned"),
    [
        ({}, True),
        ({"change_hook_auth": [InMemoryUsernamePasswordDatabaseDontUse(user=b"pw")]}, False),
        ({"port": "tcp:8010:interface=127.0.0.1"}, False),
        ({"change_hook_dialects": {"github": {"secret": "s"}, "poller": True, "base": False}}, False),
    ],
)
def test_hooks_that_are_open_to_everybody_are_told_of(tmp_path, www, warned):
    said: list[Any] = []
    globalLogPublisher.addObserver(said.append)
    try:
        Hooked(tmp_path, {"base": True}, www=www).stop()
    finally:
        globalLogPublisher.removeObserver(said.append)
    told = [event for event in said if "neither a secret" in str(event.get("log_format"))]
    assert [event["hooks"] for event in told] == (["base"] if warned else [])


# -- the guard, and other configurations -------------------------------------------------------------------------------


def test_hooks_behind_a_password(tmp_path):
    checkers = [InMemoryUsernamePasswordDatabaseDontUse(user=b"pw")]
    hooked = Hooked(tmp_path, {"base": True}, www={"change_hook_auth": checkers})
    unknown = hooked.ask("base", b"", content_type=FORM)
    assert (unknown.status, unknown.header("www-authenticate")) == (401, 'basic realm="change hooks"')
    assert hooked.ask("base", b"", content_type=FORM, authorization=basic("user", "no")).status == 401
    assert hooked.ask("", b"", content_type=FORM).status == 401
    assert hooked.new() == []
    assert hooked.form("base", revision="1", headers={"authorization": basic("user", "pw")}) == (200, "1 change found")
    assert hooked.new("revision") == ["1"]
    hooked.stop()


def test_hooks_follow_the_configuration(tmp_path):
    hooked = Hooked(tmp_path, {"base": True})
    hooked.config["www"] = {"port": 8010}
    hooked.kit.reconfig()
    assert hooked.form("base", revision="1")[0] == 400
    hooked.config["www"] = {"port": 8010, "change_hook_dialects": {"base": {}}}
    hooked.kit.reconfig()
    assert hooked.form("base", revision="2")[0] == 200
    assert hooked.new("revision") == ["2"]
    hooked.stop()


@pytest.mark.parametrize(
    ("dialects", "words"),
    [
        ({"githup": {}}, "there is no hook 'githup': did you mean 'github'?"),
        ({"zzz": True}, "there is no hook 'zzz': there are base, bitbucket"),
        ({"base": 5}, "c['www']['change_hook_dialects']['base'] is 5: it must be True, False or a dictionary"),
        ({"base": {"custom_class": "Mine"}}, "['custom_class'] is 'Mine': it must be a class"),
        ({"base": {"colour": 1}}, "there is no option 'colour'; this hook has no options"),
        ({"gitlab": {"sekret": 1}}, "there is no option 'sekret'; the options are secret"),
        ({"github": {"strict": True}}, "'strict' is set, but there is no 'secret'"),
        ({"github": {"skips": ["["]}}, "['skips'] is ['[']: it must be a list of regular expressions"),
        ({"github": {"skips": "x"}}, "['skips'] is 'x': it must be a list of regular expressions"),
        ({"github": {"class": "Mine"}}, "['class'] is 'Mine': it must be a class derived from GitHubEventHandler"),
        ({"poller": {"allowed": "x"}}, "['allowed'] is 'x': it must be a list of names"),
    ],
)
def test_mistakes_in_a_configuration_are_named(dialects: dict[str, Any], words: str):
    (told,) = check(dialects, None)
    assert words in told


@pytest.mark.parametrize("auth", ["file:passwords", [object()], {"user": "pw"}])
def test_a_guard_must_be_made_of_checkers(auth):
    (told,) = check({}, auth)
    assert "change_hook_auth'] must be a list of credentials checkers" in told


def test_what_is_right_is_accepted():
    dialects = {"base": True, "gitlab": {"secret": "s"}, "github": {}, "poller": {"allowed": ["a"]}, "x": False}
    assert check({**dialects, "mine": {"custom_class": Told, "any": 1}, "bitbucket": None}, None) == []


def test_a_custom_class_may_be_any_callable():
    assert check({"mine": {"custom_class": lambda master, options: Told(master, options)}}, None) == []
