"""Low-level Perforce: what ``p4 changes`` and ``p4 describe -s`` print."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

_listed = re.compile(r"^Change (\d+) on \S+ by \S+", re.MULTILINE)
_header = re.compile(r"^Change (\d+) by (\S+) on (\d+/\d+/\d+ \d+:\d+:\d+)\s*(\*\w+\*)?")
_file = re.compile(r"^\.\.\. ([^#]+)#\d+ [/\w]+$")


@attrs.frozen
class Description:
    """A submitted change."""

    number: int
    who: str  # user@client
    when: str  # 2006/04/13 21:51:39, by the server's clock
    comments: str
    files: Sequence[str]  # depot paths


def parse_changes(output: str) -> list[int]:
    """The numbers of the changes that are listed, oldest first."""
    return sorted(int(number) for number in _listed.findall(output))


def parse_description(output: str) -> Description:
    """Read ``p4 describe -s`` of one change.  Raises ValueError for what is no such thing."""
    lines = output.splitlines()
    match = _header.match(lines[0]) if lines else None
    if match is None:
        raise ValueError(f"p4 describe printed something else: {output[:200]!r}")
    end = next((at for at, line in enumerate(lines) if line.startswith("Affected files ...")), len(lines))
    comments = "\n".join(line.removeprefix("\t") for line in lines[1:end]).strip("\n")
    files = [found.group(1) for line in lines[end:] if (found := _file.match(line.rstrip()))]
    return Description(int(match.group(1)), match.group(2), match.group(3), comments, files)
