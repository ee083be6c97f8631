"""Filters, order and pages compiled to SQL give what the plain Python of ``ResultSpec.apply`` gives."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildmaster.base.times import UTC
from buildmaster.data.resultspec import Filter, ResultSpec
from buildmaster.db import query, schema, views
from buildmaster.db.view import View

TEXTS = ["", "a", "A", "ab", "b%", "_", "ü", "\\", 'x"y', "x,y", "null", "\U0001f600"]
NUMBERS = [0, 1, 2, 3, 10, 2**40]
TIMES = [None, 1_700_000_000.0, 1_700_000_000.25, 1_700_000_001.123456, 1_700_000_002.9999999]


@pytest.fixture(scope="module")
def conn() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        yield connection


def spec_strategy(
    fields: dict[str, st.SearchStrategy[Any]],
    contains: dict[str, st.SearchStrategy[Any]],
    unordered: tuple[str, ...] = (),
) -> Any:
    """Specifications over these fields, whose values come from their strategies."""

    def filters(name: str) -> st.SearchStrategy[Filter]:
        values = fields[name]
        several = st.lists(values, min_size=1, max_size=3)
        kinds = [
            st.builds(Filter, st.just(name), st.sampled_from(["eq", "ne", "in", "notin"]), several),
            st.builds(
                Filter,
                st.just(name),
                st.sampled_from(["lt", "le", "gt", "ge"]),
                st.lists(values, min_size=1, max_size=1),
            ),
        ]
        if name in contains:
            needles = st.lists(contains[name], min_size=1, max_size=2)
            kinds.append(st.builds(Filter, st.just(name), st.just("contains"), needles))
        return st.one_of(kinds)

    condition = st.sampled_from(sorted(fields)).flatmap(filters)
    order = st.lists(
        st.sampled_from([sign + name for name in sorted(set(fields) - set(unordered)) for sign in ("", "-")]),
        max_size=3,
        unique_by=lambda name: name.lstrip("-"),
    )
    page = st.none() | st.integers(0, 6)
    return st.builds(ResultSpec, filters=st.lists(condition, max_size=3), order=order, limit=page, offset=page)


def compare(conn: sa.Connection, view: View, spec: ResultSpec) -> None:
    """One answer by SQL, one by Python over all rows."""
    everything = query.fetch(conn, view, {}).rows
    expected = spec.apply(list(everything))
    page = query.fetch(conn, view, {}, spec)
    assert page.rows == expected.data
    assert page.total == expected.total


text = st.sampled_from(TEXTS)
or_none = st.none() | text
builders = st.lists(st.tuples(or_none, st.lists(text, max_size=3), st.none() | st.sampled_from([1, 2])), max_size=6)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=builders,
    spec=spec_strategy(
        {
            "builderid": st.integers(-1, 7),
            "name": text,
            "description": or_none,
            "projectid": st.none() | st.sampled_from([0, 1, 2]),
        },
        {"name": text, "description": text},
    ),
)
def test_text_and_numbers(conn: sa.Connection, rows: list[Any], spec: ResultSpec) -> None:
    with conn.begin_nested() as nested:
        conn.execute(schema.projects.insert(), [{"id": n, "name": str(n), "slug": "s"} for n in (1, 2)])
        for number, (description, _, projectid) in enumerate(rows):
            name = TEXTS[number * 5 % len(TEXTS)]
            values = {"id": number + 1, "name": name, "description": description, "projectid": projectid, "tags": "[]"}
            conn.execute(schema.builders.insert(), values)
        compare(conn, views.BUILDERS, spec)
        nested.rollback()


@settings(max_examples=200, deadline=None)
@given(rows=builders, wanted=st.lists(text, min_size=1, max_size=2))
def test_membership_in_lists(conn: sa.Connection, rows: list[Any], wanted: list[str]) -> None:
    with conn.begin_nested() as nested:
        for number, (_, tags, _) in enumerate(rows):
            values = {"id": number + 1, "name": str(number), "tags": _json(tags)}
            conn.execute(schema.builders.insert(), values)
        compare(conn, views.BUILDERS, ResultSpec(filters=[Filter("tags", "contains", wanted)]))
        nested.rollback()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


moments = st.sampled_from([t if t is None else datetime.datetime.fromtimestamp(t, UTC) for t in TIMES])
whole = st.sampled_from([None, 1_699_999_999, 1_700_000_000, 1_700_000_001, 1_700_000_002])
flags = st.booleans()


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(TIMES), flags, st.sampled_from([None, 0, 2, 5])), max_size=6),
    spec=spec_strategy(
        {
            "complete_at": moments,
            "complete": flags,
            "results": st.sampled_from([None, 0, 1, 2, 5]),
            "locks_duration_s": st.sampled_from(NUMBERS),
        },
        {},
    ),
)
def test_times_and_flags(conn: sa.Connection, rows: list[Any], spec: ResultSpec) -> None:
    with conn.begin_nested() as nested:
        for number, (at, complete, results) in enumerate(rows):
            values = {
                "id": number + 1,
                "number": number,
                "builderid": 1,
                "buildrequestid": 1,
                "masterid": 1,
                "started_at": 1.0,
                "complete": int(complete),
                "complete_at": at,
                "results": results,
                "locks_duration_s": NUMBERS[number % 5],
                "state_string": "",
            }
            conn.execute(schema.builds.insert(), values)
        compare(conn, views.BUILDS, spec)
        nested.rollback()


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(TIMES), st.sampled_from([None, 0, 4])), max_size=6),
    spec=spec_strategy(
        {"complete_at": whole, "submitted_at": whole, "results": st.sampled_from([-1, 0, 4]), "complete": flags},
        {},
        unordered=("complete_at", "submitted_at"),  # these are sorted by the fraction that is not shown, too
    ),
)
def test_whole_seconds_and_results_of_the_unfinished(conn: sa.Connection, rows: list[Any], spec: ResultSpec) -> None:
    with conn.begin_nested() as nested:
        for number, (at, results) in enumerate(rows):
            values = {
                "id": number + 1,
                "reason": "",
                "properties": "{}",
                "submitted_at": TIMES[number % 4 + 1],
                "complete": int(results is not None),
                "complete_at": at,
                "results": results,
            }
            conn.execute(schema.buildsets.insert(), values)
        compare(conn, views.BUILDSETS, spec)
        nested.rollback()


@settings(max_examples=200, deadline=None)
@given(
    states=st.lists(st.integers(0, 3), max_size=6),
    spec=spec_strategy({"claimed": flags, "complete": flags, "priority": st.sampled_from(NUMBERS)}, {}),
)
def test_flags_that_are_states(conn: sa.Connection, states: list[int], spec: ResultSpec) -> None:
    with conn.begin_nested() as nested:
        conn.execute(schema.buildsets.insert(), {"id": 1, "reason": "r", "properties": "{}", "submitted_at": 1.0})
        for number, state in enumerate(states):
            values = {
                "id": number + 1,
                "buildsetid": 1,
                "builderid": 1,
                "state": state,
                "submitted_at": 1.0,
                "priority": NUMBERS[number % 4],
            }
            conn.execute(schema.buildrequests.insert(), values)
        compare(conn, views.BUILDREQUESTS, spec)
        nested.rollback()
