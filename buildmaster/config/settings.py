"""The keys of a configuration whose values are plain: one table of what each may be and is by default."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.errors import error
from buildmaster.base.revlinks import default_revlink_matcher
from buildmaster.base.showing import show
from buildmaster.db.log_text import LogCompressionFormatUnavailableError, check_method
from buildmaster.properties import Properties
from buildmaster.service import AsyncMultiService

log = Logger()

COMPRESSION_METHODS = ("raw", "bz2", "gz", "lz4", "br", "zstd")
PACKAGES = {"lz4": "lz4", "br": "Brotli"}

DEFAULT_VALIDATION = {
    "branch": re.compile(r"^[\w.+/~-]*$"),
    "revision": re.compile(r"^[ \w\.\-/]*$"),
    "property_name": re.compile(r"^[\w\.\-/~:]*$"),
    "property_value": re.compile(r"^[\w\.\-/~:]*$"),
}

DEFAULT_CACHES = {"Changes": 500}

Rule = Callable[[Any], str | None]
"""What a value must be, in words, if it is not; None if it is."""


def text(value: Any) -> str | None:
    """Text."""
    return None if isinstance(value, str) else "a string"


def number(value: Any) -> str | None:
    """A whole number or None."""
    return None if value is None or (isinstance(value, int) and not isinstance(value, bool)) else "an int"


def count(value: Any) -> str | None:
    """A whole number that is not negative, or None."""
    return number(value) or ("0 or more" if value is not None and value < 0 else None)


def number_or_false(value: Any) -> str | None:
    """A whole number, or False."""
    return None if value is False else number(value)


def callable_or_none(value: Any) -> str | None:
    """A callable or None."""
    return None if value is None or callable(value) else "a callable"


def callable_or_switch(value: Any) -> str | None:
    """A callable, True, False or None."""
    return None if value is None or isinstance(value, bool) or callable(value) else "a callable, True, or False"


def switch(value: Any) -> str | None:
    """True or False, also as 1 and 0."""
    return None if isinstance(value, bool | int) else "True or False"


def encoding(value: Any) -> str | None:
    """The name of a character encoding that Python knows, or a callable from bytes to text."""
    if callable(value):
        return None
    try:
        codecs.lookup(value)
    except (LookupError, TypeError):
        return "the name of a character encoding, or a callable"
    return None


def compression(value: Any) -> str | None:
    """A method of compressing logs."""
    if value not in COMPRESSION_METHODS:
        return "'raw', 'bz2', 'gz', 'lz4', 'br' or 'zstd'"
    try:
        check_method(value)
    except LogCompressionFormatUnavailableError:
        return f"a method that is installed ('zstd' always is; for {value!r}: pip install {PACKAGES[value]})"
    return None


def usage_data(value: Any) -> str | None:
    """What Buildbot would tell its makers."""
    return None if value in (None, "basic", "full") or callable(value) else "None, 'basic', 'full' or a callable"


def manhole(value: Any) -> str | None:
    """A manhole or None."""
    known = value is None or isinstance(value, AsyncMultiService)
    return None if known else "a util.TelnetManhole(…), util.PasswordManhole(…) or util.AuthorizedKeysManhole(…)"


@attrs.frozen
class Setting:
    """One key whose value becomes an attribute of the same name."""

    key: str
    default: Any
    rule: Rule


SETTINGS = (
    Setting("title", "Buildbot", text),
    Setting("titleURL", "https://buildbot.net/", text),
    Setting("buildbotURL", "http://localhost:8080/", text),
    Setting("logCompressionLimit", 512, number_or_false),
    Setting("logCompressionMethod", "zstd", compression),
    Setting("logEncoding", "utf-8", encoding),
    Setting("logMaxSize", None, number),
    Setting("logMaxTailSize", None, number),
    Setting("changeHorizon", None, count),
    Setting("collapseRequests", None, callable_or_switch),
    Setting("prioritizeBuilders", None, callable_or_none),
    Setting("select_next_worker", None, callable_or_none),
    Setting("codebaseGenerator", None, callable_or_none),
    Setting("revlink", default_revlink_matcher, callable_or_none),
    Setting("manhole", None, manhole),
    Setting("multiMaster", False, switch),
    Setting("buildbotNetUsageData", None, usage_data),
)

OTHER_KEYS = (
    "buildCacheSize",
    "builders",
    "caches",
    "changeCacheSize",
    "change_source",
    "codebases",
    "configurators",
    "db",
    "db_url",
    "deadlines",
    "machines",
    "metrics",
    "mq",
    "projects",
    "properties",
    "protocols",
    "schedulers",
    "secretsProviders",
    "services",
    "user_managers",
    "validation",
    "workers",
    "www",
)
"""The keys that hold more than a plain value."""

KEYS = frozenset([*(setting.key for setting in SETTINGS), *OTHER_KEYS])

RETIRED = {
    "buildHorizon": "use util.JanitorConfigurator in c['configurators']",
    "debugPassword": "it was removed; use c['manhole']",
    "eventHorizon": "it was removed; delete the line",
    "logHorizon": "use util.JanitorConfigurator in c['configurators']",
    "mergeRequests": "it is called collapseRequests",
    "projectName": "it is called title",
    "projectURL": "it is called titleURL",
    "slavePortnum": "write c['protocols'] = {'pb': {'port': …}}",
    "slaves": "it is called workers",
    "sources": "it is called change_source",
    "status": "put reporters into c['services'], the web server into c['www']",
    "logMaxDays": "it was removed; delete the line",
}
"""Keys of former times and what took their place."""


def unknown_key(key: Any) -> str:
    """The message about a key that is none, with what was probably meant."""
    if not isinstance(key, str):
        return f"Unknown BuildmasterConfig key {show(key)}: keys are strings"
    if key in RETIRED:
        return f"Unknown BuildmasterConfig key {key}: {RETIRED[key]}"
    near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.6)
    mend = f"; did you mean {near[0]!r}?" if near else "; delete it, or keep the value in a variable of its own"
    return f"Unknown BuildmasterConfig key {key}{mend}"


def plain_settings(config_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every plain setting, given or default."""
    return {setting.key: _plain(setting, config_dict) for setting in SETTINGS}


