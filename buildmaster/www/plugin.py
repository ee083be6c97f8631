"""Web plugins: packages that add a view or a resource to the site (entry-point group ``buildmaster.www``)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from twisted.logger import Logger
from twisted.web import static

from buildmaster.base.errors import PluginDBError
from buildmaster.www.settings import FRONT_END_PLUGINS

log = Logger()


class Application:
    """What a plugin's entry point names: static files of a package, or any resource.

    ``package_name`` has the files in its directory ``static``; ``ui`` says whether it brings a script for the front
    end.  ``resource`` is what is served below ``/<plugin name>``; plugins replace it with their own.
    """

    def __init__(self, package_name: str, description: str, ui: bool = True) -> None:
        self.description = description
        self.version = ""
        self.static_dir = str(resources.files(package_name).joinpath("static"))
        self.resource: Any = static.File(self.static_dir)
        self.ui = ui
        self.config: dict[str, Any] = {}
        self.master: Any = None

    def setMaster(self, master: Any) -> None:
        """The plugin belongs to this master from now on."""
        self.master = master

    def setConfiguration(self, config: Any) -> None:
        """What ``c['www']['plugins']`` says of it."""
        self.config = config


def load_plugins(configured: Mapping[str, Any]) -> dict[str, Any]:
    """The installed plugins among those that are configured; the names of the others are logged."""
    from buildmaster.plugins import get_plugins

    found: dict[str, Any] = {}
    if not configured:
        return found
    installed = get_plugins("www", None, load_now=False)
    for name, options in configured.items():
        if name in FRONT_END_PLUGINS or options is False:
            log.info("www plugin {name}: the built-in pages serve instead", name=name)
            continue
        try:
            found[name] = installed.get(name)
        except PluginDBError:
            log.warn("www plugin {name} is not installed", name=name)
    return found
