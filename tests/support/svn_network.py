"""A program ``svn`` for which addresses of the wide world lead to repositories of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROGRAM = """\
#!/bin/sh
for arg; do
    shift
    case "$arg" in {cases} esac
    set -- "$@" "$arg"
done
out=$({svn} "$@") || exit
printf '%s\\n' "$out" | sed {back}
"""


def write_svn(directory: Path, real: str, addresses: Mapping[str, str]) -> None:
    """Write the program into a directory that is to stand first on the PATH.

    ``real`` is Subversion's own; ``addresses`` maps what is said to where it is.
    """
    program = PROGRAM.format(
        svn=real,
        cases=" ".join(f'"{said}"*) arg="{real}${{arg#"{said}"}}" ;;' for said, real in addresses.items()),
        back=" ".join(f"-e 's#{real}#{said}#g'" for said, real in addresses.items()),
    )
    directory.mkdir(exist_ok=True)
    (directory / "svn").write_text(program)
    (directory / "svn").chmod(0o755)
