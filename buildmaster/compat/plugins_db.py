"""``buildbot.plugins.db``: how packages of plugins ask for what other packages offer."""

from __future__ import annotations

from typing import Any

from buildmaster import plugins
from buildmaster.base.errors import PluginDBError
from buildmaster.plugins import Namespace

__all__ = ["get_plugins", "info", "namespaces"]


def get_plugins(namespace: str, interface: Any = None, load_now: bool = False, check_extras: bool = True) -> Namespace:
    """The plugins of a namespace.

    ``interface`` (of ``zope.interface``) is checked, and everything imported, with ``load_now``; without it a plugin
    is imported when it is asked for.  Packages that a plugin's extras need are those that its import misses, so that
    ``check_extras`` changes nothing.
    """
    found = plugins.get_plugins(namespace)
    if load_now:
        for name in found.names:
            plugin = found.get(name)
            if interface is not None and not (interface.implementedBy(plugin) or interface.providedBy(plugin)):
                raise PluginDBError(f"plugin {namespace}.{name} does not implement {interface.__name__}")
    return found


def namespaces() -> list[str]:
    """The names of the namespaces."""
    return sorted(plugins.NAMESPACES)


def info(namespace: str, name: str) -> Any:
    """The entry point of a plugin."""
    return plugins.get_plugins(namespace).info(name)
