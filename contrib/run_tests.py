"""All checks and all tests, from a fresh clone.

    python3.11 contrib/run_tests.py [--require-all] [arguments for pytest]

Makes a virtual environment in .venv, installs the project with what its tests need and runs contrib/check there: ruff,
mypy and pytest.  Tests that need a system tool which is not there are skipped and named at the end; with --require-all
that is a failure.  The exit status is 0 if everything passed.
"""

from __future__ import annotations

import os
import subprocess
import sys

from venv_tools import ROOT, environment, program, require_python


def main() -> int:
    """Prepare the environment and run every check in it; returns the exit status."""
    require_python()
    programs = environment(extras="test,postgres,mysql,docs")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    check = [programs / program("python"), ROOT / "contrib" / "check", *sys.argv[1:]]
    return subprocess.run(check, cwd=ROOT, env={**os.environ, "PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
