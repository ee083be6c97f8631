"""What goes into one transaction together."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.db.txn import Txn
from buildmaster.testing.sync import result_of


def note(txn: Txn) -> int:
    return txn.new_id("objects")


@pytest.mark.parametrize(("seconds", "commits"), [(float("inf"), 1), (0.02, 3)])
def test_only_real_threads_end_a_batch_because_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, commits: int
) -> None:
    """On a machine on which each job takes a second; what a master in memory does must not depend on that."""
    clock = Clock()
    executor = InlineExecutor(clock)
    assert executor.batch_seconds == float("inf")
    executor.batch_seconds = seconds
    db = Database("sqlite:///state.sqlite", str(tmp_path), executor, clock)
    opening = db.open(create=True)
    while not opening.called:
        clock.advance(0)
    ticks = itertools.count(start=1.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    before = db.counters["commits"]
    jobs = [db.write(note) for _ in range(3)]
    while not jobs[-1].called:
        clock.advance(0)
    assert [result_of(job) for job in jobs] == [1, 2, 3]
    assert db.counters["commits"] - before == commits
    db.close()
