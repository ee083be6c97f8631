"""The examples of the texts that the project was founded on: each a file with the words as they were printed.

A file in ``tests/seeds/examples`` begins with a comment that says where the example stands; the rest is executed.  Most
are fragments: the names that they use and never define are given to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "seeds" / "examples"


Repairs = Mapping[str, str | Sequence[str]]
"""Line as printed (without its indentation) → what stands for it; one text for each place if it occurs more often."""


def text_of(name: str, repairs: Repairs | None = None) -> str:
    """The words of an example, repaired."""
    lines = (EXAMPLES / name).read_text(encoding="utf-8").split("\n")
    for printed, repaired in (repairs or {}).items():
        wanted = [repaired] if isinstance(repaired, str) else list(repaired)
        places = [number for number, line in enumerate(lines) if line.strip() == printed]
        assert len(places) == len(wanted), f"{name}: the line {printed!r} occurs {len(places)} times"
        for number, text in zip(places, wanted, strict=True):
            indentation = len(lines[number]) - len(lines[number].lstrip())
            lines[number] = lines[number][:indentation] + text
    return "\n".join(lines)


def execute(name: str, repairs: Repairs | None = None, **names: Any) -> dict[str, Any]:
    """Execute an example, to which ``names`` are given; everything that is defined afterwards."""
    space = {"__name__": "__master_cfg__", **names}
    exec(compile(text_of(name, repairs), str(EXAMPLES / name), "exec", dont_inherit=True), space)
    return space
