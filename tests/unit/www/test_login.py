"""Logging in and out, by scripts, by the form, and by a proxy."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from buildmaster.plugins import util
from buildmaster.www.auth import RemoteUserAuth, UserInfoProviderBase
from tests.unit.www.conftest import Web

BASE = "../"


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def user(web: Web) -> Any:
    return web.client.get("/config").json["user"]


@pytest.fixture
def closed(make_web: Callable[..., Web]) -> Web:
    return make_web(auth=util.UserPasswordAuth({"homer": "doh!"}), cookie_expiration_time=timedelta(hours=1))


def test_a_script_logs_in_by_http_basic(closed: Web) -> None:
    assert user(closed) == {"anonymous": True}
    answer = closed.client.get("/auth/login", **basic("homer", "doh!"))
    assert (answer.status, answer.header("location")) == (302, BASE)
    (cookie,) = answer.headers["set-cookie"]
    assert cookie.startswith("TWISTED_SESSION=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert user(closed) == {"username": "homer", "email": "homer"}


@pytest.mark.parametrize("headers", [{}, basic("homer", "wrong"), basic("marge", "doh!"), {"authorization": "x"}])
def test_who_has_no_password_is_asked_for_it(closed: Web, headers: dict[str, str]) -> None:
    answer = closed.client.get("/auth/login", **headers)
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'basic realm="buildbot"'
    assert user(closed) == {"anonymous": True}


def test_people_log_in_by_the_form(closed: Web) -> None:
    assert 'name="password"' in closed.client.get("/login?redirect=/builders/1").text
    fields = {"username": "homer", "password": "doh!", "redirect": "/builders/1"}
    answer = closed.client.form("/auth/login", fields)
    assert (answer.status, answer.header("location")) == (302, BASE + "builders/1")
    assert "homer" in closed.client.get("/builders/1").text


def test_a_wrong_password_leads_back_to_the_form(closed: Web) -> None:
    answer = closed.client.form("/auth/login", {"username": "homer", "password": "D'oh"})
    assert (answer.status, answer.header("location")) == (302, BASE + "login?failed=1")
    assert 'role="alert"' in closed.client.get("/login?failed=1").text
    assert "set-cookie" not in answer.headers


def test_another_sites_form_can_not_log_anybody_in(closed: Web) -> None:
    answer = closed.client.form("/auth/login", {"username": "homer", "password": "doh!"}, origin="http://evil.org")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("target", ["http://evil.org/x", "//evil.org/x", "/\\evil.org", "https:evil.org"])
def test_a_login_leads_to_no_other_site(closed: Web, target: str) -> None:
    answer = closed.client.get(f"/auth/login?redirect={target}", **basic("homer", "doh!"))
    assert answer.header("location") == BASE


def test_a_line_break_in_the_target_writes_no_header(closed: Web) -> None:
    answer = closed.client.get("/auth/login?redirect=/a%0d%0aX-Evil:%201", **basic("homer", "doh!"))
    assert answer.header("x-evil") is None


def test_a_session_ends(closed: Web) -> None:
    closed.client.get("/auth/login", **basic("homer", "doh!"))
    closed.kit.advance(3599)
    assert user(closed)["username"] == "homer"
    closed.kit.advance(2)
    assert user(closed) == {"anonymous": True}


def test_a_session_outlives_a_restart(closed: Web) -> None:
    closed.client.get("/auth/login", **basic("homer", "doh!"))
    closed.kit.stop()
    again = Web(closed.basedir, closed.www)
    again.kit.reactor.advance(closed.kit.reactor.seconds() - again.kit.reactor.seconds())
    again.client.cookies = closed.client.cookies
    assert user(again)["username"] == "homer"
    closed.kit = again.kit


def test_logging_out(closed: Web) -> None:
    closed.client.get("/auth/login", **basic("homer", "doh!"))
    answer = closed.client.get("/auth/logout")
    assert (answer.status, answer.header("location")) == (302, BASE)
    assert user(closed) == {"anonymous": True}


def test_without_users_there_is_no_login(web: Web) -> None:
    assert web.client.get("/auth/login").status == 501
    assert "Log in</a>" not in web.client.get("/").text


def test_anonymous_visitors_get_no_cookie(web: Web) -> None:
    for path in ("/", "/api/v2/builders", "/config"):
        assert "set-cookie" not in web.client.get(path).headers


class Directory(UserInfoProviderBase):
    name = "directory"

    def getUserInfo(self, username: str) -> Any:
        return {"email": f"{username}@x.org", "full_name": username.title(), "groups": ["devs"]}


@pytest.fixture
def proxied(make_web: Callable[..., Web]) -> Web:
    return make_web(auth=RemoteUserAuth(header="X-User", userInfoProvider=Directory()))


def test_a_proxy_says_who_it_is(proxied: Web) -> None:
    config = proxied.client.get("/config", x_user="ada@REALM").json
    assert config["user"] == {
        "username": "ada",
        "realm": "REALM",
        "email": "ada@x.org",
        "full_name": "Ada",
        "groups": ["devs"],
    }
    assert config["auth"] == {"name": "RemoteUserAuth"}
    assert user(proxied)["username"] == "ada"
    assert proxied.client.get("/config", x_user="bob@REALM").json["user"]["username"] == "bob"


def test_what_the_proxy_says_must_match(proxied: Web) -> None:
    assert proxied.client.get("/config", x_user="ada").status == 403


def test_a_login_past_the_proxy_says_what_is_missing(proxied: Web) -> None:
    answer = proxied.client.get("/auth/login")
    assert answer.status == 403
    assert "X-User" in answer.text
