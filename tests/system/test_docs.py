"""The documentation is made without a warning, and the programs in it run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.needs("sphinx", "furo")
def test_the_documentation_is_made_without_a_warning(root: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "dummy", root / "docs", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program", ["test_stable_timer.py", "test_latent_worker.py"])
def test_the_programs_of_the_guides_run(root: Path, program: str):
    guide = root / "docs" / "howto" / program
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", guide],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
