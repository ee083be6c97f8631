"""Configurations as they are printed in ``docs`` and ``contrib``, with addresses and commands of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def printed_config(
    file: Path, stands_for: Mapping[str, str], times: Mapping[str, int] | None = None
) -> Callable[[], dict[str, Any]]:
    """What reads this file with each printed text replaced by what stands for it.

    Each text must be there just once, or as often as ``times`` says, so that a file that was changed is noticed.
    """
    text = file.read_text(encoding="utf-8")
    for printed, own in stands_for.items():
        assert text.count(printed) == (times or {}).get(printed, 1), printed
        text = text.replace(printed, own)

    def config() -> dict[str, Any]:
        space: dict[str, Any] = {}
        exec(text, space)
        return space["BuildmasterConfig"]

    return config
