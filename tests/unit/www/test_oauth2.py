"""Logging in with accounts of other services, at a server that behaves as theirs are documented."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import util
from buildmaster.www.auth import UserInfoProviderBase
from buildmaster.www.oauth2 import OAuth2Auth
from buildmaster.www.oauth_login import LASTS_SECONDS
from tests.support.oauth_service import CLIENT, OAuthService
from tests.unit.www.conftest import URL, Web

pytestmark = pytest.mark.needs("requests")

EMAILS = [
    {"email": "old@x.org", "primary": False, "verified": True},
    {"email": "ada@x.org", "primary": True, "verified": True},
]
TEAM = {"name": "Core Developers", "slug": "core-developers"}


def organizations(query: Any, body: bytes) -> Any:
    """GitHub's GraphQL, in two pages."""
    asked = json.loads(body)["variables"]
    node: dict[str, Any] = {"login": "second" if asked["after"] else "first"}
    if asked["teams"]:
        assert asked["login"] == "ada"
        node["teams"] = {"nodes": [TEAM]}
    page = {"hasNextPage": not asked["after"], "endCursor": "c"}
    return {"data": {"viewer": {"organizations": {"nodes": [node], "pageInfo": page}}}}


def many(query: dict[str, str], body: bytes) -> Any:
    """130 organizations, in pages as GitHub gives them."""
    first = (int(query["page"]) - 1) * int(query["per_page"])
    return [{"login": f"o{n}"} for n in range(first, min(130, first + int(query["per_page"])))]


GITHUB = {
    "/api/v3/user": {"login": "ada", "name": "Ada L", "email": None},
    "/api/v3/user/emails": EMAILS,
    "/api/v3/user/orgs": [{"login": "first"}, {"login": "second"}],
    "/api/v3/user/teams": [{**TEAM, "organization": {"login": "first"}}],
    "/api/graphql": organizations,
}


@pytest.fixture
def service() -> Iterator[Callable[..., OAuthService]]:
    made: list[OAuthService] = []

    def make(authorize: str, token: str, answers: dict[str, Any], **options: Any) -> OAuthService:
        made.append(OAuthService(authorize, token, answers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def github(service: Callable[..., OAuthService]) -> OAuthService:
    return service("/login/oauth/authorize", "/login/oauth/access_token", dict(GITHUB))


def log_in(web: Web, service: OAuthService, redirect: str = "") -> Any:
    """Go to the service, agree, come back; the master's answer."""
    begun = web.client.get(f"/auth/login?redirect={redirect}")
    assert begun.status == 302
    return web.client.get(service.allow(begun.header("location") or ""))


def user(web: Web) -> Any:
    return web.client.get("/config").json["user"]


def github_user(*groups: str) -> dict[str, Any]:
    return {"full_name": "Ada L", "username": "ada", "email": "ada@x.org", "groups": list(groups)}


TEAMS = ["Core Developers", "core-developers"]


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ({}, ["first", "second"]),
        ({"apiVersion": 4}, ["first", "second"]),
        ({"getTeamsMembership": True}, ["first", "second", *(f"first/{team}" for team in TEAMS)]),
        (
            {"apiVersion": 4, "getTeamsMembership": True, "debug": True},
            [name for org in ("first", "second") for name in (org, *(f"{org}/{team}" for team in TEAMS))],
        ),
    ],
    ids=["rest", "graphql", "teams by rest", "teams by graphql"],
)
def test_github(make_web: Callable[..., Web], github: OAuthService, options: dict[str, Any], groups: list[str]) -> None:
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url, **options))
    answer = log_in(web, github, "/builders/1")
    assert (answer.status, answer.header("location")) == (302, "../builders/1")
    assert user(web) == github_user(*groups)
    assert "Ada L" in web.client.get("/builders/1").text


def test_where_the_visitor_is_sent(make_web: Callable[..., Web]) -> None:
    web = make_web(auth=util.GitHubAuth("id", "secret"))
    assert 'href="./auth/login?redirect=%2Fbuilders"' in web.client.get("/login?redirect=/builders").text
    parts = urlsplit(web.client.get("/auth/login").header("location") or "")
    assert (parts.netloc, parts.path) == ("github.com", "/login/oauth/authorize")
    asked = dict(parse_qsl(parts.query))
    assert len(asked.pop("state")) > 40
    assert asked == {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": URL + "auth/login",
        "scope": "user:email read:org",
    }
    assert web.client.get("/config").json["auth"] == {
        "name": "GitHub",
        "oauth2": True,
        "fa_icon": "fa-github",
        "autologin": False,
    }


