"""Pictures of users."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from treq.testing import StringStubbingResource, StubTreq

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import util
from buildmaster.www.avatar import AvatarBase
from tests.unit.www.conftest import Web


def test_gravatar_by_default(web: Web) -> None:
    answer = web.client.get("/avatar?email=Ada@X.org&size=64")
    assert answer.status == 302
    location = answer.header("location") or ""
    assert location.startswith("//www.gravatar.com/avatar/")
    assert location.endswith("?d=retro&s=64")
    assert web.client.get("/avatar?email=ada@x.org&size=64").header("location") == location


def test_without_methods_everybody_is_grey(make_web: Callable[..., Web]) -> None:
    answer = make_web(avatar_methods=[]).client.get("/avatar?email=a@b")
    assert answer.header("content-type") == "image/svg+xml"
    assert answer.body.startswith(b"<svg")


class Pictures(AvatarBase):
    """Knows two users."""

    def getUserAvatar(self, email: bytes, username: bytes | None, size: int, defaultAvatarUrl: bytes) -> Any:
        return {b"ada@x": (b"image/png", b"PNG"), b"evil@x": (b"text/html", b"<script>")}.get(email)


def test_own_methods_give_pictures_and_nothing_else(make_web: Callable[..., Web]) -> None:
    web = make_web(avatar_methods=[Pictures()])
    ada = web.client.get("/avatar?email=ada@x")
    assert (ada.header("content-type"), ada.body) == ("image/png", b"PNG")
    for email in ("evil@x", "nobody@x"):
        assert web.client.get(f"/avatar?email={email}").header("content-type") == "image/svg+xml"


def test_github_is_asked_once_for_each_user(make_web: Callable[..., Web]) -> None:
    asked: list[Any] = []

    def github(method: bytes, url: str, params: Any, headers: Any, data: bytes) -> Any:
        asked.append((url, params, headers.get(b"Authorization")))
        found = {"avatar_url": "https://avatars/ada"} if "users/ada" in url else {"items": []}
        return 200, {}, json.dumps(found).encode()

    method = util.AvatarGitHub(token="secret")
    web = make_web(avatar_methods=[method])
    method.client = StubTreq(StringStubbingResource(github))
    for _ in range(2):
        answer = web.client.get("/avatar?username=ada&email=ada@x.org&size=40")
        assert answer.header("location") == "https://avatars/ada?s=40"
    assert asked == [("https://api.github.com/users/ada", {}, [b"token secret"])]
    assert web.client.get("/avatar?email=bob@x.org").header("content-type") == "image/svg+xml"
    assert asked[1][1] == {b"q": [b"bob@x.org in:email"]}


@pytest.mark.parametrize(
    "arguments",
    [{"client_id": "x"}, {"client_secret": "x"}, {"client_id": "x", "client_secret": "y", "token": "z"}],
)
def test_github_credentials_must_fit(arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigErrors):
        util.AvatarGitHub(**arguments)
