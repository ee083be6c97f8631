"""Users, groups and pictures in a real LDAP directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import util
from tests.conftest import require_tool
from tests.support.slapd import ADMIN, PASSWORD, PNG, Slapd
from tests.unit.www.conftest import Web

pytestmark = pytest.mark.needs("ldap3", "slapd")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(require_tool("slapd"), require_tool("slapadd"), tmp_path_factory.mktemp("ldap"))
    yield server
    server.close()


def directory(uri: str, **options: Any) -> Any:
    return util.LdapUserInfo(
        **{
            "uri": uri,
            "bindUser": ADMIN,
            "bindPw": PASSWORD,
            "accountBase": "ou=people,dc=example,dc=org",
            "groupBase": "ou=groups,dc=example,dc=org",
            "accountPattern": "(uid=%(username)s)",
            "groupMemberPattern": "(member=%(dn)s)",
            "accountFullName": "cn",
            "accountEmail": "mail",
            "groupName": "cn",
            "avatarPattern": "(mail=%(email)s)",
            "avatarData": "jpegPhoto",
            "accountExtraFields": ["telephonenumber", "pager"],
            **options,
        }
    )


@pytest.fixture
def web(slapd: Slapd, tmp_path: Path) -> Iterator[Web]:
    found = directory(slapd.uri)
    auth = util.UserPasswordAuth({"ada": "pw", "bob": "pw", "*": "pw", "nobody": "pw"}, userInfoProvider=found)
    web = Web(tmp_path, {"auth": auth, "avatar_methods": [found]})
    yield web
    web.kit.stop()


def log_in(web: Web, name: str) -> tuple[int, Any]:
    web.client.cookies.clear()
    status = web.client.form("/auth/login", {"username": name, "password": "pw"}).status
    return status, web.client.get("/config").json["user"]


def test_users_and_their_groups(web: Web) -> None:
    """Whatever stands in a name, it is compared as it is."""
    assert log_in(web, "ada") == (
        302,
        {
            "username": "ada",
            "full_name": "Ada Lovelace",
            "email": "ada@example.org",
            "telephonenumber": "123",
            "groups": ["hackers", "countesses"],
        },
    )
    assert log_in(web, "bob") == (
        302,
        {"username": "bob", "full_name": "O*Neil (Bob)", "email": "bob@example.org", "groups": ["hackers"]},
    )


@pytest.mark.parametrize("name", ["nobody", "*"])
def test_who_is_not_in_the_directory_is_not_let_in(web: Web, name: str) -> None:
    status, user = log_in(web, name)
    assert (status, user) == (403, {"anonymous": True})


def test_pictures(web: Web) -> None:
    for email in ("ada@example.org", "countess@example.org"):
        answer = web.client.get(f"/avatar?email={email}")
        assert (answer.header("content-type"), answer.body) == ("image/png", PNG)
    for email in ("bob@example.org", "*", "nobody@example.org"):  # bob's is no picture
        assert web.client.get(f"/avatar?email={email}").header("content-type") == "image/svg+xml"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"groupName": None}, "groupBase, groupMemberPattern and groupName"),
        ({"avatarData": None}, "avatarPattern and avatarData"),
        ({"accountPattern": "(uid=*)"}, "must contain %(username)s"),
        ({"groupMemberPattern": "(member=*)"}, "must contain %(dn)s"),
        ({"avatarPattern": "(mail=*)"}, "must contain %(email)s"),
        ({"uri": "http://x"}, "must begin with ldap://"),
    ],
)
def test_wrong_arguments_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        directory(**{"uri": "ldap://x", **options})
    assert told in str(raised.value)
