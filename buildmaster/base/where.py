"""The place in a user's configuration where something was written: file and line.

Objects note it when they are made, errors when they are reported.  A place inside a helper of the user's also tells
from where in the configuration file the helper was reached, and one inside a constructor who called it.
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
        text = self._line(basedir)
        callers = []
        via = self.via
        while via is not None:
            callers.append(via._line(basedir))
            via = via.via
        return f"{text} (reached from {', '.join(callers)})" if callers else text

    def _line(self, basedir: str | None) -> str:
        return f"{shorten(self.file, basedir)}:{self.line}"

    def __str__(self) -> str:
        return self.shown()


def shorten(file: str, basedir: str | None) -> str:
    """A path relative to ``basedir`` if it lies below it."""
    if basedir is None:
        return file
    relative = os.path.relpath(file, basedir)
    return file if relative.startswith(os.pardir) else relative


def caller() -> Place | None:
    """The innermost line of the user's that is being executed now; None when no configuration is being executed.

    Of a line in a constructor the place also tells who made the object: the fault is as often there.
    """
    frame: FrameType | None = sys._getframe(1)
    found: Place | None = None
    maker: Place | None = None
    constructing = True
    while frame is not None:
        name, code = frame.f_globals.get("__name__", ""), frame.f_code
        if not _is_machinery(name, code.co_filename):
            here = Place(code.co_filename, frame.f_lineno)
            if found is None:
                found = here
            elif constructing:
                maker = here
            constructing = constructing and code.co_name == "__init__"
            if name == CONFIG_MODULE and code.co_name == "<module>":
                return _chain(found, maker, here)
        frame = frame.f_back
    return None


def _chain(found: Place, maker: Place | None, here: Place) -> Place:
    via = here if maker is None or maker == here else attrs.evolve(maker, via=here)
    return here if found == here else attrs.evolve(found, via=via)


def _is_machinery(module: str, filename: str) -> bool:
    return module == _OWN or module.startswith(_OWN + ".") or filename.startswith("<")
