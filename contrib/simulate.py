#!/usr/bin/env python3
"""Play random histories of a whole master and tell which go wrong.

Usage: contrib/simulate.py [--count N] [--seed S] [--jobs J] [--no-shrink]
       contrib/simulate.py --only SEED

Plays the histories of the seeds S to S + N - 1 in J processes.  One seed is one exact history, on any machine.  The
first failure of each kind is told with the shortest history that shows it; the seeds of all failures are listed at the
end.  Ctrl-C ends early, with the list.  The exit status is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.logger import globalLogBeginner

from contrib.progress import counting
from tests.simulation.faults import Directory, fast_directory
from tests.simulation.report import problems_of_seed, tell_failure
from tests.simulation.shrinking import kind_of

TOGETHER = 25
"""How many histories a process plays before it answers."""

Failures = list[tuple[int, list[str]]]
_directory: Directory | None = None
_kept: Any = None


def _prepare() -> None:
    """Make a process ready: what it logs is nobody's concern, and only its parent hears Ctrl-C."""
    global _directory, _kept
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence()
    _kept = fast_directory()
    _directory = Directory(_kept.__enter__())


def silence() -> None:
    """Throw away what masters log, and what Python says of killed masters when it clears them away."""
    sys.unraisablehook = lambda _: None
    globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False, discardBuffer=True)
    logging.disable()


def play_some(seeds: range) -> Failures:
    """Play these histories; those that went wrong, with what was wrong."""
    assert _directory is not None
    gc.disable()
    found = [(seed, problems) for seed in seeds if (problems := problems_of_seed(seed, _directory))]
    gc.collect()
    return found


def failures_of(first: int, count: int, jobs: int) -> Iterator[tuple[int, Failures]]:
    """How many were played, and which of them went wrong, as it becomes known."""
    parts = [range(at, min(at + TOGETHER, first + count)) for at in range(first, first + count, TOGETHER)]
    with multiprocessing.get_context("spawn").Pool(jobs, _prepare) as pool:
        pending = ((part, pool.apply_async(play_some, (part,))) for part in parts)
        window = [item for _, item in zip(range(jobs * 2), pending, strict=False)]
        while window:
            part, result = window.pop(0)
            yield len(part), result.get()
            window += [item for _, item in zip(range(1), pending, strict=False)]


def tell(seed: int, shrink: bool) -> None:
    """Print all that is needed to find the cause of a failure."""
    with fast_directory() as path:
        print(tell_failure(seed, Directory(path), shrink))


def main() -> int:
    """Play and tell; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="how many histories (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--only", type=int, metavar="SEED", help="play the history of this seed and tell its course")
    parser.add_argument("--no-shrink", action="store_true", help="tell failures as they are")
    options = parser.parse_args()
    silence()
    if options.only is not None:
        tell(options.only, not options.no_shrink)
        return 0
    failures: Failures = []
    with counting("histories", options.count) as progress:
        for played, found in failures_of(options.seed, options.count, options.jobs):
            failures += found
            for seed, problems in found:
                print(f"seed {seed}: {problems[0]}", flush=True)
            progress(played, f"{len(failures)} wrong")
    kinds = {kind_of(problems[0]): seed for seed, problems in reversed(failures)}
    for kind, seed in kinds.items():
        print(f"\n===== {sum(kind_of(problems[0]) == kind for _, problems in failures)} like this =====")
        tell(seed, not options.no_shrink)
    seeds = " ".join(str(seed) for seed, _ in failures)
    print(f"{len(failures)} went wrong: {seeds}" if failures else "none went wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
