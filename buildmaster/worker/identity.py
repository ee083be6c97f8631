"""What a worker has told about itself, as the documented attributes of its object."""

from __future__ import annotations

import ntpath
import posixpath
from typing import Any

from buildmaster.properties import Properties

_NOT_PROPERTIES = ("environ", "worker_commands")


class Identity:
    """Base of the worker classes: the attributes that :meth:`take_info` sets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.info = Properties()
        """What it told, as properties with the source "Worker"."""
        self.workerinfo: dict[str, Any] = {}
        """All that it told."""
        self.worker_commands: dict[str, str] = {}
        """Its commands and their versions."""
        self.worker_environ: dict[str, str] = {}
        self.worker_basedir: str | None = None
        self.worker_system: str | None = None
        self.worker_version: str | None = None
        self.path_module: Any = posixpath
        """How paths are written there: :mod:`posixpath` or :mod:`ntpath`."""

    def take_info(self, info: dict[str, Any]) -> None:
        """Keep what a worker that has connected tells; cleaned by the protocol before."""
        self.workerinfo = info
        self.info = Properties()
        for key, value in info.items():
            if key not in _NOT_PROPERTIES:
                self.info.setProperty(key, value, "Worker")
        self.worker_commands = {str(name): str(version) for name, version in info.get("worker_commands", {}).items()}
        environ = info.get("environ")
        self.worker_environ = environ if isinstance(environ, dict) else {}
        self.worker_basedir = info.get("basedir")
        self.worker_system = info.get("system")
        self.worker_version = info.get("version")
        self.path_module = ntpath if self.worker_system in ("nt", "win32") else posixpath
