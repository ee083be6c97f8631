#!/usr/bin/env python3
"""Crash every story of the tests at every signal of its database and compare the ends.

Usage: contrib/crash_sweep.py [STORY ...] [--two]

The stories are those of tests/crash/library.py; ``--two`` adds, for each crash, a second one 1 to 12 signals after it.
Ctrl-C ends early.  The exit status is 1 if any crash changed what came of a story.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contrib.progress import counting
from contrib.simulate import silence
from tests.crash.library import ALL
from tests.crash.story import Ending, Story, tell
from tests.simulation.faults import Directory, fast_directory


def points_of(expected: Ending, two: bool) -> list[list[int]]:
    """Where to crash a story: each signal, and if wanted each with another one soon after."""
    points = [[at] for at in range(1, len(expected.signals) + 1)]
    rng = random.Random(0)
    return points + [[at, at + rng.randint(1, 12)] for (at,) in points] if two else points


def differences(expected: Ending, ending: Ending) -> list[str]:
    """What a crash has changed."""
    parts = [part for part in expected.state if expected.state[part] != ending.state[part]]
    changed = [f"{part}: {expected.state[part]} became {ending.state[part]}" for part in parts]
    return [*ending.problems, *changed]


def sweep(stories: Sequence[Story], basedir: Path, two: bool) -> list[str]:
    """Crash these stories; what went wrong, a text for each crash."""
    directory = Directory(basedir)
    expected = {story.name: _tell(story, directory, []) for story in stories}
    found = [f"{name}, uninterrupted: {ending.problems}" for name, ending in expected.items() if ending.problems]
    plan = [(story, at) for story in stories for at in points_of(expected[story.name], two)]
    with counting("crashes", len(plan)) as progress:
        for story, at in plan:
            wrong = _crash(story, expected[story.name], at, directory)
            found += wrong
            progress(1, f"{story.name}, {len(found)} wrong")
    return found


def _tell(story: Story, directory: Directory, at: Sequence[int]) -> Ending:
    with directory.fresh() as basedir:
        return tell(story, basedir, at)


def _crash(story: Story, expected: Ending, at: list[int], directory: Directory) -> Iterator[str]:
    names = ", ".join(f"{n} ({expected.signals[n - 1]})" if n <= len(expected.signals) else str(n) for n in at)
    for problem in differences(expected, _tell(story, directory, at)):
        yield f"{story.name}, crashed at {names}: {problem}"


def main() -> int:
    """Sweep and tell; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("story", nargs="*", help="names of stories (default: all)")
    parser.add_argument("--two", action="store_true", help="crash twice, too")
    options = parser.parse_args()
    unknown = set(options.story) - {story.name for story in ALL}
    if unknown:
        parser.error(f"there is no story {sorted(unknown)[0]!r}; there are {', '.join(s.name for s in ALL)}")
    silence()
    with fast_directory() as basedir:
        found = sweep(
            [story for story in ALL if not options.story or story.name in options.story], basedir, options.two
        )
    print("\n".join([*found, f"{len(found)} went wrong"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
