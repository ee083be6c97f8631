"""Checking ``c['www']``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.www.auth import NoAuth
from buildmaster.www.service import endpoint_description
from buildmaster.www.settings import Settings, check


def test_nothing_given_serves_nothing() -> None:
    settings = Settings.of({})
    assert (settings.port, settings.logfileName, settings.cookie_expiration_time) == (
        None,
        "http.log",
        timedelta(weeks=1),
    )


def test_what_is_documented_is_accepted() -> None:
    www = {
        "port": "tcp:8010:interface=127.0.0.1",
        "plugins": {"waterfall_view": {}, "console_view": True},
        "allowed_origins": ["*"],
        "auth": NoAuth(),
        "avatar_methods": [],
        "json_cache_seconds": 5,
        "rest_minimum_version": 2,
        "default_page": "builders",
        "debug": True,
        "versions": [("OS", "12")],
        "logfileName": "",
        "logRotateLength": 1000,
        "maxRotatedFiles": 3,
        "custom_templates_dir": "templates",
        "change_hook_dialects": {},
        "cookie_expiration_time": timedelta(days=1),
        "ws_ping_interval": 30,
        "theme": {"bb-sidebar-background-color": "#000"},
        "ui_default_config": {"Builders.buildFetchLimit": 5},
    }
    assert check(www) == []
    assert Settings.of(www).logfileName is None
    assert Settings.of(www).versions == (("OS", "12"),)


@pytest.mark.parametrize(
    ("www", "message"),
    [
        ({"prot": 1, "x": 2}, "unknown www configuration parameter(s) prot, x"),
        ({"port": 70000}, "c['www']['port'] is 70000"),
        ({"port": True}, "c['www']['port'] is True"),
        ({"allowed_origins": "*"}, "c['www']['allowed_origins'] is '*'"),
        ({"auth": "me"}, "util.UserPasswordAuth"),
        ({"authz": object()}, "util.Authz"),
        ({"cookie_expiration_time": 5}, "a datetime.timedelta"),
        ({"versions": [("x",)]}, "must be a pair (name, version)"),
        ({"graphql": {"debug": True}}, "use REST"),
        ({"change_hook_dialects": {"githup": {}}}, "there is no hook 'githup'"),
        ({"change_hook_auth": ["checker"]}, "a list of credentials checkers"),
    ],
)
def test_mistakes_are_named_with_their_mend(www: dict[str, Any], message: str) -> None:
    errors = check(www)
    assert len(errors) == 1
    assert message in errors[0]
    with pytest.raises(ConfigErrors):
        Settings.of(www)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(check({"port": 70000, "debg": 1, "ws_ping_interval": -1})) == 3


def test_ports_become_endpoints_with_a_long_backlog() -> None:
    assert endpoint_description(8010) == "tcp:8010:backlog=1024"
    assert endpoint_description("8010") == "tcp:8010:backlog=1024"
    assert endpoint_description("tcp:8010:interface=127.0.0.1") == "tcp:8010:interface=127.0.0.1:backlog=1024"
    assert endpoint_description("tcp:1:backlog=5") == "tcp:1:backlog=5"
    assert endpoint_description("unix:/tmp/x") == "unix:/tmp/x"
    assert endpoint_description(None) is None
