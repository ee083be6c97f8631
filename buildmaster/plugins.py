"""The plugin namespaces: ``from buildmaster.plugins import steps, util, worker …``.

A namespace holds what installed packages offer under the entry-point groups ``buildmaster.NAMESPACE`` and
``buildbot.NAMESPACE``; the built-in plugins come in by the same door.  A plugin is imported when it is first asked
for.  What the distribution ``buildbot`` itself registers is skipped: its names are served by this package.

Every namespace is an object whose attributes are plugins; a plugin whose name has a dot lies in a namespace of its own
(``util.svn.split_file_branches``).  ``steps.Nonesuch`` raises :class:`PluginNotFound` (an ``AttributeError``), a
plugin that is there but can't be used :class:`~buildmaster.base.errors.PluginDBError`.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from buildmaster.base.errors import PluginDBError

NAMESPACES = ("changes", "reporters", "schedulers", "secrets", "statistics", "steps", "util", "webhooks", "worker")
"""The namespaces that a configuration imports; ``www`` is read through :func:`get_plugins`."""

GROUPS = ("buildmaster.", "buildbot.")
SKIPPED_DISTRIBUTION = "buildbot"

Find = Callable[[], Iterable[EntryPoint]]


class PluginNotFound(PluginDBError, AttributeError):
    """A namespace has no plugin of this name."""


class Namespace:
    """The plugins of one namespace, each imported when it is first asked for.

    ``name`` is the namespace (``steps``); ``plugins`` gives the entry points of each name below it.
    """

    def __init__(self, name: str, plugins: Callable[[], Mapping[str, list[EntryPoint]]]) -> None:
        self.__name__ = name
        self._plugins = plugins

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        value = self._find(attribute)
        self.__dict__[attribute] = value
        return value

    def __dir__(self) -> list[str]:
        return sorted({name.partition(".")[0] for name in self._plugins()})

    def __contains__(self, name: str) -> bool:
        return name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __repr__(self) -> str:
        return f"<plugins {self.__name__}>"

    @property
    def names(self) -> list[str]:
        """The names of all plugins, nested ones with their dots."""
        return sorted(self._plugins())

    @property
    def namespace(self) -> str:
        """The name of this namespace."""
        return self.__name__

    def get(self, name: str) -> Any:
        """The plugin of this name, which may have dots."""
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def info(self, name: str) -> EntryPoint:
        """The entry point behind a name, without importing it."""
        plugins = self._plugins()
        if name not in plugins:
            raise PluginNotFound(self._missing(name))
        return only(f"{self.__name__}.{name}", plugins[name])

    def _find(self, attribute: str) -> Any:
        plugins = self._plugins()
        if attribute in plugins:
            return load(f"{self.__name__}.{attribute}", plugins[attribute])
        head = attribute + "."
        if any(name.startswith(head) for name in plugins):
            return Namespace(
                f"{self.__name__}.{attribute}",
                lambda: {name[len(head) :]: found for name, found in plugins.items() if name.startswith(head)},
            )
        raise PluginNotFound(self._missing(attribute))

    def _missing(self, attribute: str) -> str:
        near = difflib.get_close_matches(attribute, self._plugins(), n=1, cutoff=0.6)
        mend = f"; did you mean {near[0]}?" if near else "; is the package that offers it installed here?"
        return f"no plugin {self.__name__}.{attribute}{mend}"


def load(what: str, candidates: list[EntryPoint]) -> Any:
    """Import the plugin of this full name; raises :class:`PluginDBError` with the package and the cause."""
    found = only(what, candidates)
    try:
        return found.load()
    except Exception as cause:
        raise PluginDBError(
            f"plugin {what} ({found.value} of the package {package_of(found)}) can't be imported: "
            f"{type(cause).__name__}: {cause}"
        ) from cause


def only(what: str, candidates: list[EntryPoint]) -> EntryPoint:
    """The one entry point of a name, or the error that tells who else claims it."""
    if len(candidates) == 1:
        return candidates[0]
    claims = ", ".join(f"{package_of(found)} ({found.value})" for found in candidates)
    raise PluginDBError(
        f"plugin {what} is offered by several packages: {claims}; remove one of them, or import the one you mean "
        "from its module"
    )


def package_of(found: EntryPoint) -> str:
    """Name and version of the package that an entry point belongs to."""
    return " ".join(_name_and_version(found.dist)) if found.dist is not None else "an unknown package"


@functools.cache
def _name_and_version(package: Distribution) -> tuple[str, str]:
    # each look at a name reads the package's metadata again, and a package has hundreds of entry points
    return package.name, package.version


class Registry:
    """All entry points of our groups, read from the installed packages once."""

    def __init__(self, find: Find | None = None) -> None:
        self._find = find or installed

    def plugins(self, namespace: str) -> Mapping[str, list[EntryPoint]]:
        """Name → entry points that claim it; more than one only if different packages mean different objects."""
        return self._by_namespace.get(namespace, {})

    @functools.cached_property
    def _by_namespace(self) -> dict[str, dict[str, list[EntryPoint]]]:
        by_namespace: dict[str, dict[str, list[EntryPoint]]] = {}
        everything = list(self._find())
        for group in GROUPS:
            for found in everything:
                if found.group.startswith(group) and not skipped(found):
                    names = by_namespace.setdefault(found.group[len(group) :], {})
                    add_claim(names.setdefault(found.name, []), found)
        return by_namespace


def installed() -> Iterable[EntryPoint]:
    """The entry points of all installed packages that are in one of our groups."""
    found = entry_points()
    groups = [group for group in found.groups if group.startswith(GROUPS)]
    return itertools.chain.from_iterable(found.select(group=group) for group in groups)


def add_claim(claims: list[EntryPoint], found: EntryPoint) -> None:
    """Add an entry point unless its package has one already (for both import names) or it is the same object."""
    if not any(package_of(claim) == package_of(found) or claim.value == found.value for claim in claims):
        claims.append(found)


def skipped(found: EntryPoint) -> bool:
    """Whether an entry point is one of Buildbot's own."""
    if found.dist is None:
        return False
    name, _ = _name_and_version(found.dist)
    return re.sub(r"[-_.]+", "-", name).lower() == SKIPPED_DISTRIBUTION


_registry = Registry()


def get_plugins(namespace: str, *, registry: Registry | None = None) -> Namespace:
    """The namespace of this name, also one that configurations do not import (``www``)."""
    known = registry or _registry
    return Namespace(namespace, lambda: known.plugins(namespace))


changes = get_plugins("changes")
reporters = get_plugins("reporters")
schedulers = get_plugins("schedulers")
secrets = get_plugins("secrets")
statistics = get_plugins("statistics")
steps = get_plugins("steps")
util = get_plugins("util")
webhooks = get_plugins("webhooks")
worker = get_plugins("worker")

__all__ = [
    "changes",
    "reporters",
    "schedulers",
    "secrets",
    "statistics",
    "steps",
    "util",
    "webhooks",
    "worker",
]
