"""What the reference says against what there is."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from buildmaster.config.settings import KEYS
from tests.architecture.imports import ROOT


def test_every_key_of_a_configuration_is_described():
    page = (ROOT / "docs" / "reference" / "configuration.rst").read_text(encoding="utf-8")
    described = set(re.findall(r"``(\w+)``", page))
    assert sorted(KEYS - described) == []


GUIDES = sorted((ROOT / "docs").glob("howto/*.rst")) + sorted((ROOT / "docs").glob("tutorial/*.rst"))


@pytest.mark.parametrize("guide", [g for g in GUIDES if g.stem != "index"], ids=lambda guide: guide.stem)
def test_every_guide_is_executed(guide: Path):
    """It includes programs that tests run, or a test names it."""
    if guide.stem == "run-the-tests":
        return  # by whoever runs this
    included = re.findall(r"literalinclude:: (\S+)", guide.read_text(encoding="utf-8"))
    wanted = [Path(name).stem for name in included] or [guide.stem]
    missing = [name for name in wanted if not any(name in text for text in _tests())]
    assert missing == []


@functools.cache
def _tests() -> list[str]:
    """The texts of the tests, and the names of the examples that are run all together."""
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    return [*modules, "\n".join(path.name for path in (ROOT / "tests" / "seeds" / "examples").iterdir())]
