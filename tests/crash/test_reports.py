"""A report is delivered at least once, wherever the master crashes, and a crash repeats one report at most."""

from __future__ import annotations

import random
from pathlib import Path

from tests.crash.reports import MAIL, postcards
from tests.crash.story import tell

SAMPLE = 6


def test_every_report_is_delivered_wherever_the_master_crashes(tmp_path: Path) -> None:
    signals = tell(MAIL, tmp_path / "whole").signals
    expected = postcards(tmp_path / "whole")
    assert expected == {f"{what} of {n} 0": 1 for what in ("build", "buildset") for n in (1, 2, 3)}
    points = range(1, len(signals) + 1)
    for point in sorted(random.Random("mail").sample(points, SAMPLE)):
        tell(MAIL, tmp_path / str(point), [point])
        sent = postcards(tmp_path / str(point))
        where = f"crash at signal {point} ({signals[point - 1]})"
        assert set(sent) == set(expected), where
        assert sent.total() <= expected.total() + 1, where
