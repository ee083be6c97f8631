"""The examples of the texts that the project was founded on: each a file with the words as they were printed.

A file in ``tests/seeds/examples`` begins with a comment that says where the example stands; the rest is executed.  Most
are fragments: the names that they use and never define are given to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "seeds" / "examples"


def text_of(name: str, repairs: Mapping[str, str] | None = None) -> str:
    """The words of an example; ``repairs`` maps a line as printed (without its indentation) to what stands for it."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for printed, repaired in (repairs or {}).items():
        lines = text.split("\n")
        places = [number for number, line in enumerate(lines) if line.strip() == printed]
        assert len(places) == 1, f"{name}: the line {printed!r} occurs {len(places)} times"
        line = lines[places[0]]
        lines[places[0]] = line[: len(line) - len(line.lstrip())] + repaired
        text = "\n".join(lines)
    return text


def execute(name: str, repairs: Mapping[str, str] | None = None, **names: Any) -> dict[str, Any]:
    """Execute an example, to which ``names`` are given; everything that is defined afterwards."""
    space = {"__name__": "__master_cfg__", **names}
    exec(compile(text_of(name, repairs), str(EXAMPLES / name), "exec", dont_inherit=True), space)
    return space
