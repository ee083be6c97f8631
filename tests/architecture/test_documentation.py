"""What the reference says against what there is."""

from __future__ import annotations

import re

from buildmaster.config.settings import KEYS
from tests.architecture.imports import ROOT


def test_every_key_of_a_configuration_is_described():
    page = (ROOT / "docs" / "reference" / "configuration.rst").read_text(encoding="utf-8")
    described = set(re.findall(r"``(\w+)``", page))
    assert sorted(KEYS - described) == []
