"""Points as InfluxDB reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from buildmaster.statistics.collecting import Value
from buildmaster.statistics.storage_backends.line_protocol import field_value, line


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3i"),
        (True, "true"),
        (False, "false"),
        (2.5, "2.5"),
        (1e30, "1e+30"),
        (Decimal("0.25"), "0.25"),
        (2**63, "9.223372036854776e+18"),
        (-(2**63), "-9223372036854775808i"),
        ("fast", '"fast"'),
        ('a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("two\nlines", '"two\nlines"'),
        ({"k": [1]}, '"{\\"k\\": [1]}"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"1767312000"'),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_field_is_written_by_its_type(value, written):
    assert field_value(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (
            Value({"duration": 1.5}, "b-build-times", {"builder_name": "b", "build_number": "1"}, 7),
            "b-build-times,build_number=1,builder_name=b duration=1.5 7",
        ),
        (Value({"a": 1, "b": None, "c": "x"}, "s", None, 7), 's a=1i,c="x" 7'),
        (Value({"a b": 1}, "two words,one", {"k=": "v 1", "empty": ""}, 7), "two\\ words\\,one,k\\==v\\ 1 a\\ b=1i 7"),
        (Value({"a": 1}, "s\nt", {"builder_name": "dir\\"}, 7), "s\\ t,builder_name=dir\\\\  a=1i 7"),
    ],
)
def test_a_point_is_one_line(value, written):
    assert line(value) == written


@pytest.mark.parametrize(
    ("post_data", "why"),
    [
        ("text", "'text' is not a dictionary of fields"),
        ({"a": None}, "it has no field with a value"),
        ({}, "it has no"),
    ],
)
def test_what_is_no_point_says_why(post_data, why):
    with pytest.raises(ValueError, match=why):
        line(Value(post_data, "s", None, 7))
