"""The loader of a master's configuration, with the checks of all rooms that have some."""

from __future__ import annotations

from buildmaster.config import FileLoader
from buildmaster.www import settings


def config_loader(basedir: str, filename: str) -> FileLoader:
    """Loads the file ``filename`` in ``basedir``; what ``checkconfig`` accepts, a start accepts too."""
    return FileLoader(basedir, filename, {"www": settings.check})
