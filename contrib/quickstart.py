"""From a fresh clone to a green build of this very repository.

    python3.11 contrib/quickstart.py [DIR]

Makes a virtual environment in .venv, installs the project there and runs ``buildmaster quickstart`` on this clone: a
master and a worker are started, the newest commit is noticed, checked out and part of its tests are run.  The master
goes on running; the last lines tell where its page is and how to stop it.  The exit status is the build's.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from venv_tools import ROOT, environment, program, require_python

SUBSET = "tests/unit/base tests/unit/cli tests/unit/config tests/unit/life tests/unit/service"


def main() -> int:
    """Run the quickstart; returns its exit status."""
    require_python()
    programs = environment("pytest >= 8.0", "pytest-timeout >= 2.2")
    directory = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / ".quickstart"
    python = programs / program("python")
    return subprocess.run(
        [
            *(python, "-m", "buildmaster.cli.main", "quickstart", directory, "--repo", ROOT),
            *("--command", f"{python} -m pytest -q -p no:cacheprovider {SUBSET}"),
        ],
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
