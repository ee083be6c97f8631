"""Which requests are superfluous: the rules of the two cancelling services."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.records import Patch, SourceStamp
from buildmaster.db.superseding import OpenRequest
from buildmaster.plugins import util
from buildmaster.schedulers.canceller import default_branch_key, superseded
from buildmaster.schedulers.canceller_buildset import pointless

ALL = [(["b", "c"], util.SourceStampFilter())]


def request(requestid: int, branch: str | None, change: int = 0, builder: str = "b", **more: Any) -> OpenRequest:
    stamps = more.pop("stamps", None) or [SourceStamp(branch=branch, repository="r", **more)]
    return OpenRequest(requestid, builder, requestid, stamps, change)


SUPERSEDED = {
    "an older commit of the branch": ([request(1, "x", 1), request(2, "x", 2)], [(1, 2)]),
    "all older ones, by the newest": (
        [request(1, "x", 1), request(2, "x", 2), request(3, "x", 3)],
        [(1, 3), (2, 3)],
    ),
    "not another branch": ([request(1, "x", 1), request(2, "y", 2)], []),
    "not another builder": ([request(1, "x", 1), request(2, "x", 2, builder="c")], []),
    "not a builder without a filter": ([request(1, "x", 1, "d"), request(2, "x", 2, "d")], []),
    "not the same commit again": ([request(1, "x", 2), request(2, "x", 2)], []),
    "not by an older commit that was asked for later": ([request(1, "x", 2), request(2, "x", 1)], []),
    "not what was forced after the commit": ([request(1, "x", 2), request(2, "x", 0)], []),
    "what was forced before it": ([request(1, "x", 0), request(2, "x", 2)], [(1, 2)]),
    "no default branch": ([request(1, None, 1), request(2, None, 2)], []),
    "no try build": ([request(1, "x", 1, patch=Patch(b"", 0)), request(2, "x", 2)], []),
    "patch sets of one change of Gerrit": (
        [request(1, "refs/changes/34/1234/1", 1), request(2, "refs/changes/34/1234/2", 2)],
        [(1, 2)],
    ),
    "only the same branches of all codebases": (
        [
            request(1, "", 1, stamps=[SourceStamp("a", branch="x"), SourceStamp("b", branch="main")]),
            request(2, "", 2, stamps=[SourceStamp("a", branch="y"), SourceStamp("b", branch="main")]),
            request(3, "", 3, stamps=[SourceStamp("a", branch="x"), SourceStamp("b", branch="main")]),
        ],
        [(1, 3)],
    ),
}


@pytest.mark.parametrize("case", SUPERSEDED)
def test_a_newer_commit_supersedes(case):
    requests, expected = SUPERSEDED[case]
    assert superseded(requests, ALL) == expected


def test_only_source_stamps_that_the_filter_agrees_to_take_part():
    filters = [(["b"], util.SourceStampFilter(branch_re="pr-.*"))]
    requests = [request(1, "pr-1", 1), request(2, "pr-1", 2), request(3, "main", 3), request(4, "main", 4)]
    assert superseded(requests, filters) == [(1, 2)]


def test_the_user_can_say_what_a_branch_is():
    requests = [request(1, "pr-1.a", 1), request(2, "pr-1.b", 2)]
    assert superseded(requests, ALL, lambda stamp: stamp["branch"].partition(".")[0]) == [(1, 2)]
    assert superseded(requests, ALL) == []


def test_other_branches_of_gerrit_are_what_they_are():
    assert default_branch_key({"branch": "refs/heads/changes/34/1/2"}) == "refs/heads/changes/34/1/2"


STAMPS = [SourceStamp(branch="main")]
OTHERS = [request(5, "main", builder="b"), request(6, "main", builder="c")]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([(["a"], ["b"], util.SourceStampFilter())], [(5, "a")]),
        ([(["a"], None, util.SourceStampFilter())], [(5, "a"), (6, "a")]),
        ([(["b"], None, util.SourceStampFilter())], []),
        ([(["a"], None, util.SourceStampFilter(branch_eq="other"))], []),
        ([(["a"], ["b"], util.SourceStampFilter()), (["a"], ["c"], util.SourceStampFilter())], [(5, "a"), (6, "a")]),
    ],
)
def test_a_failure_makes_others_pointless(filters, expected):
    assert pointless(["a"], STAMPS, OTHERS, filters) == expected


MISTAKES = [
    ("b", "filters must be a list of tuples"),
    ([(["b"],)], "each filter must be a tuple"),
    ([(["b"], None)], "a filter ends with a util.SourceStampFilter, not None"),
    ([([1], util.SourceStampFilter())], r"builders must be a list of builders' names, not \[1\]"),
    ([(None, util.SourceStampFilter())], "builders must be a list of builders' names, not None"),
]


@pytest.mark.parametrize(("filters", "message"), MISTAKES)
def test_mistakes_are_told(filters, message):
    with pytest.raises(ConfigErrors, match=message):
        util.OldBuildCanceller("canceller", filters=filters)


def test_the_branch_key_is_a_function():
    with pytest.raises(ConfigErrors, match="branch_key must be a function of a source stamp, not 'branch'"):
        util.OldBuildCanceller("canceller", [], branch_key="branch")


def test_a_single_builder_may_be_named_alone():
    assert util.FailingBuildsetCanceller("x", [("a", None, util.SourceStampFilter())]).filters[0][:2] == (["a"], None)
