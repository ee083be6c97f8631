"""Pollers of pull requests, and Gerrit's sources and reviews: on live masters, against real servers and an ``ssh``."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.aio import deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.changes.bitbucket import BitbucketPullrequestPoller
from buildmaster.changes.gerrit_events import author_of, event_of_line, files_of_answer, files_of_query, key_of
from buildmaster.plugins import changes, reporters, util
from buildmaster.reporters.gerrit import (
    DEFAULT_REVIEW,
    GerritBuildEndStatusGenerator,
    GerritBuildStartStatusGenerator,
    label_argument,
)
from tests.support.gerrit import Gerrit, patch_set, ref_updated
from tests.support.hook_payloads import FIRST, GITHUB_FILES, SECOND, github_pull_request
from tests.support.live_builds import LiveBuilds
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import run
from tests.support.web_service import Service, serving


class Live:
    """A live master with change sources, whose changes are waited for."""

    def __init__(self, basedir: Any, *sources: Any) -> None:
        self.live = LiveMaster(basedir, {"change_source": list(sources), "multiMaster": True})
        self._wanted: tuple[int, defer.Deferred[None]] | None = None
        self._seen = 0

    def __enter__(self) -> Live:
        self.live.__enter__()
        self.live.master.journal.listen([("change", "new")], self._heard)
        return self

    def __exit__(self, *exc: object) -> None:
        self.live.__exit__(*exc)

    def _heard(self, fact: Any) -> None:
        self._seen += 1
        if self._wanted is not None and self._seen >= self._wanted[0]:
            wanted, self._wanted = self._wanted, None
            wanted[1].callback(None)

    def changes(self, count: int | None = None) -> list[Any]:
        """All changes, once there are ``count``."""
        found = self.live.get("changes", order=["changeid"])
        if count is not None and len(found) < count:
            come: defer.Deferred[None] = defer.Deferred()
            self._seen, self._wanted = len(found), (count, come)
            run(come, timeout=10)
            return self.changes()
        return found

    def look(self) -> None:
        """All sources look once, to the end."""
        for source in self.live.master.change_svc:
            run(defer.maybeDeferred(source.force))


@pytest.fixture
def service():
    with serving() as made:
        yield made


def plain(change: Any, *left_out: str) -> dict[str, Any]:
    """A change without what the database adds, and its properties without their source."""
    dropped = {"changeid", "parent_changeids", "sourcestamp", *left_out}
    found = {name: value for name, value in change.items() if name not in dropped}
    return {**found, "properties": {name: value for name, (value, _) in change["properties"].items()}}


# -- GitHub ------------------------------------------------------------------------------------------------------------

PEOPLE = [
    {"commit": {"author": {"name": "Ada", "email": "a@x"}, "committer": {"name": "Charles", "email": "c@x"}}},
    {"commit": {"author": {"name": "Bob", "email": "b@x"}, "committer": {"name": "Bob", "email": "b@x"}}},
]


def github(service: Service, *pulls: Any) -> None:
    """The service has these pull requests."""
    repository = "GET /repos/analytical/engine/pulls"
    service.answers[repository] = list(pulls)
    for pull in pulls:
        number = pull["number"]
        service.answers[f"{repository}/{number}"] = pull
        service.answers[f"{repository}/{number}/commits"] = PEOPLE
        service.answers[f"{repository}/{number}/files"] = GITHUB_FILES


def pull(number: int = 50, sha: str = FIRST, base: str = "main") -> Any:
    made = copy.deepcopy(github_pull_request()["pull_request"])
    made["number"] = number
    made["head"]["sha"] = sha
    made["head"]["repo"]["clone_url"] = "https://github.com/ada/engine.git"
    made["base"]["ref"] = base
    return made


def poller(service: Service, **kwargs: Any) -> Any:
    return changes.GitHubPullrequestPoller("analytical", "engine", baseURL=service.url, pollInterval=10_000, **kwargs)


def test_a_pull_request_is_a_change_once(service, tmp_path):
    github(service, pull())
    whitelist = ["github.head.ref"]
    with Live(tmp_path, poller(service, token="T", github_property_whitelist=whitelist)) as live:
        live.look()
        live.look()
        (change,) = live.changes()
        assert plain(change) == {
            "author": "Ada <a@x>",
            "committer": "Charles <c@x>",
            "branch": "backwards",
            "category": "pull",
            "codebase": "",
            "comments": "GitHub Pull Request #50 (1 commit)\nCount backwards\nNeeded for\nlaunches",
            "files": ["mill/down.c", "mill/new.c", "mill/up.c"],
            "project": "analytical/engine",
            "properties": {
                "github.head.ref": "backwards",
                "pullrequesturl": "https://github.com/analytical/engine/pull/50",
            },
            "repository": "https://github.com/ada/engine.git",
            "revision": FIRST,
            "revlink": "https://github.com/analytical/engine/pull/50",
            "when_timestamp": 1430869228,
        }
        assert {asked.headers["authorization"] for asked in service.asked} == {"token T"}
        github(service, pull(sha=SECOND))
        live.look()
        assert [change["revision"] for change in live.changes()] == [FIRST, SECOND]
    with Live(tmp_path, poller(service)) as live:
        live.look()
        assert len(live.changes()) == 2


def test_which_pull_requests_and_how_they_are_named(service, tmp_path):
    github(service, pull(1), pull(2, base="stable"), pull(3))
    source = poller(
        service,
        branches=["main"],
        magic_link=True,
        repository_type="ssh",
        project="p",
        category=lambda change: change["author"],
        pullrequest_filter=lambda one: one["number"] != 3,
    )
    with Live(tmp_path, source) as live:
        live.look()
        (change,) = live.changes()
    shown = [change[name] for name in ("branch", "repository", "project", "category")]
    assert shown == ["refs/pull/1/merge", "git@github.com:analytical/engine.git", "p", "Ada <a@x>"]


def test_a_look_that_fails_is_made_up_for(service, tmp_path):
    github(service, pull())
    service.answers["GET /repos/analytical/engine/pulls/50/files"] = (502, b"bad gateway")
    with Live(tmp_path, poller(service)) as live:
        live.look()
        assert live.changes() == []
        github(service, pull())
        live.look()
        assert len(live.changes()) == 1


# -- Bitbucket ---------------------------------------------------------------------------------------------------------


def bitbucket_pull(number: int = 1, sha: str = FIRST, branch: str = "topic") -> Any:
    def end(name: str, repository: str) -> Any:
        page = f"https://bitbucket.org/{repository}"
        return {
            "branch": {"name": name},
            "commit": {"hash": sha[:12]},
            "repository": {"full_name": repository, "links": {"html": {"href": page}}},
        }

    link = f"https://bitbucket.org/own/rep/pull-requests/{number}"
    return {
        "id": number,
        "title": "Faster",
        "author": {"display_name": "Ada Byron", "nickname": "ada"},
        "updated_on": "2015-05-05T23:40:28.123456+00:00",
        "links": {"html": {"href": link}},
        "source": end(branch, "ada/rep"),
        "destination": end("main", "own/rep"),
    }


def test_a_pull_request_at_bitbucket_is_a_change_once(service, tmp_path, monkeypatch):
    monkeypatch.setattr(BitbucketPullrequestPoller, "api_url", service.url)
    first = {"values": [bitbucket_pull()], "next": f"{service.url}/repositories/own/rep/pullrequests-2"}
    service.answers["GET /repositories/own/rep/pullrequests"] = first
    service.answers["GET /repositories/own/rep/pullrequests-2"] = {"values": [bitbucket_pull(2, branch="other")]}
    service.answers[f"GET /repositories/ada/rep/commit/{FIRST[:12]}"] = {"hash": FIRST}
    service.answers[f"GET /repositories/ada/rep/commit/{SECOND[:12]}"] = {"hash": SECOND}
    source = changes.BitbucketPullrequestPoller(
        "own",
        "rep",
        branch="topic",
        category="pulls",
        project="p",
        auth=("user", "app"),
        bitbucket_property_whitelist=["bitbucket.id"],
        pullrequest_filter=lambda one: one["title"] != "no",
    )
    link = "https://bitbucket.org/own/rep/pull-requests/1"
    with Live(tmp_path, source) as live:
        live.look()
        live.look()
        (change,) = live.changes()
        assert plain(change) == {
            "author": "Ada Byron",
            "committer": None,
            "branch": "topic",
            "category": "pulls",
            "codebase": "",
            "comments": f"pull-request #1: Faster\n{link}",
            "files": [],
            "project": "p",
            "properties": {"pullrequesturl": link, "bitbucket.id": 1},
            "repository": "https://bitbucket.org/ada/rep",
            "revision": FIRST,
            "revlink": link,
            "when_timestamp": 1430869228,
        }
        assert {asked.headers["authorization"] for asked in service.asked} == {"Basic dXNlcjphcHA="}
        first["values"] = [bitbucket_pull(sha=SECOND)]
        live.look()
        assert [change["revision"] for change in live.changes()] == [FIRST, SECOND]


# -- Gerrit's stream ---------------------------------------------------------------------------------------------------


@pytest.fixture
def gerrit(tmp_path, monkeypatch):
    return Gerrit(tmp_path / "bin", monkeypatch)


EVENTS = [
    patch_set(),
    "no event at all",
    ref_updated(),
    ref_updated("refs/heads/gone", "0" * 40),
    ref_updated("refs/changes/05/5/meta"),
    patch_set(),  # the same again
    patch_set("comment-added", 6),
    {**patch_set(number=7), "change": {}},
    patch_set("change-merged", 8, submitter={"name": "Sub"}),
    ref_updated("refs/tags/v1", "9999"),
]


def test_gerrits_events_are_changes(gerrit, tmp_path):
    gerrit.says("stream-events", *EVENTS)
    rows = {"patchSets": [{"number": 1}, {"number": 2, "files": [{"file": "/COMMIT_MSG"}, {"file": "a.c"}]}]}
    gerrit.says("query", rows, {"type": "stats"})
    handled = ["patchset-created", "ref-updated", "change-merged"]
    source = changes.GerritChangeSource("gerrit.host", "user", handled_events=handled, get_files=True, debug=True)
    with Live(tmp_path / "m", source) as live:
        first, second, third, tag = live.changes(4)
        assert source.describe() == "GerritChangeSource watching user@gerrit.host:29418 (connected)"
    assert plain(first) == {
        "author": "Dustin <dustin@example.org>",
        "committer": None,
        "branch": "refs/changes/05/5/2",
        "category": "patchset-created",
        "codebase": "",
        "comments": "subject",
        "files": ["/COMMIT_MSG", "a.c"],
        "project": "pr",
        "properties": {
            "event.change.branch": "br",
            "event.change.id": "I5",
            "event.change.number": 5,
            "event.change.owner.email": "dustin@example.org",
            "event.change.owner.name": "Dustin",
            "event.change.owner.username": "du",
            "event.change.project": "pr",
            "event.change.subject": "subject",
            "event.change.url": "http://gerrit.example/5",
            "event.patchSet.number": 2,
            "event.patchSet.ref": "refs/changes/05/5/2",
            "event.patchSet.revision": "abc5",
            "event.patchSet.uploader.name": "Up",
            "event.source": "GerritChangeSource",
            "event.type": "patchset-created",
            "target_branch": "br",
        },
        "repository": "ssh://user@gerrit.host:29418/pr",
        "revision": "abc5",
        "revlink": "http://gerrit.example/5",
        "when_timestamp": 1500000001,
    }
    shown = [(c["category"], c["branch"], c["revision"], c["files"]) for c in (second, third, tag)]
    assert shown == [
        ("ref-updated", "master", "5678", ["unknown"]),
        ("change-merged", "br", "abc8", ["/COMMIT_MSG", "a.c"]),
        ("ref-updated", "refs/tags/v1", "9999", ["unknown"]),
    ]
    alive = ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"]
    command = ["-o", "BatchMode=yes", *alive, "user@gerrit.host", "-p", "29418", "gerrit"]
    assert gerrit.calls[0] == [*command, "stream-events"]
    assert gerrit.calls[1] == [*command, "query", "5", "--format", "JSON", "--files", "--patch-sets"]


class Mine(changes.GerritChangeSource):
    """The example of Buildbot's documentation."""

    def eventReceived_patchset_created(self, properties, event):
        properties = {}
        self.addChangeFromEvent(properties, event)


