"""All checks and all tests, from a fresh clone.

    python3.11 contrib/run_tests.py [--require-all] [arguments for pytest]

Makes a virtual environment in .venv, installs the project with what its tests need and runs ruff, mypy and pytest.
Tests that need a system tool which is not there are skipped and named at the end; with --require-all that is a
failure.  The exit status is 0 if everything passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from venv_tools import ROOT, environment, program, require_python


def main() -> int:
    """Run every check, also when one has failed; returns the exit status."""
    require_python()
    programs = environment(".venv", "test,postgres,mysql,docs", editable=True)
    python = str(programs / program("python"))
    wanted = sys.argv[1:]
    checks = [
        ("ruff check", [str(programs / program("ruff")), "check", "."]),
        ("ruff format", [str(programs / program("ruff")), "format", "--check", "."]),
        ("mypy", [python, "-m", "mypy"]),
        ("tests", [python, "-m", "pytest", "-n", str(os.cpu_count() or 2), *wanted]),
    ]
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    failed = [name for name, argv in checks if not passes(name, argv, {**os.environ, "PATH": path})]
    print(f"FAILED: {', '.join(failed)}" if failed else "All checks passed")
    return 1 if failed else 0


def passes(name: str, argv: list[str], environ: dict[str, str]) -> bool:
    """Run one check and say how it went."""
    began = time.monotonic()
    print(f"== {name}", flush=True)
    ok = subprocess.run(argv, cwd=ROOT, env=environ, check=False).returncode == 0
    print(f"== {name}: {'passed' if ok else 'FAILED'} after {time.monotonic() - began:.0f} s", flush=True)
    return ok


if __name__ == "__main__":
    sys.exit(main())
