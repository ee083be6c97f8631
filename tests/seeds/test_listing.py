"""``docs/reference/seed_examples.rst`` names every example, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.seeds import EXAMPLES

TESTS = ("tests/seeds", "tests/system", "tests/unit/process")


def words(root: Path) -> set[str]:
    """What the page names: files, paths and functions."""
    page = (root / "docs" / "reference" / "seed_examples.rst").read_text(encoding="utf-8")
    return set(re.findall(r"``([\w./]+)``", page))


def test_every_example_is_listed(root: Path) -> None:
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert sorted(there - words(root)) == []


def test_what_is_listed_is_there(root: Path) -> None:
    examples = {path.name for path in EXAMPLES.iterdir()}
    files = {path for place in TESTS for path in (root / place).glob("test_*.py")}
    functions = {
        name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    known = examples | functions | {file.name for file in files}
    named = {word for word in words(root) if re.fullmatch(r"test_\w+(\.py)?|\w+\.(py|sh|txt)", word)}
    assert sorted(named - known) == []
    paths = {word for word in words(root) if "/" in word}
    assert sorted(word for word in paths if not (root / word).exists()) == []
