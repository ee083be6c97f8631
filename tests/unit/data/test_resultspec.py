"""Result specifications applied in memory, and what endpoints may take out of them."""

from __future__ import annotations

import pytest

from buildmaster.data.base import ListResult
from buildmaster.data.resultspec import Filter, NotSupportedFieldTypeError, OptimisedResultSpec, Property, ResultSpec

ITEMS = [{"n": n, "s": s} for n, s in ((3, "c"), (1, None), (2, "a"), (5, "abc"))]


def numbers(spec: ResultSpec) -> list[int]:
    return [item["n"] for item in spec.apply(ITEMS)]


@pytest.mark.parametrize(
    ("op", "values", "expected"),
    [
        ("eq", ["a"], [2]),
        ("eq", ["a", None], [1, 2]),
        ("ne", ["a"], [3, 1, 5]),
        ("ne", ["a", None], [3, 5]),
        ("in", ["a", "c"], [3, 2]),
        ("notin", ["a", "c"], [1, 5]),
        ("lt", ["b"], [2, 5]),
        ("ge", ["abc"], [3, 5]),
        ("contains", ["c"], [3, 5]),
        ("contains", ["x", "b"], [5]),
    ],
)
def test_filters(op: str, values: list, expected: list[int]) -> None:
    assert numbers(ResultSpec(filters=[Filter("s", op, values)])) == expected


def test_all_filters_must_be_fulfilled() -> None:
    assert numbers(ResultSpec(filters=[Filter("s", "ne", [None]), Filter("n", "gt", [2])])) == [3, 5]


def test_none_sorts_below_everything() -> None:
    assert numbers(ResultSpec(order=["s"])) == [1, 2, 5, 3]
    assert numbers(ResultSpec(order=["-s"])) == [3, 5, 2, 1]


def test_ties_are_settled_by_the_next_field_then_by_the_given_order() -> None:
    items = [{"a": 1, "b": 1, "i": 0}, {"a": 0, "b": 2, "i": 1}, {"a": 1, "b": 1, "i": 2}, {"a": 0, "b": 3, "i": 3}]
    found = ResultSpec(order=["-a", "-b"]).apply(items)
    assert [item["i"] for item in found] == [0, 2, 3, 1]


def test_a_page_is_chosen_last() -> None:
    page = ResultSpec(filters=[Filter("n", "gt", [1])], order=["n"], limit=2, offset=1, fields=["n"]).apply(ITEMS)
    assert page == ListResult([{"n": 3}, {"n": 5}], offset=1, total=3, limit=2)


def test_fields_with_a_minus_are_left_out() -> None:
    assert ResultSpec(fields=["-s"]).apply({"n": 1, "s": "x", "t": 2}) == {"n": 1, "t": 2}


def test_a_single_resource_is_not_filtered() -> None:
    assert ResultSpec(filters=[Filter("n", "eq", [7])], limit=0).apply({"n": 1}) == {"n": 1}
    assert ResultSpec().apply(None) is None


def test_endpoints_take_out_what_they_do_themselves() -> None:
    spec = ResultSpec(
        filters=[
            Filter("a", "eq", [True]),
            Filter("b", "ne", [False]),
            Filter("c", "eq", ["5"]),
            Filter("d", "lt", [1]),
        ],
        properties=[Property("properties", "eq", ["x", "y"])],
        order=["a"],
        fields=["a", "b"],
        limit=1,
        offset=2,
    )
    assert spec.popBooleanFilter("a") is True
    assert spec.popBooleanFilter("b") is True
    assert spec.popBooleanFilter("zz") is None
    assert spec.popIntegerFilter("c") == 5
    assert spec.popFilter("d", "eq") is None
    assert spec.popOneFilter("d", "lt") == 1
    assert spec.popProperties() == ["x", "y"]
    assert (spec.popField("a"), spec.popField("c")) == (True, False)
    spec.removeOrder()
    spec.removePagination()
    assert spec == ResultSpec(fields=["b"])


def test_what_is_done_is_not_done_again() -> None:
    data = ListResult([{"n": 1}], offset=3, total=9, limit=1)
    assert ResultSpec().apply(data) is data
    assert OptimisedResultSpec(filters=[Filter("n", "eq", [5])]).apply(data) is data


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        ResultSpec(order=["x"]).apply(ITEMS)
    assert "unsupported data type" in str(NotSupportedFieldTypeError(5))


def test_list_results_compare_with_lists_and_their_like() -> None:
    assert ListResult([1, 2]) == [1, 2]
    assert ListResult([1], limit=1) != [1]
    assert ListResult([1], total=3) == ListResult([1], total=3)
    assert ListResult([1], total=3) != ListResult([1], total=4)
