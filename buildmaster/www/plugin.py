"""Web plugins: packages that add a view or a resource to the site (entry-point group ``buildmaster.www``)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata, resources
from typing import Any

from twisted.logger import Logger

from buildmaster.www.settings import BUILT_IN_PLUGINS, FRONT_END_PLUGINS

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
        from twisted.web import static

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
    wanted = {name for name, options in configured.items() if options is not False}
    for name in sorted(wanted & FRONT_END_PLUGINS):
        log.info("www plugin {name}: the built-in pages serve instead", name=name)
    wanted -= FRONT_END_PLUGINS | set(BUILT_IN_PLUGINS)
    found: dict[str, Any] = {}
    for entry in _entry_points() if wanted else ():
        if entry.name in wanted and entry.name not in found:
            try:
                found[entry.name] = entry.load()
            except Exception:  # policy: skip; one broken view keeps nobody from the others
                log.failure("www plugin {name} ({value}) can't be loaded", name=entry.name, value=entry.value)
    for name in sorted(wanted - set(found)):
        log.warn("www plugin {name} is not installed", name=name)
    return found


def _entry_points() -> list[metadata.EntryPoint]:
    """Plugins of both groups, ours first."""
    return [*metadata.entry_points(group="buildmaster.www"), *metadata.entry_points(group="buildbot.www")]
