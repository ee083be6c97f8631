"""Arguments of REST requests become result specifications."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from buildmaster.base.times import UTC
from buildmaster.data.exceptions import InvalidQueryParameter
from buildmaster.data.jsonapi import to_resultspec
from buildmaster.data.resources.builders import Builder
from buildmaster.data.resources.builds import Build
from buildmaster.data.resultspec import Filter, Property, ResultSpec


def parsed(entity: Any = Build.entityType, is_collection: bool = True, /, **arguments: Any) -> ResultSpec:
    raw = {name.encode(): [value.encode() for value in values] for name, values in arguments.items()}
    return to_resultspec(raw, entity, is_collection)


def test_filters_are_read_by_the_field_s_type() -> None:
    at = datetime.datetime.fromtimestamp(1_700_000_000, UTC)
    assert parsed(
        complete=["off"], number__gt=["5"], results=["null", "2"], started_at__le=["1700000000"], state_string=["null"]
    ) == ResultSpec(
        filters=[
            Filter("complete", "eq", [False]),
            Filter("number", "gt", [5]),
            Filter("results", "eq", [None, 2]),
            Filter("started_at", "le", [at]),
            Filter("state_string", "eq", ["null"]),
        ]
    )


def test_members_of_lists_are_read_by_the_members_type() -> None:
    assert parsed(Builder.entityType, tags__contains=["a"], masterids__contains=["3"]).filters == [
        Filter("tags", "contains", ["a"]),
        Filter("masterids", "contains", [3]),
    ]


@pytest.mark.parametrize(("text", "value"), [("on", True), ("TRUE", True), ("yes", True), ("1", True), ("no", False)])
def test_booleans_have_many_names(text: str, value: bool) -> None:
    assert parsed(complete__ne=[text]).filters == [Filter("complete", "ne", [value])]


def test_the_words_with_a_meaning_of_their_own() -> None:
    assert parsed(
        field=["buildid", "number"], order=["-number", "buildid"], limit=["5"], offset=["0"], property=["a", "*"]
    ) == ResultSpec(
        fields=["buildid", "number"],
        order=["-number", "buildid"],
        limit=5,
        offset=0,
        properties=[Property("properties", "eq", ["a", "*"])],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nosuch": ["1"]}, "unrecognized query parameter 'nosuch'"),
        ({"number__around": ["1"]}, "unrecognized query parameter 'number__around'"),
        ({"number": ["x"]}, "invalid filter value for number"),
        ({"started_at": ["inf"]}, "invalid filter value for started_at"),
        ({"complete": ["maybe"]}, "invalid filter value for complete"),
        ({"order": ["-nosuch"]}, "no such field '-nosuch'"),
        ({"field": ["nosuch"]}, "no such field 'nosuch'"),
        ({"limit": ["-1"]}, "invalid limit '-1'"),
        ({"offset": ["x"]}, "invalid offset 'x'"),
    ],
)
def test_what_can_t_be_used_is_named(arguments: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidQueryParameter, match=message):
        parsed(**arguments)


def test_a_single_resource_takes_fields_and_properties_only() -> None:
    assert parsed(Build.entityType, False, field=["number"], property=["*"]).fields == ["number"]
    with pytest.raises(InvalidQueryParameter, match="unrecognized query parameter 'limit'"):
        parsed(Build.entityType, False, limit=["1"])
