"""What became of the last reconfiguration: a small file in the master's directory.

The running master writes it, ``buildmaster reconfig`` reads it.  A signal carries no answer; whoever sent one waits
for an outcome whose work began after the signal.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

FILE = "reconfig.json"
LOADING, SWITCHING, DONE = "loading", "switching", "done"


@attrs.frozen
class Outcome:
    """One reconfiguration, as far as it has come."""

    pid: int  # of the master
    started_at: float  # seconds since the epoch, when reading the configuration began
    state: str  # LOADING, SWITCHING or DONE
    ok: bool = False  # the new configuration is in force; meaningful when DONE
    generation: int = 0  # number of the configuration now in force
    lines: tuple[str, ...] = ()  # for people: errors, or what changed

    @property
    def done(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state == DONE


def write_outcome(basedir: str | os.PathLike[str], outcome: Outcome) -> None:
    """Store an outcome; a reader sees the old one or the new one, never half."""
    path = Path(basedir) / FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(attrs.asdict(outcome)) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_outcome(basedir: str | os.PathLike[str]) -> Outcome | None:
    """The last outcome; None if there is none or it is not readable."""
    try:
        fields = json.loads((Path(basedir) / FILE).read_text(encoding="utf-8"))
        return Outcome(**{**fields, "lines": tuple(fields["lines"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
