"""How the fields of a Nightly's times may be written."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.plugins import schedulers


@pytest.mark.parametrize(
    ("given", "cron"),
    [
        ({}, "0 * * * *"),
        ({"hour": 3, "minute": 30}, "30 3 * * *"),
        ({"hour": [3, 15], "minute": (0, 30)}, "0,30 3,15 * * *"),
        ({"hour": range(0, 24, 8)}, "0 0,8,16 * * *"),
        ({"hour": dict.fromkeys([6, 18])}, "0 6,18 * * *"),
        ({"hour": "*/2", "dayOfWeek": "mon-fri"}, "0 */2 * * mon-fri"),
        ({"dayOfWeek": [0, 6]}, "0 * * * 1,0"),
    ],
)
def test_fields(given: dict[str, Any], cron: str) -> None:
    """A number, any collection of numbers, or text in the manner of cron; Monday is day 0 of the week."""
    assert schedulers.Nightly(name="n", builderNames=["b"], **given).cron == cron


def test_the_name_may_come_first() -> None:
    """As many configurations write it, of a Triggerable too."""
    made = [schedulers.Nightly("n", ["b"]), schedulers.Triggerable("t", ["b"])]
    assert [(each.name, each.builderNames) for each in made] == [("n", ["b"]), ("t", ["b"])]