def _plain(setting: Setting, config_dict: Mapping[str, Any]) -> Any:
    if setting.key not in config_dict:
        return setting.default
    value = config_dict[setting.key]
    wanted = setting.rule(value)
    if wanted is not None:
        error(f"c['{setting.key}'] must be {wanted}, not {show(value)}")
        return setting.default
    if setting.key == "buildbotURL" and not value.endswith("/"):
        return value + "/"
    if setting.key == "revlink" and value is None:
        return setting.default
    return value


def global_properties(config_dict: Mapping[str, Any], source: str) -> Properties:
    """``c['properties']``: properties of all builds."""
    properties = Properties()
    given = dictionary(config_dict, "properties")
    for name in [name for name in given if not isinstance(name, str)]:
        error(f"c['properties']: the name of a property must be a string, not {show(name)}")
    properties.update({name: value for name, value in given.items() if isinstance(name, str)}, source)
    return properties


def caches(config_dict: Mapping[str, Any]) -> dict[str, int]:
    """``c['caches']``: how many objects of a kind are kept in memory."""
    sizes = dict(DEFAULT_CACHES)
    given = dictionary(config_dict, "caches")
    for old, new in (("buildCacheSize", "Builds"), ("changeCacheSize", "Changes")):
        if old in config_dict:
            if new in given:
                error(f"c['{old}'] and c['caches']['{new}'] are both set; keep the latter")
            given = {**given, new: config_dict[old]}
    for name, size in given.items():
        if not isinstance(size, int) or isinstance(size, bool):
            error(f"value for cache size '{name}' must be an integer, not {show(size)}")
        elif size < 1:
            error(f"'{name}' cache size must be at least 1, got '{size}'")
        else:
            sizes[name] = size
    return sizes


def validation(config_dict: Mapping[str, Any]) -> dict[str, Any]:
    """``c['validation']``: regular expressions for what users enter."""
    patterns: dict[str, Any] = dict(DEFAULT_VALIDATION)
    for name, pattern in dictionary(config_dict, "validation").items():
        if name not in DEFAULT_VALIDATION:
            error(f"unrecognized validation key(s): {name}; there are {', '.join(DEFAULT_VALIDATION)}")
            continue
        try:
            patterns[name] = re.compile(pattern)
        except (re.error, TypeError) as wrong:
            error(f"c['validation']['{name}'] must be a regular expression, not {show(pattern)}: {wrong}")
    return patterns


def metrics(config_dict: Mapping[str, Any]) -> dict[str, Any] | None:
    """``c['metrics']``: None, or how often metrics are logged and collected, in seconds."""
    if config_dict.get("metrics") is None:
        return None
    given = dictionary(config_dict, "metrics")
    for name, value in given.items():
        if name not in ("log_interval", "periodic_interval"):
            error(f"unrecognized keys in c['metrics']: {name}; it takes log_interval and periodic_interval")
        elif value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            error(f"c['metrics']['{name}'] must be a number of seconds or None, not {show(value)}")
    return given


_MQ_KEYS = {
    "simple": {"type", "debug"},
    "wamp": {"type", "router_url", "realm", "wamp_debug_level"},
}


def mq(config_dict: Mapping[str, Any]) -> dict[str, Any]:
    """``c['mq']``: which message queue.

    The database carries the messages between masters, so that both types are one; a WAMP router is not used.
    """
    given = {"type": "simple", **dictionary(config_dict, "mq")}
    known = _MQ_KEYS.get(given["type"]) if isinstance(given["type"], str) else None
    if known is None:
        error(f"mq type {show(given['type'])} is not known; leave c['mq'] out, or use 'simple'")
        return {"type": "simple"}
    unknown = sorted(map(str, set(given) - known))
    if unknown:
        error(f"unrecognized keys in c['mq']: {', '.join(unknown)}")
    return given


def dictionary(config_dict: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The dictionary under a key, empty if there is none."""
    value = config_dict.get(key, {})
    if not isinstance(value, Mapping):
        error(f"c['{key}'] must be a dictionary, not {show(value)}")
        return {}
    return dict(value)
