"""``c['www']``: which keys there are and what they may be, checked all at once.

The values are kept as they were given; the service reads them from here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from buildmaster.base.errors import ConfigErrors
from buildmaster.www import badges, dashboards
from buildmaster.www.hooks import dialects

KNOWN = frozenset(
    {
        "allowed_origins",
        "auth",
        "authz",
        "avatar_methods",
        "change_hook_auth",
        "change_hook_dialects",
        "cookie_expiration_time",
        "custom_templates_dir",
        "debug",
        "default_page",
        "graphql",
        "json_cache_seconds",
        "jsonp",
        "logRotateLength",
        "logfileName",
        "maxRotatedFiles",
        "plugins",
        "port",
        "project_widgets",
        "rest_minimum_version",
        "theme",
        "ui_default_config",
        "versions",
        "ws_ping_interval",
    }
)

#: features of Buildbot's front end that our pages do without; the keys are accepted only when they ask for nothing
_NOT_HERE = {
    "graphql": "there is no GraphQL interface: use REST (/api/v2)",
    "jsonp": "JSONP was replaced by allowed_origins",
}

#: web plugins that this package brings, with the check of their options
BUILT_IN_PLUGINS: dict[str, Callable[[Any], list[str]]] = {
    "badges": badges.check,
    "wsgi_dashboards": dashboards.check,
    **dict.fromkeys(("console_view", "grid_view", "waterfall_view"), lambda options: []),
}

#: names of Buildbot's own front end, which the pages here are instead of
FRONT_END_PLUGINS = frozenset({"base", "base_react"})


@attrs.frozen
class Settings:
    """The checked settings, with their defaults."""

    port: str | int | None = None
    plugins: Mapping[str, Any] = attrs.field(factory=dict)
    allowed_origins: tuple[str, ...] = ()
    auth: Any = None
    authz: Any = None
    avatar_methods: Any = None
    cookie_expiration_time: timedelta = timedelta(weeks=1)
    #: seconds for which a REST answer may be kept by the browser
    json_cache_seconds: int = 0
    rest_minimum_version: int = 0
    versions: tuple[tuple[str, str], ...] = ()
    logfileName: str | None = "http.log"
    #: bytes and number of files; None: as twistd.log
    logRotateLength: int | None = None
    maxRotatedFiles: int | None = None
    debug: bool = False
    custom_templates_dir: str | None = None
    default_page: str | None = None
    #: seconds between WebSocket pings; 0 sends none
    ws_ping_interval: float = 0
    theme: Mapping[str, str] = attrs.field(factory=dict)
    ui_default_config: Mapping[str, Any] = attrs.field(factory=dict)
    change_hook_dialects: Mapping[str, Any] = attrs.field(factory=dict)
    change_hook_auth: Any = None

    @classmethod
    def of(cls, www: Mapping[str, Any]) -> Settings:
        """The settings of a ``www`` dictionary; raises :class:`ConfigErrors` with all that is wrong."""
        errors = check(www)
        if errors:
            raise ConfigErrors(errors)
        given = {key: value for key, value in www.items() if value is not None and key in _FIELDS}
        if "allowed_origins" in given:
            given["allowed_origins"] = tuple(given["allowed_origins"])
        if "versions" in given:
            given["versions"] = tuple((str(name), str(version)) for name, version in given["versions"])
        if "logfileName" in www:
            given["logfileName"] = www["logfileName"] or None
        return cls(**given)


_FIELDS = frozenset(field.name for field in attrs.fields(Settings))


def check(www: Mapping[str, Any]) -> list[str]:
    """A sentence for each mistake in a ``www`` dictionary."""
    if not isinstance(www, Mapping):
        return []  # said already by who reads the file
    errors = []
    unknown = sorted(set(www) - KNOWN)
    if unknown:
        errors.append(f"unknown www configuration parameter(s) {', '.join(unknown)}")
    for key, is_right, needed in _RULES:
        value = www.get(key)
        if value is not None and not is_right(value):
            errors.append(f"c['www'][{key!r}] is {value!r}: it must be {needed}")
    for key, sentence in _NOT_HERE.items():
        if www.get(key):
            errors.append(f"c['www'][{key!r}]: {sentence}")
    errors += _check_plugins(www.get("plugins"))
    return errors + dialects.check(www.get("change_hook_dialects"), www.get("change_hook_auth")) + _check_versions(www)


def _check_versions(www: Mapping[str, Any]) -> list[str]:
    entries = www.get("versions") or ()
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        if not isinstance(entry, (list, tuple)) or len(entry) != 2:
            return [f"c['www']['versions']: {entry!r} must be a pair (name, version)"]
    return []


def _check_plugins(plugins: Any) -> list[str]:
    errors: list[str] = []
    for name, options in plugins.items() if isinstance(plugins, Mapping) else ():
        if name in BUILT_IN_PLUGINS and options is not False:
            errors += BUILT_IN_PLUGINS[name](options)
    return errors


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_port(value: Any) -> bool:
    return isinstance(value, str) or (_is_count(value) and value < 65536)


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda value: all(hasattr(value, name) for name in names)


_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("port", _is_port, "a port number or an endpoint such as 'tcp:8010:interface=127.0.0.1'"),
    ("plugins", _is_dict, "a dictionary of plugin names"),
    ("allowed_origins", _is_texts, "a list of origins such as ['https://*.example.org']"),
    ("auth", _has("getLoginResource", "maybeAutoLogin"), "an object such as util.UserPasswordAuth({...})"),
    ("authz", _has("assertUserAllowed", "setMaster"), "a util.Authz(...)"),
    ("cookie_expiration_time", lambda value: isinstance(value, timedelta), "a datetime.timedelta"),
    ("json_cache_seconds", _is_count, "a number of seconds"),
    ("rest_minimum_version", _is_count, "a version number"),
    ("versions", lambda value: isinstance(value, (list, tuple)), "a list of (name, version) pairs"),
    ("logfileName", _is_text, "a file name"),
    ("logRotateLength", _is_count, "a number of bytes"),
    ("maxRotatedFiles", _is_count, "a number of files"),
    ("custom_templates_dir", _is_text, "a directory"),
    ("default_page", _is_text, "a page such as 'builders'"),
    ("ws_ping_interval", _is_number, "a number of seconds"),
    ("theme", _is_dict, "a dictionary of CSS variables"),
    ("ui_default_config", _is_dict, "a dictionary"),
    ("change_hook_dialects", _is_dict, "a dictionary of hook names"),
)
