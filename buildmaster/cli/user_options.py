"""The file ``.buildbot/options``: a user's own defaults for client commands.

The documented search: ``.buildbot`` in the current directory and in each one above it up to the home directory, then
in the home directory.  The file is Python; its names are the options.  It is run, so one that belongs to another user
is passed over.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buildmaster.cli.main import Failed


def load_user_options(here: Path, home: Path) -> dict[str, Any]:
    """The names that the nearest options file defines; empty if there is none."""
    for directory in _candidates(here, home):
        file = directory / ".buildbot" / "options"
        try:
            owner = file.stat().st_uid
        except OSError:
            continue
        if os.name != "nt" and owner not in (os.getuid(), 0):
            continue
        try:
            found = runpy.run_path(str(file))
        except Exception as e:  # policy: the user's own file, tell where
            raise Failed(f"{file} could not be run: {type(e).__name__}: {e}") from None
        return {name: value for name, value in found.items() if not name.startswith("__")}
    return {}


def _candidates(here: Path, home: Path) -> Iterator[Path]:
    for directory in (here, *here.parents):
        yield directory
        if directory == home:
            return
    yield home