def test_a_source_of_ones_own(gerrit, tmp_path):
    gerrit.says("stream-events", patch_set())
    options = {"ssh_server_alive_interval_s": None, "ssh_server_alive_count_max": None}
    source = Mine("h", "u", 222, "/id", gitBaseURL="https://git.example/", **options)
    with Live(tmp_path / "m", source) as live:
        (change,) = live.changes(1)
    assert (change["properties"], change["repository"]) == ({}, "https://git.example/pr")
    assert gerrit.calls[0] == ["-o", "BatchMode=yes", "-i", "/id", "u@h", "-p", "222", "gerrit", "stream-events"]


# -- Gerrit's log ------------------------------------------------------------------------------------------------------

LOG = "GET /a/plugins/events-log/events/"


def test_the_log_of_events_is_read_from_where_it_was_left(service, tmp_path):
    def source():
        options = {"get_files": True, "pollAtLaunch": False, "pollInterval": 10_000, "firstFetchLookback": 10_000}
        return changes.GerritEventLogPoller(f"{service.url}/a", ("u", "p"), gitBaseURL="ssh://git", **options)

    lines = [patch_set(), ref_updated()]
    service.answers[LOG] = lambda asked: (200, b"".join(_line(event) for event in lines))
    service.answers["GET /a/changes/5/revisions/2/files/"] = (200, b")]}'\n" + b'{"/COMMIT_MSG": {}, "b.c": {}}')
    readable, service.answers[LOG] = service.answers[LOG], (404, b"")
    with Live(tmp_path, source()) as live:
        live.look()
        service.answers[LOG] = readable
        service.asked.clear()
        live.look()
        live.look()
        assert [(c["category"], c["files"]) for c in live.changes()] == [
            ("patchset-created", ["/COMMIT_MSG", "b.c"]),
            ("ref-updated", ["unknown"]),
        ]
        first, second = [asked for asked in service.asked if "events-log" in asked.path]
        assert first.headers["authorization"] == "Basic dTpw"
        assert second.args["t1"] == "2017-07-14 02:40:01"  # one second before the last event
    lines = [ref_updated(revision="77", at=1_500_000_009)]
    with Live(tmp_path, source()) as live:
        live.look()
        assert [c["revision"] for c in live.changes()] == ["abc5", "5678", "77"]