def test_more_groups_than_a_page_holds(make_web: Callable[..., Web], github: OAuthService) -> None:
    github.answers["/api/v3/user/orgs"] = many
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    log_in(web, github)
    assert user(web)["groups"] == [f"o{n}" for n in range(130)]


def test_an_address_that_is_not_verified_does_not_count(make_web: Callable[..., Web], github: OAuthService) -> None:
    github.answers["/api/v3/user/emails"] = [{"email": "boss@x.org", "primary": True, "verified": False}]
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    log_in(web, github)
    assert user(web)["email"] is None


def test_groups_give_roles(make_web: Callable[..., Web], github: OAuthService) -> None:
    rules = util.Authz([util.AnyControlEndpointMatcher(role="second")], [util.RolesFromGroups()])
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url), authz=rules)
    build = web.add_build()
    stop = f"builds/{build['buildid']}"
    assert web.client.call(stop, "stop").status == 403
    log_in(web, github)
    assert web.client.call(stop, "stop").status == 200


# -- other services ----------------------------------------------------------------------------------------------------


def google(url: str) -> Any:
    class Google(util.GoogleAuth):
        resourceEndpoint, authUri, tokenUri = url, url + "/o/oauth2/v2/auth", url + "/token"

    return Google(*CLIENT)


def bitbucket(url: str) -> Any:
    class Bitbucket(util.BitbucketAuth):
        resourceEndpoint, authUri, tokenUri = url + "/2.0", url + "/authorize", url + "/token"

    return Bitbucket(*CLIENT)


SERVICES: dict[str, tuple[Any, ...]] = {
    "google": (
        google,
        ("/o/oauth2/v2/auth", "/token"),
        {"/userinfo": {"name": "Ada L", "email": "ada@x.org", "email_verified": True, "picture": "p"}},
        {"full_name": "Ada L", "username": "ada", "email": "ada@x.org", "avatar_url": "p"},
    ),
    "gitlab": (
        lambda url: util.GitLabAuth(url + "/", *CLIENT),
        ("/oauth/authorize", "/oauth/token"),
        {
            "/api/v4/user": {
                "name": "Ada L",
                "username": "ada",
                "email": "ada@x.org",
                "avatar_url": "p",
                "confirmed_at": "2012-05-23T09:05:22Z",
            },
            "/api/v4/groups": lambda query, body: (
                [{"path": "admins", "full_path": "mine/admins"}] if query["min_access_level"] == "10" else None
            ),
        },
        {
            "full_name": "Ada L",
            "username": "ada",
            "email": "ada@x.org",
            "avatar_url": "p",
            "groups": ["mine/admins"],
        },
    ),
    "bitbucket": (
        bitbucket,
        ("/authorize", "/token"),
        {
            "/2.0/user": {"display_name": "Ada L", "nickname": "ada"},
            "/2.0/user/emails": {
                "values": [
                    {"email": "other@x.org", "is_primary": False, "is_confirmed": True},
                    {"email": "ada@x.org", "is_primary": True, "is_confirmed": True},
                ]
            },
            "/2.0/workspaces": {"values": [{"slug": "team"}]},
        },
        {"full_name": "Ada L", "username": "ada", "email": "ada@x.org", "groups": ["team"]},
    ),
}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services(make_web: Callable[..., Web], service: Callable[..., OAuthService], name: str) -> None:
    make_auth, paths, answers, expected = SERVICES[name]
    there = service(*paths, answers, basic=name == "bitbucket")
    web = make_web(auth=make_auth(there.url))
    assert log_in(web, there).status == 302
    assert user(web) == expected


def test_google_without_a_verified_address_is_nobody(
    make_web: Callable[..., Web], service: Callable[..., OAuthService]
) -> None:
    answers = {"/userinfo": {"name": "Eve", "email": "ada@x.org", "email_verified": False}}
    there = service("/o/oauth2/v2/auth", "/token", answers)
    web = make_web(auth=google(there.url))
    assert log_in(web, there).status == 403
    assert user(web) == {"anonymous": True}


