"""The rooms of the package, lowest first, and the modules that are no part of them.

Adding a room or a documented address means adding it here.
"""

from __future__ import annotations

PLUGIN_ROOMS = (
    "changes",
    "schedulers",
    "steps",
    "worker",
    "machine",
    "reporters",
    "secrets",
    "statistics",
)
"""They know ``process`` and what lies below, and not each other."""

ROOMS: tuple[tuple[str, ...], ...] = (
    ("base",),
    ("properties",),
    ("locks",),
    ("db",),
    ("mq",),
    ("data",),
    ("service",),
    ("net",),
    ("process",),
    PLUGIN_ROOMS,
    ("config",),
    ("configurators",),
    ("www",),
    ("life",),
    ("master",),
    ("plugins", "plugin_table"),
    ("compat",),
    ("cli", "testing"),
)
"""A module imports its own room and those on the lines above."""

RE_EXPORTS = frozenset(
    {
        "changes.changes",
        "changes.filter",
        "config",
        "config.checks",
        "config.errors",
        "config.master",
        "db.base",
        "db.buildrequests",
        "db.changesources",
        "db.dbconfig",
        "db.tags",
        "errors",
        "interfaces",
        "manhole",
        "pbutil",
        "process.factory",
        "process.properties",
        "process.results",
        "reporters.words",
        "revlinks",
        "test",
        "test.reactor",
        "test.steps",
        "util",
        "util.codebase",
        "util.config",
        "util.debounce",
        "util.deferwaiter",
        "util.giturlparse",
        "util.git",
        "util.git_credential",
        "util.httpclientservice",
        "util.kubeclientservice",
        "util.lru",
        "util.maildir",
        "util.misc",
        "util.pathmatch",
        "util.pullrequest",
        "util.service",
        "util.ssfilter",
        "util.state",
        "util.subscription",
    }
)
"""Documented addresses of what lies elsewhere: they hold imports and ``__all__``, and no inner module imports them."""

DOCUMENTED_ONLY = frozenset({"util.identifiers", "util.process_wide", "util.ssl", "warnings"})
"""Documented addresses that hold code of their own, which no inner module imports either."""

OUTER = ("master", "life", "cli", "testing", "plugins")
"""Those who may name things as users do: they import ``config.master`` by its documented address."""

GLOBAL_REACTOR = ("master", "cli", "util.process_wide")
"""Where the process's reactor may be imported."""

PB_FILES = ("net.pb*", "worker.protocols.pb", "changes.pb", "process.users.manual")
"""The modules with Perspective Broker."""