def _line(event: Any) -> bytes:
    return json.dumps(event).encode() + b"\n"


def test_what_the_stream_missed_comes_by_the_log_once(gerrit, service, tmp_path):
    gerrit.says("stream-events", patch_set())
    service.answers[LOG] = (200, _line(patch_set()) + _line(ref_updated()))
    source = changes.GerritChangeSource("h", "u", http_url=f"{service.url}/a", http_auth=("u", "p"))
    with Live(tmp_path / "m", source) as live:
        assert sorted(c["revision"] for c in live.changes(2)) == ["5678", "abc5"]


def test_events_in_pure_functions():
    assert [event_of_line(line) for line in ("x", "[1]", '{"a": 1}', '{"type": "t"}')] == [
        None,
        None,
        None,
        {"type": "t"},
    ]
    people = [{"name": "a", "email": "b"}, {"name": "a"}, {"email": "b"}, {"username": "c"}, None]
    assert [author_of(person) for person in people] == ["a <b>", "a", "unknown <b>", "c", "unknown"]
    assert key_of(patch_set()) == key_of(patch_set(uploader={"name": "x"})) != key_of(patch_set(at=1))
    assert files_of_query("rubbish", 1) == files_of_answer(b"[]") == ["unknown"]


# -- the filter --------------------------------------------------------------------------------------------------------


