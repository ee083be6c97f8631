"""Reads that a large history must not slow down go along an index and sort nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from buildmaster.data.resultspec import Filter, ResultSpec
from buildmaster.db import blame, query, schema, views
from buildmaster.db.view import View


@pytest.fixture(scope="module")
def conn() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        yield connection


def plan_of(conn: sa.Connection, function: Any, *args: Any) -> list[str]:
    """What SQLite would do for each statement that a reading function runs."""
    ran: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        ran.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    try:
        function(conn, *args)
    finally:
        event.remove(conn, "before_cursor_execute", note)
    rows = [row for sql, values in ran for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, values)]
    return [row[3] for row in rows]


NEWEST = ResultSpec(order=["-buildid"], limit=50)
PENDING = ResultSpec(filters=[Filter("claimed", "eq", [False])], limit=50)
RUNNING = ResultSpec(filters=[Filter("complete", "eq", [False])])


@pytest.mark.parametrize(
    ("view", "where", "spec"),
    [
        (views.BUILDS, {}, ResultSpec(limit=50)),
        (views.BUILDS, {}, NEWEST),
        (views.BUILDS, {"builderid": 1}, ResultSpec(order=["-number"], limit=20)),
        (views.BUILDS, {"buildername": "b"}, ResultSpec(order=["-number"], limit=20)),
        (views.BUILDS, {"buildrequestid": 1}, ResultSpec()),
        (views.BUILDS, {"workerid": 1}, ResultSpec(order=["-buildid"], limit=20)),
        (views.BUILDS, {"parent_buildid": 1}, ResultSpec()),
        (views.BUILDS, {}, RUNNING),
        (views.BUILDREQUESTS, {}, PENDING),
        (views.BUILDREQUESTS, {"builderid": 1}, ResultSpec(order=["-buildrequestid"], limit=20)),
        (views.BUILDSETS, {}, ResultSpec(order=["-bsid"], limit=25)),
        (views.BUILDSETS, {}, RUNNING),
        (views.CHANGES, {}, ResultSpec(limit=25)),
        (views.CHANGES, {"ssid": 1}, ResultSpec()),
        (views.STEPS, {"buildid": 1}, ResultSpec(order=["number"])),
        (views.STEPS, {"builderid": 1, "build_number": 5}, ResultSpec()),
        (views.LOGS, {"stepid": 1}, ResultSpec()),
        (views.LOGS, {"buildername": "b", "build_number": 5, "step_name": "s"}, ResultSpec()),
        (views.SOURCESTAMPS, {"buildsetid": 1}, ResultSpec()),
        (views.TEST_RESULT_SETS, {"buildid": 1}, ResultSpec()),
        (views.TEST_RESULTS, {"test_result_setid": 1}, ResultSpec(limit=100)),
        (views.BUILD_DATA, {"buildid": 1}, ResultSpec()),
    ],
    ids=lambda value: getattr(value, "name", None) or repr(value),
)
def test_pages_follow_an_index(conn: sa.Connection, view: View, where: dict, spec: ResultSpec) -> None:
    steps = plan_of(conn, query.fetch, view, where, spec)
    assert [step for step in steps if step.startswith("SCAN") and step not in ALONG_THE_KEY] == []
    if spec.limit is not None and not spec.filters:
        assert [step for step in steps if "TEMP B-TREE FOR ORDER BY" in step] == []


ALONG_THE_KEY = {"SCAN builds", "SCAN buildsets", "SCAN changes", "SCAN (subquery-1)", "SCAN anon_1"}
"""A walk along the primary key that the limit ends."""


@pytest.mark.parametrize("values", [["try-1"], ["try-1", "try-2"]])
def test_a_buildset_is_found_by_its_external_id(conn: sa.Connection, values: list[str]) -> None:
    spec = ResultSpec(filters=[Filter("external_idstring", "eq", values)])
    steps = plan_of(conn, query.fetch, views.BUILDSETS, {}, spec)
    assert any("USING INDEX ix_buildsets_external_idstring" in step for step in steps), steps


def test_the_changes_of_a_build_and_the_builds_of_a_change(conn: sa.Connection) -> None:
    for function, named in ((blame.changes_of_build, {"buildid": 1}), (blame.builds_of_change, 1)):
        steps = plan_of(conn, function, named, ResultSpec(limit=20))
        assert [step for step in steps if step.startswith("SCAN") and "chain" not in step] == []
