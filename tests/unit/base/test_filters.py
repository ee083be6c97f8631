"""Which changes and source stamps a filter wants, and that its declared part can be asked again later."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from buildmaster.base.filters import ChangeFilter, NotABranch, SourceStampFilter


def change(**fields: Any) -> Any:
    plain = {"branch": "main", "project": "p", "repository": "r", "category": None, "codebase": "", "properties": {}}
    return SimpleNamespace(**{**plain, **fields})


@pytest.mark.parametrize(
    ("arguments", "fields", "wanted"),
    [
        ({}, {}, True),
        ({"branch": "main"}, {}, True),
        ({"branch": ["a", "main"]}, {}, True),
        ({"branch": "other"}, {}, False),
        ({"branch": None}, {"branch": None}, True),
        ({"branch": None}, {}, False),
        ({"branch": ["a", None]}, {"branch": None}, True),
        ({"category": None}, {"category": "c"}, True),
        ({"project": "q"}, {}, False),
        ({"project_not_eq": ["q", "s"]}, {}, True),
        ({"project_not_eq": "p"}, {}, False),
        ({"branch_not_eq": None}, {"branch": None}, False),
        ({"branch_re": "ma"}, {}, True),
        ({"branch_re": "in"}, {}, False),
        ({"branch_re": ["x", "mai"]}, {}, True),
        ({"branch_re": re.compile("MAIN", re.IGNORECASE)}, {}, True),
        ({"branch_re": "^$"}, {"branch": None}, False),
        ({"branch_not_re": "ma"}, {}, False),
        ({"branch_not_re": "ma"}, {"branch": None}, True),
        ({"category_not_eq": "x"}, {}, True),
        ({"property_eq": {"p": "v"}}, {"properties": {"p": ("v", "Change")}}, True),
        ({"property_eq": {"p": ["w", "v"]}}, {"properties": {"p": ("v", "Change")}}, True),
        ({"property_eq": {"p": "v"}}, {}, False),
        ({"property_not_eq": {"p": "v"}}, {}, True),
        ({"property_re": {"p": "v"}}, {}, False),
        ({"property_not_re": {"p": "v"}}, {"properties": {"p": ("vv", "Change")}}, False),
        ({"branch_fn": lambda branch: branch == "main"}, {}, True),
        ({"branch_fn": lambda branch: False}, {}, False),
        ({"filter_fn": lambda change: change.project == "p"}, {}, True),
        ({"filter_fn": lambda change: False, "branch": "main"}, {}, False),
    ],
)
def test_a_filter_wants_what_agrees_with_all_of_it(arguments: Any, fields: Any, wanted: bool) -> None:
    assert ChangeFilter(**arguments).filter_change(change(**fields)) is wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"branch": 3}, "branch_eq must be list of strings, a string or None"),
        ({"project": 3}, "project_eq must be list of strings or a string"),
        ({"property_eq": "x"}, "property_eq must be dict"),
        ({"branch_re": 3}, "branch_re must be list of strings, a string or regex"),
        ({"branch_re": "("}, "is no regular expression"),
    ],
)
def test_wrong_values_are_refused_by_name(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ChangeFilter(**arguments)


def test_the_declared_part_can_be_stored_and_asked_again() -> None:
    made = ChangeFilter(
        branch=["main", None], project_re=re.compile("^P", re.IGNORECASE), property_eq={"p": "v"}, filter_fn=len
    )
    stored = json.loads(json.dumps(made.to_json()))
    assert stored["functions"] == ["filter_fn"]
    again = ChangeFilter.from_json(stored)
    assert again.declared_refusal(change(properties={"p": ("v", "Change")})) is None
    assert again.declared_refusal(change(branch="x")) == "its branch is 'x'; wanted: branch in ['main', None]"


def test_filters_are_compared_by_value() -> None:
    assert ChangeFilter(branch="a") == ChangeFilter(branch="a")
    assert ChangeFilter(branch="a") != ChangeFilter(branch="b")


def test_a_schedulers_older_arguments_make_a_filter() -> None:
    make = ChangeFilter.fromSchedulerConstructorArgs
    assert make() is None
    assert make(branch=None) == ChangeFilter(branch=None)
    assert make(categories=["c"]) == ChangeFilter(category=["c"])
    given = ChangeFilter(branch="b")
    assert make(given) is given
    with pytest.raises(RuntimeError):
        make(given, branch="x")


def test_a_source_stamp_filter_asks_dictionaries() -> None:
    stamp = {"branch": "main", "project": "p", "repository": "r", "codebase": ""}
    assert SourceStampFilter(branch_eq="main", project_not_re="x").is_matched(stamp)
    assert not SourceStampFilter(branch_eq="main", filter_fn=lambda ss: False).is_matched(stamp)


def test_no_branch_is_said_is_false_and_has_a_name() -> None:
    assert not NotABranch
    assert repr(NotABranch) == "NotABranch"