class Change:
    def __init__(self, branch: str, **properties: Any) -> None:
        self.branch, self.project, self.repository, self.category, self.codebase = branch, "", "", None, ""
        self.properties = {name.replace("__", "."): (value, "Change") for name, value in properties.items()}


@pytest.mark.parametrize(
    ("given", "change", "wanted"),
    [
        ({"branch": "main"}, Change("refs/changes/1", event__change__branch="main"), True),
        ({"branch": "main"}, Change("main"), True),
        ({"branch": "main"}, Change("main", event__change__branch="other"), False),
        ({"branch_re": "ma"}, Change("main"), True),
        ({"branch_fn": lambda branch: branch == "x"}, Change("main"), False),
        ({"branch_not_eq": "main"}, Change("main"), False),
        ({"eventtype": "ref-updated"}, Change("main", event__type="ref-updated"), True),
        ({"eventtype": ["a", "b"]}, Change("main", event__type="c"), False),
        ({"eventtype_re": "ref-.*"}, Change("main", event__type="ref-updated"), True),
        ({"eventtype_fn": lambda event: event == "a"}, Change("main", event__type="b"), False),
        ({"project": "p"}, Change("main"), False),
    ],
)
def test_the_filter_knows_branches_and_events(given, change, wanted):
    assert util.GerritChangeFilter(**given).filter_change(change) is wanted


