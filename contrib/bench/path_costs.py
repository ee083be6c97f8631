#!/usr/bin/env python3
"""What a change, a buildset and a one-step build cost: SQL statements, commits, hops between threads, CPU.

Usage: contrib/bench/path_costs.py [COUNT]      (default 200)

Runs a whole master in memory (fake clock, SQLite file without synchronisation, a scripted worker), once with one thing
at a time and once with everything at once, and prints a table.  A hop is a batch or a read handed to the database,
each of which costs one way there and one way back.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from typing import Any

from sqlalchemy import event

from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker

COLUMNS = ("statements", "commits", "hops", "CPU ms")


def config(schedule: bool) -> dict[str, Any]:
    """One builder with one shell command; with ``schedule`` every change is built."""
    scheds: list[Any] = [schedulers.ForceScheduler(name="force", builderNames=["b"])]
    if schedule:
        scheds.append(schedulers.AnyBranchScheduler(name="any", builderNames=["b"], treeStableTimer=None))
    return {
        "workers": [worker.Worker("w", "pass", max_builds=1)],
        "protocols": {"pb": {"port": 9989}},
        "builders": [
            util.BuilderConfig(
                name="b", workernames=["w"], factory=util.BuildFactory([steps.ShellCommand(command=["true"])])
            )
        ],
        "schedulers": scheds,
        "collapseRequests": False,
    }


class Bench:
    """A running master and what it has spent so far."""

    def __init__(self, schedule: bool, connect: bool) -> None:
        self.kit = MemoryMaster(tempfile.mkdtemp(), lambda: config(schedule))
        self.kit.start()
        self.kit.master.db.linger = 0.05  # seconds, as in a master that is not for tests
        self.statements = 0
        for engine in (self.kit.master.db._engine, self.kit.master.db._reading):
            event.listen(engine, "before_cursor_execute", self._count)
        if connect:
            self.connect()
        self.number = 0

    def _count(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        self.statements += statement not in ("BEGIN", "BEGIN IMMEDIATE")

    def connect(self) -> None:
        """Let the worker come."""
        self.kit.wait_for(ScriptedWorker(self.kit.master, "w").connect())

    def change(self) -> Any:
        """Send a change; a Deferred of its id."""
        self.number += 1
        return self.kit.master.data.updates.addChange(
            author="ann", revision=str(self.number), branch="main", files=["file.c"], comments="a comment"
        )

    def spent(self) -> Counter:
        """Statements, commits, hops and CPU until now."""
        counters = self.kit.master.db.counters
        return Counter(
            {
                "statements": self.statements,
                "commits": counters["commits"],
                "hops": 2 * (counters["batches"] + counters["reads"]),
                "CPU ms": time.process_time() * 1000,
            }
        )


def show(what: str, before: Counter, after: Counter, count: int) -> None:
    """Print a row."""
    cells = (f"{(after[name] - before[name]) / count:10.2f}" for name in COLUMNS)
    print(f"{what:42}" + " ".join(cells))


def measure(name: str, bench: Bench, count: int, together: bool) -> None:
    """Send changes one at a time or together, and print what each of them cost with all that followed."""
    for _ in range(5):
        bench.change()
        bench.kit.advance(1)
    before = bench.spent()
    for _ in range(count):
        bench.change()
        if not together:
            bench.kit.advance(0.5)
    bench.kit.advance(1)
    show(f"{name}, {'together' if together else 'one at a time'}", before, bench.spent(), count)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{'':42}" + " ".join(f"{name:>10}" for name in COLUMNS))
    for together in (False, True):
        measure("a change", Bench(schedule=False, connect=False), count, together)
        measure("a change and its buildset", Bench(schedule=True, connect=False), count, together)
        measure("a change, its buildset and its build", Bench(schedule=True, connect=True), count, together)


if __name__ == "__main__":
    main()
