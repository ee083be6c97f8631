"""The place in a user's configuration where something was written: file and line.

Objects note it when they are made, errors when they are reported.  A place inside a helper of the user's also tells
from where in the configuration file the helper was reached.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

import attrs

CONFIG_MODULE = "__master_cfg__"
"""The ``__name__`` of a configuration file while it is being executed, and of the classes that it defines."""

_OWN = "buildmaster"


@attrs.frozen
class Place:
    """A line of a file."""

    file: str
    """Absolute path."""
    line: int
    via: Place | None = None
    """The line of the configuration file from which this one was reached, if it is another."""

    def shown(self, basedir: str | None = None) -> str:
        """``file:line``, the file relative to ``basedir`` if it lies below it."""
        text = f"{shorten(self.file, basedir)}:{self.line}"
        return text if self.via is None else f"{text} (reached from {self.via.shown(basedir)})"

    def __str__(self) -> str:
        return self.shown()


def shorten(file: str, basedir: str | None) -> str:
    """A path relative to ``basedir`` if it lies below it."""
    if basedir is None:
        return file
    relative = os.path.relpath(file, basedir)
    return file if relative.startswith(os.pardir) else relative


def caller() -> Place | None:
    """The innermost line of the user's that is being executed now; None when no configuration is being executed."""
    frame: FrameType | None = sys._getframe(1)
    found: Place | None = None
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if found is None and not _is_machinery(name, frame.f_code.co_filename):
            found = Place(frame.f_code.co_filename, frame.f_lineno)
        if name == CONFIG_MODULE and frame.f_code.co_name == "<module>":
            here = Place(frame.f_code.co_filename, frame.f_lineno)
            return here if found is None or found == here else attrs.evolve(found, via=here)
        frame = frame.f_back
    return None


def _is_machinery(module: str, filename: str) -> bool:
    return module == _OWN or module.startswith(_OWN + ".") or filename.startswith("<")