def test_the_filter_as_documentation_writes_it():
    chosen = util.GerritChangeFilter("main", "ref-updated")
    assert chosen.filter_change(Change("main", event__type="ref-updated"))
    assert not chosen.filter_change(Change("main", event__type="patchset-created"))
    assert chosen == util.GerritChangeFilter("main", "ref-updated") != util.GerritChangeFilter("main", "x")


# -- reviews -----------------------------------------------------------------------------------------------------------

PATCH_SET = {"event.change.project": "pr/x", "event.patchSet.revision": "abc5"}


class Sent:
    """Counts the reviews that were sent."""

    def __init__(self) -> None:
        self.count, self.three = 0, defer.Deferred[None]()

    def reporter(self, *args: Any, **kwargs: Any) -> Any:
        sent = self

        class Counted(reporters.GerritStatusPush):
            @deferred
            async def send_code_review(self, *args: Any) -> None:
                await super().send_code_review(*args)
                sent.count += 1
                if sent.count == 3:
                    sent.three.callback(None)

        return Counted(*args, **kwargs)


def test_a_review_sums_a_buildset_up(gerrit, tmp_path):
    sent = Sent()
    gerrit.says("version", "gerrit version 3.5.1")
    gerrit.says("review")
    heard: list[Any] = []

    def told(name: str, build: Any, arg: Any) -> Any:
        heard.append((name, arg))
        return {"message": f"{name} isn't done", "labels": {}}

    services = [
        sent.reporter("gerrit.host", "user", notify="OWNER", identity_file="/id"),
        sent.reporter(
            "gerrit.host",
            "single",
            name="single",
            generators=[
                GerritBuildStartStatusGenerator(told, "arg", ["good"], False, False),
                GerritBuildEndStatusGenerator(DEFAULT_REVIEW, None, ["bad"], True, False),
            ],
        ),
    ]
    with LiveBuilds(tmp_path / "m", services) as builds:
        requests = builds.buildset(["bad", "good"], {}, PATCH_SET)
        for name, results, state in (("bad", FAILURE, "it isn't good"), ("good", SUCCESS, "build successful")):
            builds.finish(builds.begin(name, requests[name], PATCH_SET), requests[name], results, state)
        builds.build({}, {})  # of no patch set
        run(sent.three, timeout=20)
    where = ["-o", "BatchMode=yes", "-i", "/id", "user@gerrit.host", "-p", "29418", "gerrit"]
    by_user = {call[call.index("-p") - 1]: [] for call in gerrit.calls}
    for call in gerrit.calls:
        by_user[call[call.index("-p") - 1]].append(call)
    version, review = by_user["user@gerrit.host"]
    assert version == [*where, "version"]
    link = "http://ci.example/"
    message = (
        f'Builder bad failed (it isn"t good) - {link}#/builders/1/builds/1\n\n'
        f"Builder good succeeded (build successful) - {link}#/builders/2/builds/1"
    )
    assert review[:-1][len(where) :] + review[-1:] == [
        "review",
        "--project pr/x",
        "--tag autogenerated:buildbot",
        "--notify OWNER",
        f"--message '{_as_here(message, review)}'",
        "--label Verified=-1",
        "abc5",
    ]
    said = [call[-3:] for call in by_user["single@gerrit.host"] if "review" in call]
    assert sorted(said) == [
        ["--message 'Buildbot finished compiling your patchset\non configuration: bad\nThe result is: FAILURE\n'",
         "--label Verified=-1", "abc5"],
        ["--tag autogenerated:buildbot", "--message 'good isn\"t done'", "abc5"],
    ]  # fmt: skip
    assert heard[0] == ("good", "arg")


