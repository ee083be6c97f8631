"""A crash at any commit (before it, after it, before its results are delivered) changes nothing in the end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.crash.library import ALL
from tests.crash.stories import PATH
from tests.crash.story import Ending, Story, tell
from tests.simulation.faults import Directory, fast_directory

SAMPLE = 16
"""How many crashes of a story are tried in each run of the tests; contrib/crash_sweep.py tries all."""
FEW = 4
"""How many of the other stories than those of the path from a change to a build."""

_uninterrupted: dict[str, Ending] = {}


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    with fast_directory() as place:
        yield Directory(place)


def told(story: Story, directory: Directory, points: Sequence[int] = ()) -> Ending:
    with directory.fresh() as basedir:
        return tell(story, basedir, points)


def uninterrupted(story: Story, directory: Directory) -> Ending:
    if story.name not in _uninterrupted:
        _uninterrupted[story.name] = told(story, directory)
    return _uninterrupted[story.name]


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_story_comes_to_rest(story: Story, directory: Directory) -> None:
    ending = uninterrupted(story, directory)
    assert ending.problems == []
    assert ending.state["requests"] != []


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_crash_changes_nothing(story: Story, directory: Directory) -> None:
    expected = uninterrupted(story, directory)
    points = list(range(1, len(expected.signals) + 1))
    count = SAMPLE if story in PATH else FEW
    chosen = points if len(points) <= count else sorted(random.Random(story.name).sample(points, count))
    for point in chosen:
        ending = told(story, directory, [point])
        where = f"crash at signal {point} ({expected.signals[point - 1]}) of {story.name}"
        assert ending.problems == [], where
        assert ending.state == expected.state, where


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_two_crashes_change_nothing_either(story: Story, directory: Directory) -> None:
    """The second one may come while the first one's damage is being mended."""
    expected = uninterrupted(story, directory)
    rng = random.Random(story.name)
    for _ in range(4 if story in PATH else 1):
        first = rng.randint(1, len(expected.signals))
        points = [first, first + rng.randint(1, 12)]
        ending = told(story, directory, points)
        assert ending.problems == [], f"crashes at signals {points} of {story.name}"
        assert ending.state == expected.state, f"crashes at signals {points} of {story.name}"