def test_a_service_of_ones_own(make_web: Callable[..., Web], service: Callable[..., OAuthService]) -> None:
    """As public configurations write it: uris set before the base class, a session of requests, secrets."""
    there = service("/auth", "/token", {"/info": {"email": "ada@x.org", "name": "Ada", "nick": "ada"}})
    there.form = True

    class OpenIDAuth(OAuth2Auth):
        name = "OpenID"
        faIcon = "fa-openid"
        authUriAdditionalParams = {"scope": "openid"}

        def __init__(self, url: str, clientId: Any, clientSecret: Any, **kwargs: Any) -> None:
            self.authUri, self.tokenUri, self.userInfoUri = url + "/auth", url + "/token", url + "/info"
            super().__init__(clientId, clientSecret, **kwargs)

        def createSessionFromToken(self, token: Any) -> Any:
            import requests

            s = requests.Session()
            s.headers = {"Authorization": f"Bearer {token['access_token']}"}  # type: ignore[assignment]
            return s

        def getUserInfoFromOAuthClient(self, session: Any) -> Any:
            r = session.get(self.userInfoUri)
            r.raise_for_status()
            told = r.json()
            return {"email": told["email"], "full_name": told["name"], "username": told["nick"]}

    class Groups(UserInfoProviderBase):
        def getUserInfo(self, username: str) -> Any:
            return {"groups": [f"friends of {username}"]}

    secret = util.Interpolate("%(kw:secret)s", secret=CLIENT[1])
    web = make_web(auth=OpenIDAuth(there.url, CLIENT[0], secret, userInfoProvider=Groups()))
    log_in(web, there)
    assert user(web) == {
        "email": "ada@x.org",
        "full_name": "Ada",
        "username": "ada",
        "groups": ["friends of ada"],
    }


# -- who tries something else ------------------------------------------------------------------------------------------


def test_a_code_of_another_browser_is_not_taken(make_web: Callable[..., Web], github: OAuthService) -> None:
    """Somebody has a victim's browser open the way back of his own login."""
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    back = github.allow(web.client.get("/auth/login").header("location") or "")
    web.client.cookies.clear()  # the victim, who has begun nothing
    answer = web.client.get(back)
    assert (answer.status, user(web)) == (403, {"anonymous": True})
    assert "not begun by this browser" in answer.text
    web.client.get("/auth/login")  # the victim, who has begun a login of his own
    assert web.client.get(back).status == 403
    assert [path for _, path in github.asked] == []  # nobody was asked with the code


def test_a_login_is_good_once_and_for_a_while(make_web: Callable[..., Web], github: OAuthService) -> None:
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    back = github.allow(web.client.get("/auth/login").header("location") or "")
    assert [web.client.get(back).status for _ in range(2)] == [302, 403]
    back = github.allow(web.client.get("/auth/login").header("location") or "")
    web.kit.advance(LASTS_SECONDS + 1)
    assert web.client.get(back).status == 403


def test_what_is_kept_of_a_begun_login_is_no_session(make_web: Callable[..., Web]) -> None:
    web = make_web(auth=util.GitHubAuth("id", "secret"))
    web.client.get("/auth/login")
    web.client.cookies["TWISTED_SESSION"] = web.client.cookies["BUILDMASTER_OAUTH2"]
    assert user(web) == {"anonymous": True}


def test_a_login_leads_to_no_other_site(make_web: Callable[..., Web], github: OAuthService) -> None:
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    for target in ("http://evil.org/", "//evil.org", "/%5cevil.org"):
        assert log_in(web, github, target).header("location") == "../"


def test_a_wrong_code_or_secret_logs_nobody_in(make_web: Callable[..., Web], github: OAuthService) -> None:
    web = make_web(auth=util.GitHubAuth("id", "wrong", github.url))
    answer = log_in(web, github)
    assert (answer.status, answer.text) == (403, "GitHub did not confirm this login; try again")
    assert user(web) == {"anonymous": True}


def test_who_refuses_is_told_so(make_web: Callable[..., Web]) -> None:
    web = make_web(auth=util.GitHubAuth("id", "secret"))
    answer = web.client.get("/auth/login?error=access_denied&error_description=%3Cb%3Eno")
    assert (answer.status, answer.text) == (403, "GitHub refuses the login: <b>no")
    assert (answer.header("content-type") or "").startswith("text/plain")


def test_groups_that_no_cookie_holds_are_told(make_web: Callable[..., Web], github: OAuthService) -> None:
    github.answers["/api/v3/user/orgs"] = [{"login": f"a-rather-long-name-of-organization-{n}"} for n in range(99)]
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url))
    answer = log_in(web, github)
    assert (answer.status, answer.text) == (403, "you are in too many groups (99) for a browser's cookie")


def test_autologin_sends_visitors_of_pages_away(make_web: Callable[..., Web], github: OAuthService) -> None:
    web = make_web(auth=util.GitHubAuth(*CLIENT, github.url, autologin=True))
    answer = web.client.get("/builders")
    assert (answer.status, answer.header("location")) == (302, "./auth/login?redirect=%2Fbuilders")
    assert web.client.get("/api/v2/builders").status == 200
    assert web.client.get("/login").status == 200
    log_in(web, github)
    assert web.client.get("/builders").status == 200


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ConfigErrors, match="apiVersion=5"):
        util.GitHubAuth("id", "secret", apiVersion=5)
