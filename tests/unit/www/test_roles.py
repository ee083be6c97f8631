"""Roles that users get from what is known of them."""

from __future__ import annotations

from buildmaster.www.authz import roles


def test_roles_from_groups_lose_the_prefix() -> None:
    matcher = roles.RolesFromGroups("buildbot-")
    assert matcher.getRolesFromUser({"groups": ["buildbot-admin", "other"]}) == ["admin"]
    assert matcher.getRolesFromUser({"username": "x"}) == []
    assert matcher.getRolesFromUser({"groups": None}) == []


def test_roles_from_emails() -> None:
    matcher = roles.RolesFromEmails(admins=["a@x", "b@x"], devs=["b@x"])
    assert matcher.getRolesFromUser({"email": "b@x"}) == ["admins", "devs"]
    assert matcher.getRolesFromUser({"email": None}) == []
    assert matcher.getRolesFromUser({}) == []


def test_roles_from_domains() -> None:
    matcher = roles.RolesFromDomain(admins=["x.org"])
    assert matcher.getRolesFromUser({"email": "b@x.org"}) == ["admins"]
    assert matcher.getRolesFromUser({"email": "x.org"}) == []
    assert matcher.getRolesFromUser({"email": "b@y.x.org"}) == []


def test_roles_from_owner() -> None:
    matcher = roles.RolesFromOwner("owner")
    assert matcher.getRolesFromUser({"email": "me@x"}, "me@x") == ["owner"]
    assert matcher.getRolesFromUser({"email": "me@x"}, "you@x") == []
    assert matcher.getRolesFromUser({"anonymous": True}, None) == []


def test_roles_from_user_name() -> None:
    matcher = roles.RolesFromUsername(roles=["admins"], usernames=["root"])
    assert matcher.getRolesFromUser({"username": "root"}) == ["admins"]
    assert matcher.getRolesFromUser({"anonymous": True}) == []
