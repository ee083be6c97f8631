"""Path patterns in a tree."""

from __future__ import annotations

import pytest

from buildmaster.data.exceptions import InvalidPathError
from buildmaster.data.paths import Matcher, split


@pytest.fixture
def matcher() -> Matcher:
    matcher = Matcher()
    for pattern in ("/", "/b", "/b/n:id", "/b/s:name", "/b/s:name/deep", "/b/n:id/x/i:word", "/b/all"):
        matcher.add(pattern, pattern)
    return matcher


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ("/", {})),
        (("",), ("/", {})),
        (("b",), ("/b", {})),
        (("b", 5), ("/b/n:id", {"id": 5})),
        (("b", "05"), ("/b/n:id", {"id": 5})),
        (("b", "five"), ("/b/s:name", {"name": "five"})),
        (("b", "all"), ("/b/all", {})),
        (("b", "5", "deep"), ("/b/s:name/deep", {"name": "5"})),
        (("b", "5", "x", "y.z"), ("/b/n:id/x/i:word", {"id": 5, "word": "y.z"})),
        (("b", "\u0665"), ("/b/s:name", {"name": "\u0665"})),
    ],
)
def test_the_better_branch_wins(matcher: Matcher, path: tuple, expected: tuple) -> None:
    assert matcher.find(path) == expected


@pytest.mark.parametrize("path", [("c",), ("b", "x", "y"), ("b", "five", "x", "y"), ("b", "5", "x", "y", "z")])
def test_unknown_paths(matcher: Matcher, path: tuple) -> None:
    with pytest.raises(InvalidPathError, match="Invalid path: "):
        matcher.find(path)


def test_a_pattern_stands_for_one_thing(matcher: Matcher) -> None:
    with pytest.raises(ValueError, match="is there already"):
        matcher.add("/b/n:id", "again")


def test_paths_are_given_as_text_or_tuple() -> None:
    assert split("/builds/5/steps/") == ("builds", "5", "steps")
    assert split("") == ()
    assert split(("builds", 5)) == ("builds", 5)
