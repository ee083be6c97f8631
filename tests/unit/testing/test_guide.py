"""The program of the guide to testing steps runs, in trial and in pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("runner", "says"),
    [
        (["twisted.trial", "--temp-directory={tmp}/trial"], "PASSED (successes=3)"),
        (["pytest", "-q", "-p", "no:cacheprovider"], "3 passed"),
    ],
    ids=["trial", "pytest"],
)
def test_the_program_of_the_guide_runs(root: Path, tmp_path: Path, runner: list[str], says: str):
    guide = root / "docs" / "howto" / "test_lint_step.py"
    done = subprocess.run(
        [sys.executable, "-m", *(word.format(tmp=tmp_path) for word in runner), guide],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout
