"""What the guides to web access and to proxies print is a configuration that is accepted."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from buildmaster.plugins import util
from buildmaster.www.settings import check

pytestmark = pytest.mark.needs("requests", "ldap3")
HOWTO = Path(__file__).parents[3] / "docs" / "howto"
BLOCKS = [
    textwrap.dedent(block)
    for guide in ("web-access.rst", "web-proxy.rst")
    for block in re.findall(
        r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", (HOWTO / guide).read_text(encoding="utf-8")
    )
]


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number in range(1, len(BLOCKS) + 1)])
def test_a_block_of_the_guide(block: str) -> None:
    c: dict[str, Any] = {"www": {"port": 8010}}
    if block.startswith("'"):  # a line of a dictionary
        block = "c['www'].update({" + block + "})"
    exec(compile(block, "a guide", "exec", dont_inherit=True), {"c": c, "util": util, "lookup": {}.get})
    assert check(c["www"]) == []


def test_the_guide_has_blocks() -> None:
    assert len(BLOCKS) >= 8
