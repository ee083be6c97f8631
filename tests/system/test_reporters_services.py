"""Reporters to hosting services, on a live master, against a real server that plays the services."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.plugins import reporters, util
from buildmaster.reporters.bitbucketserver import full_ref, project_and_slug
from buildmaster.reporters.github import STATES as GITHUB_STATES
from buildmaster.reporters.gitlab import STATES as GITLAB_STATES
from tests.support.live_builds import LiveBuilds
from tests.support.web_service import Service, serving

GITHUB = {"repository": "https://github.com/analytical/engine", "project": "analytical/engine", "branch": "main"}
PULL = {**GITHUB, "branch": "refs/pull/42/merge"}
BITBUCKET = {"repository": "https://bitbucket.org/own/rep.git", "branch": "main"}
SERVER = {"repository": "http://bitbucket.example.org/projects/CI/repos/py-repo/", "branch": "main"}


class Shouting(reporters.GitHubStatusPush):
    """Overrides what public configurations override."""

    def createStatus(self, repo_user, repo_name, sha, state, props, **kwargs):
        kwargs["description"] = kwargs["description"].upper()
        return super().createStatus(repo_user, repo_name, sha, state, props, **kwargs)


def services(url: str) -> list[Any]:
    ends = reporters.BuildStatusGenerator(
        mode="all",
        message_formatter=reporters.MessageFormatterRenderable(util.Interpolate("%(prop:buildername)s ended")),
    )
    named = reporters.MessageFormatter(template_type="plain", subject="it is {{ status_detected }}")
    subjects = reporters.BuildStartEndStatusGenerator(start_formatter=named, end_formatter=named)
    number = util.Interpolate("%(prop:buildername)s/%(prop:buildnumber)s")
    return [
        reporters.GitHubStatusPush(token="T", baseURL=f"{url}/gh"),
        reporters.GitHubStatusPush(
            name="gh2",
            token=util.Interpolate("to%(kw:x)s", x="ken"),
            context=util.Interpolate("ci/%(prop:buildername)s"),
            baseURL=f"{url}/gh2/",
            generators=[ends],
            verbose=True,
        ),
        Shouting(name="gh3", token="T", baseURL=f"{url}/gh3", builders=["bad"], endDescription="over"),
        reporters.GitHubCommentPush(token="T", baseURL=f"{url}/ghc"),
        reporters.GitHubCommentPush(
            name="ghc2", token="T", baseURL=f"{url}/ghc2", startDescription="go", endDescription="stop"
        ),
        reporters.GitLabStatusPush("T", baseURL=f"{url}/gl"),
        reporters.GitLabStatusPush("T", name="gl2", baseURL=f"{url}/gl2", context=number, generators=[ends]),
        reporters.BitbucketStatusPush("key", "secret", base_url=f"{url}/bb", oauth_url=f"{url}/token"),
        reporters.BitbucketStatusPush(
            auth=("user", "app"),
            base_url=f"{url}/bb2",
            name="bb2",
            status_key=number,
            status_name=number,
            generators=[subjects],
        ),
        reporters.BitbucketServerStatusPush(f"{url}/bbs/", "u", util.Interpolate("p%(kw:x)s", x="w")),
        reporters.BitbucketServerStatusPush(f"{url}/bbs2", "u", "p", key=number, statusName="shown", name="bbs2"),
        reporters.BitbucketServerCoreAPIStatusPush(f"{url}/bbc", token="T"),
        reporters.BitbucketServerCoreAPIStatusPush(
            f"{url}/bbc2",
            auth=("u", "p"),
            name="bbc2",
            statusName="n",
            statusSuffix=util.Interpolate("-%(prop:buildnumber)s"),
            key="k",
            parentName="parent",
            buildNumber="7",
            ref="refs/tags/v1",
            duration=5,
            testResults={"failed": 1, "skipped": 2, "successful": 3},
            generators=[ends],
        ),
        reporters.BitbucketServerPRCommentPush(f"{url}/bbpr", "u", "p", generators=[ends]),
        reporters.GerritVerifyStatusPush(f"{url}/gv", ("u", "p")),
        reporters.GerritVerifyStatusPush(
            f"{url}/gv2",
            ("u", "p"),
            name="gv2",
            verification_name="lint",
            abstain=util.Property("buildername"),
            category="style",
            reporter="me",
            generators=[ends],
        ),
    ]


@pytest.fixture(scope="module")
def service():
    with serving() as made:
        made.answers = {
            "POST *": (201, {}),
            "GET /gl/api/v4/projects/mike%2Fdiaspora": {"id": 15},
            "GET /gl2/api/v4/projects/mike%2Fdiaspora": {"id": 16},
            "POST /token": {"access_token": "given", "token_type": "bearer"},
        }
        yield made


@pytest.fixture(scope="module")
def master(service, tmp_path_factory):
    with LiveBuilds(tmp_path_factory.mktemp("master"), services(service.url)) as made:
        yield made


class Pushed:
    """``pushed(prefix, count, stamp, …)`` makes a build and waits for its requests below a prefix.

    Each build has a revision of its own, ``sha``: what other reporters still send of earlier ones does not count.
    """

    def __init__(self, master: LiveBuilds, service: Service) -> None:
        self.master, self.service, self.sha = master, service, ""

    def __call__(
        self, prefix: str, count: int, stamp: Any, properties: Any = None, results: int = SUCCESS, **more: Any
    ) -> list[Any]:
        self.sha = uuid.uuid4().hex
        self.master.build({"revision": self.sha, **stamp}, properties, results, **more)
        return self.all(prefix, count)

    def all(self, prefix: str, count: int) -> list[Any]:
        """The requests of the last build, once there are so many."""
        return self.service.wait_for(count, prefix, lambda asked: self.sha in asked.path or "comments" in asked.path)


@pytest.fixture
def pushed(master, service):
    return Pushed(master, service)


def bodies(asked: list[Any]) -> list[Any]:
    return [one.json for one in asked]


# -- GitHub ------------------------------------------------------------------------------------------------------------


def test_a_build_is_a_status_of_its_commit_at_github(pushed):
    asked = pushed("/gh/", 3, GITHUB)
    assert {one.line for one in asked} == {f"POST /gh/repos/analytical/engine/statuses/{pushed.sha}"}
    assert {(one.headers["authorization"], one.headers["user-agent"]) for one in asked} == {("token T", "Buildbot")}
    pending, started, done = bodies(asked)
    assert pending["target_url"].startswith("http://ci.example/")
    assert "buildrequests/" in pending.pop("target_url")
    assert pending == {"state": "pending", "description": "Build pending.", "context": "buildbot/good"}
    assert "/builds/" in started.pop("target_url")
    assert started == {"state": "pending", "description": "Build started.", "context": "buildbot/good"}
    assert "/builds/" in done.pop("target_url")
    assert done == {"state": "success", "description": "Build done.", "context": "buildbot/good"}


def test_token_context_and_text_for_github_are_rendered(pushed):
    (asked,) = pushed("/gh2/", 1, GITHUB, results=FAILURE)
    assert asked.headers["authorization"] == "token token"
    assert (asked.json["state"], asked.json["context"]) == ("failure", "ci/good")
    assert asked.json["description"] == "good ended"


def test_older_arguments_and_a_class_of_ones_own(pushed, service):
    service.asked.clear()
    asked = pushed("/gh3/", 3, GITHUB, builder="bad")
    assert [body["description"] for body in bodies(asked)] == ["BUILD PENDING.", "BUILD STARTED.", "OVER"]
    pushed("/gh/", 3, GITHUB, builder="good")
    pushed("/gh3/", 3, GITHUB, builder="bad")
    assert len(service.below("/gh3/")) == 6


@pytest.mark.parametrize(
    ("stamp", "path"),
    [
        ({"repository": "git@github.com:a/b.git"}, "a/b"),
        ({"repository": "https://github.com/a/b"}, "a/b"),
        ({"repository": "https://github.com/a/b", "project": "c/d"}, "c/d"),
        ({"repository": "https://github.com/a/b", "project": "the project/x"}, "a/b"),
    ],
)
def test_which_repository_at_github(pushed, stamp, path):
    (asked,) = pushed("/gh2/", 1, stamp)
    assert asked.path == f"/gh2/repos/{path}/statuses/{pushed.sha}"


def test_the_revision_may_have_been_found_by_the_build(pushed):
    pushed.sha = "f00d"
    pushed.master.build({**GITHUB, "revision": None}, {"got_revision": "f00d"})
    (asked,) = pushed.all("/gh2/", 1)
    assert asked.path.endswith("/statuses/f00d")


def test_a_comment_when_the_build_of_a_pull_request_has_finished(pushed, service):
    (asked,) = pushed("/ghc/", 1, PULL)
    assert (asked.path, asked.json) == ("/ghc/repos/analytical/engine/issues/42/comments", {"body": "Build done."})
    assert bodies(pushed.all("/ghc2/", 2)) == [{"body": "go"}, {"body": "stop"}]


def test_no_comment_without_a_pull_request(pushed, service):
    service.asked.clear()
    for _ in range(2):  # a second one, so that the first has certainly been through all reporters
        pushed("/gh/", 3, GITHUB)
    assert service.below("/ghc") == []


def answering_once(service: Service, first: Any) -> Any:
    """The first status of each path is answered so, later ones as usual."""
    seen: set[str] = set()

    def answer(asked: Any) -> Any:
        if asked.path in seen or "/statuses/" not in asked.path:
            return 201, {}
        seen.add(asked.path)
        return first

    return answer


@pytest.mark.parametrize(
    "first", [(403, {"message": "You have exceeded a secondary rate limit"}), (502, b"bad gateway")]
)
def test_what_github_does_not_take_now_is_sent_again(pushed, service, monkeypatch, first):
    monkeypatch.setattr("buildmaster.mq.failing.FIRST_PAUSE", 0.01)
    monkeypatch.setitem(service.answers, "POST *", answering_once(service, first))
    refused, again = pushed("/gh2/", 2, GITHUB)
    assert refused.json == again.json


def test_a_status_that_gitlab_has_already_is_no_fault(pushed, service, monkeypatch):
    """It was sent before, by a master that was killed."""
    already = (400, {"message": "Cannot transition status via :run from :running (Reason(s): …)"})
    monkeypatch.setitem(service.answers, "POST *", answering_once(service, already))
    states = [body["state"] for body in bodies(pushed("/gl/", 3, GITLAB))]
    assert states == ["pending", "running", "success"]


def test_every_result_has_a_state():
    every = {SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED}
    assert set(GITHUB_STATES) == every == set(GITLAB_STATES)


# -- GitLab ------------------------------------------------------------------------------------------------------------

GITLAB = {"repository": "git@gitlab.example.org:mike/diaspora.git", "branch": "master"}


def test_a_build_is_a_status_of_its_commit_at_gitlab(pushed):
    asked = pushed("/gl/", 3, GITLAB, results=FAILURE)
    assert {one.line for one in asked} == {f"POST /gl/api/v4/projects/15/statuses/{pushed.sha}"}
    assert {one.headers["private-token"] for one in asked} == {"T"}
    said = [(body["state"], body["ref"], body["description"], body["name"]) for body in bodies(asked)]
    assert said == [
        ("pending", "master", "Build pending.", "buildbot/good"),
        ("running", "master", "Build started.", "buildbot/good"),
        ("failed", "master", "Build done.", "buildbot/good"),
    ]


def test_gitlab_is_asked_once_for_a_project(pushed, service):
    service.asked.clear()
    pushed("/gl2/", 1, GITLAB)
    (asked,) = pushed("/gl2/", 1, {**GITLAB, "branch": "refs/heads/topic"})
    assert service.lines.count("GET /gl2/api/v4/projects/mike%2Fdiaspora") <= 1
    assert (asked.json["ref"], asked.json["name"].split("/")[0]) == ("topic", "good")


def test_a_merge_request_gets_its_status_where_it_comes_from(pushed):
    (asked,) = pushed("/gl2/", 1, GITLAB, {"source_project_id": 88, "source_branch": "fork"})
    assert (asked.path, asked.json["ref"]) == (f"/gl2/api/v4/projects/88/statuses/{pushed.sha}", "fork")


# -- Bitbucket Cloud ---------------------------------------------------------------------------------------------------


def test_a_build_is_a_status_of_its_commit_at_bitbucket(pushed):
    asked = pushed("/bb/", 2, BITBUCKET)
    assert {one.line for one in asked} == {f"POST /bb/own/rep/commit/{pushed.sha}/statuses/build"}
    assert {one.headers["authorization"] for one in asked} == {"Bearer given"}
    for body, state in zip(bodies(asked), ["INPROGRESS", "SUCCESSFUL"], strict=True):
        assert "/builds/" in body.pop("url")
        key = "fc19318dd13128ce14344d066510a982269c241b"  # as Buildbot makes it of "good"
        assert body == {"state": state, "key": key, "name": "good", "description": ""}


def test_a_token_that_has_expired_is_replaced(pushed, service):
    pushed("/bb/", 2, BITBUCKET)
    old = service.answers["POST *"]
    service.answers["POST /token"] = {"access_token": "newer"}
    service.answers["POST *"] = lambda asked: (
        (401, {}) if asked.headers.get("authorization") == "Bearer given" else (201, {})
    )
    asked = pushed("/bb/", 3, BITBUCKET, results=FAILURE)
    service.answers["POST *"] = old
    assert [one.headers["authorization"] for one in asked] == ["Bearer given", "Bearer newer", "Bearer newer"]
    assert asked[2].json["state"] == "FAILED"


def test_an_app_password_and_texts_of_ones_own_for_bitbucket(pushed):
    started, done = pushed("/bb2/", 2, BITBUCKET)
    assert done.headers["authorization"] == "Basic dXNlcjphcHA="
    assert done.json["name"].startswith("good/")
    assert [started.json["description"], done.json["description"]][1] == "it is passing build"


# -- Bitbucket Server --------------------------------------------------------------------------------------------------


def test_a_build_is_a_status_of_its_commit_at_bitbucket_server(pushed):
    started, done = pushed("/bbs/", 2, SERVER)
    assert (done.path, done.headers["authorization"]) == (
        f"/bbs/rest/build-status/1.0/commits/{pushed.sha}",
        "Basic dTpwdw==",
    )
    assert "/builds/" in done.json["url"]
    shown = [{**one.json, "url": ""} for one in (started, done)]
    assert shown == [
        {"state": "INPROGRESS", "url": "", "key": "good", "description": "Build started."},
        {"state": "SUCCESSFUL", "url": "", "key": "good", "description": "Build done."},
    ]


def test_key_and_name_for_bitbucket_server(pushed):
    _, done = pushed("/bbs2/", 2, SERVER)
    assert (done.json["key"].split("/")[0], done.json["name"]) == ("good", "shown")


def test_a_status_by_the_core_interface_of_bitbucket_server(pushed):
    asked = pushed("/bbc/", 3, SERVER, {"tests_failed": 2}, results=FAILURE)
    path = f"/bbc/rest/api/1.0/projects/CI/repos/py-repo/commits/{pushed.sha}/builds"
    assert {(one.path, one.headers["authorization"]) for one in asked} == {(path, "Bearer T")}
    pending, started, done = bodies(asked)
    assert (pending["name"], pending["buildNumber"]) == ("good #(build request)", "")
    assert (started["state"], started["duration"]) == ("INPROGRESS", None)
    number = done["buildNumber"]
    assert {**done, "url": "", "duration": isinstance(done["duration"], int)} == {
        "state": "FAILED",
        "url": "",
        "key": "good",
        "parent": "good",
        "ref": "refs/heads/main",
        "buildNumber": number,
        "description": "Build done.",
        "name": f"good #{number}",
        "duration": True,
        "testResults": {"failed": 2, "skipped": 0, "successful": 0},
    }


def test_everything_of_a_core_status_can_be_given(pushed):
    (asked,) = pushed("/bbc2/", 1, SERVER)
    assert asked.headers["authorization"] == "Basic dTpw"
    said = {**asked.json, "url": "", "name": asked.json["name"].partition("-")[0]}
    assert said == {
        "state": "SUCCESSFUL",
        "url": "",
        "key": "k",
        "parent": "parent",
        "ref": "refs/tags/v1",
        "buildNumber": "7",
        "description": "good ended",
        "name": "n",
        "duration": 5,
        "testResults": {"failed": 1, "skipped": 2, "successful": 3},
    }


def test_the_parent_of_a_build_is_named(master, pushed):
    parent = master.build({}, builder="bad")
    more = {"parent_buildid": parent, "parent_relationship": "Triggered from"}
    _, _, done = bodies(pushed("/bbc/", 3, SERVER, **more))
    assert done["parent"] == "bad"
    assert done["name"].startswith("bad #")
    assert f" >> good #{done['buildNumber']}" in done["name"]


@pytest.mark.parametrize(
    ("repository", "found"),
    [
        ("https://host/scm/PROJ/repo.git", ("PROJ", "repo")),
        ("https://host/context/scm/PROJ/repo.git", ("PROJ", "repo")),
        ("ssh://git@host:7999/PROJ/repo.git", ("PROJ", "repo")),
        ("https://host/projects/PROJ/repos/repo/browse", ("PROJ", "repo")),
        ("https://host/users/me/repos/repo", ("~me", "repo")),
        ("", (None, None)),
    ],
)
def test_which_repository_at_bitbucket_server(repository, found):
    assert project_and_slug(repository) == found


def test_references_are_whole():
    assert [full_ref(branch) for branch in ("main", "refs/pull-requests/1/merge", None, "")] == [
        "refs/heads/main",
        "refs/pull-requests/1/merge",
        None,
        "",
    ]


def test_a_comment_on_the_pull_request_at_bitbucket_server(pushed):
    address = "http://bitbucket.example.org/projects/CI/repos/py-repo/pull-requests/21"
    (asked,) = pushed("/bbpr/", 1, SERVER, {"pullrequesturl": address})
    assert asked.path == "/bbpr/rest/api/1.0/projects/CI/repos/py-repo/pull-requests/21/comments"
    assert asked.json == {"text": "good ended"}


# -- Gerrit's verify-status --------------------------------------------------------------------------------------------


def test_a_verification_of_a_patch_set(pushed):
    pushed.sha = "changes/5/revisions/2"
    pushed.master.build({}, {"event.change.number": 5, "event.patchSet.number": 2}, FAILURE)
    asked = pushed.all("/gv/", 2)
    assert {one.path for one in asked} == {"/gv/a/changes/5/revisions/2/verify-status~verifications"}
    assert asked[0].headers["authorization"] == "Basic dTpw"
    started, done = bodies(asked)
    assert (started["value"], started["duration"]) == (0, "pending")
    assert "/builds/" in done.pop("url")
    assert done.pop("duration").endswith("s")
    assert done == {"name": "good", "value": -1, "abstain": False, "comment": "Build done.", "reporter": "buildbot"}


def test_verifications_of_patch_sets_of_ones_own(pushed):
    changes = [{"change_id": "I1", "revision_id": "r1"}, {"change_id": "I2", "revision_id": "r2"}]
    pushed.sha = "changes/I"
    pushed.master.build({}, {"gerrit_changes": changes})
    asked = pushed.all("/gv2/", 2)
    assert [one.path.split("/verify")[0] for one in asked] == [
        "/gv2/a/changes/I1/revisions/r1",
        "/gv2/a/changes/I2/revisions/r2",
    ]
    said = {**asked[1].json, "url": "", "duration": ""}
    assert said == {
        "name": "lint",
        "value": 1,
        "abstain": True,
        "comment": "good ended",
        "url": "",
        "reporter": "me",
        "category": "style",
        "duration": "",
    }


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: reporters.GitHubStatusPush(token="T", baseURL="github.com"), "baseURL must be an address"),
        (
            lambda: reporters.GitHubStatusPush(token="T", builders=["a"], generators=[]),
            "builders can't be used together with generators",
        ),
        (lambda: reporters.BitbucketStatusPush(), "oauth_key and oauth_secret are needed, or auth"),
        (
            lambda: reporters.BitbucketStatusPush("k", "s", ("u", "p")),
            "give either oauth_key and oauth_secret, or auth",
        ),
        (lambda: reporters.BitbucketServerStatusPush("host", "u", "p"), "base_url must be an address"),
        (lambda: reporters.BitbucketServerCoreAPIStatusPush("http://h"), "either token or auth is needed"),
        (lambda: reporters.BitbucketServerCoreAPIStatusPush("http://h", "t", ("u", "p")), "not both"),
        (lambda: reporters.GerritStatusPush("-oProxyCommand=x", "u"), "server must be a name"),
        (lambda: reporters.GerritStatusPush("h", "u", notify="owner; ls"), "notify must be NONE"),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(ConfigErrors, match=words):
        make()