def _as_here(message: str, review: list[str]) -> str:
    """The message with the addresses that this master gives to builds."""
    links = re.findall(r"http://\S+?(?=\n|'|$)", review[-3])
    shown = iter(links)
    return re.sub(r"http://ci\.example/\S+", lambda _: next(shown), message)


class Patient(reporters.GerritStatusPush):
    """Finds Gerrit away twice."""

    def _gerritCmd(self, *args: str) -> list[str]:
        command = super()._gerritCmd(*args)
        self.tries = getattr(self, "tries", 0) + 1
        return command if self.tries > 2 else ["sh", "-c", "echo no route to host >&2; exit 255"]

    @deferred
    async def send_code_review(self, *args: Any) -> None:
        await super().send_code_review(*args)
        self.sent.callback(self.tries)


def test_a_gerrit_that_is_away_is_waited_for(gerrit, tmp_path, monkeypatch):
    monkeypatch.setattr("buildmaster.mq.failing.FIRST_PAUSE", 0.01)
    gerrit.says("version", "gerrit version 2.5.1")  # an old one, too
    reporter = Patient("gerrit.host", "user")
    reporter.sent = defer.Deferred()
    with LiveBuilds(tmp_path / "m", [reporter]) as builds:
        builds.build({}, PATCH_SET)
        assert run(reporter.sent, timeout=20) == 4
    assert gerrit.calls[-1][-2:] == ["--verified 1", "abc5"]


def test_votes_of_old_gerrits():
    assert [label_argument("Code-Review", 2, new) for new in (True, False)] == [
        "--label Code-Review=2",
        "--code-review 2",
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: changes.GerritChangeSource("-oProxyCommand=x", "u"), "gerritserver must be a name"),
        (lambda: changes.GerritEventLogPoller("host", None, gitBaseURL="x"), "baseURL must be an address"),
        (lambda: changes.GerritEventLogPoller("http://h/a", None), "gitBaseURL must be specified"),
        (lambda: changes.GitHubPullrequestPoller("o", "r", repository_type="hg"), "repository_type must be one of"),
        (lambda: changes.GitHubPullrequestPoller("o", "r", branches="main"), "branches must be a list"),
        (lambda: changes.BitbucketPullrequestPoller("o", "r", pullrequest_filter=5), "must be a function"),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(ConfigErrors, match=words):
        make()
