"""Trial cases and the program of the guide to testing steps run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = "docs/howto/test_lint_step.py"
TRIAL = ["twisted.trial", "--temp-directory={tmp}/trial"]


@pytest.mark.parametrize(
    ("runner", "program", "says"),
    [
        (TRIAL, GUIDE, "PASSED (successes=3)"),
        (["pytest", "-q", "-p", "no:cacheprovider"], GUIDE, "3 passed"),
        (TRIAL, "tests/trial/steps_kit.py", "PASSED"),
        (TRIAL, "tests/trial/reactor_kit.py", "PASSED (successes=3)"),
    ],
    ids=["guide in trial", "guide in pytest", "steps", "reactor"],
)
def test_it_runs(root: Path, tmp_path: Path, runner: list[str], program: str, says: str):
    done = subprocess.run(
        [sys.executable, "-m", *(word.format(tmp=tmp_path) for word in runner), root / program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert says in done.stdout
