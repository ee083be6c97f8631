"""Rows of builds, steps, their logs and properties, on every database."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest

from buildmaster.base.results import EXCEPTION, FAILURE, RETRY, SUCCESS
from buildmaster.db import build_properties, builds, expectations, logs, requests, schema, steps
from buildmaster.db.engine import Database
from buildmaster.db.logs import Chunk, LogRow
from buildmaster.db.steps import StepRow
from buildmaster.db.txn import Txn
from tests.contract.conftest import Place


class Rows:
    """A database with a builder, a worker and a claimed request (number 1)."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.db: Database = place.open()
        self.write(_base)

    def write(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self.place.wait(self.db.write(function, *args, **kwargs))

    def read(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self.place.wait(self.db.read(function, *args, **kwargs))


def _base(txn: Txn) -> None:
    txn.insert(schema.masters, id=1, name="m", last_active=0)
    txn.insert(schema.builders, id=1, name="b", tags="[]")
    txn.insert(schema.workers, id=1, name="w", info="{}")
    txn.insert(schema.buildsets, id=1, reason="", submitted_at=0, properties="{}")
    for number in (1, 2):
        txn.insert(schema.buildrequests, id=number, buildsetid=1, builderid=1, state=2, submitted_at=0)


@pytest.fixture
def rows(place: Place) -> Rows:
    return Rows(place)


def ended(row: builds.BuildRow, results: int) -> builds.BuildRow:
    return attrs.evolve(row, complete=True, complete_at=100.0, results=results, state_string="over")


# -- builds ----------------------------------------------------------------------------------------------------------


def test_builds_of_a_builder_are_numbered_from_one(rows: Rows) -> None:
    first = rows.write(builds.add, 1, 1, 1, 1, "starting")
    second = rows.write(builds.add, 1, 2, None, 1, "starting")
    assert (first.number, second.number) == (1, 2)
    assert rows.read(builds.get, second.buildid) == second
    assert rows.read(builds.get_by_number, 1, 1) == first
    assert rows.read(builds.find, builderid=1, complete=False) == [first, second]
    assert rows.read(builds.find, workerid=1) == [first]


def test_a_build_ends_once_with_its_request_and_buildset(rows: Rows) -> None:
    one = rows.write(builds.add, 1, 1, 1, 1)
    two = rows.write(builds.add, 1, 2, 1, 1)
    rows.write(build_properties.add, one.buildid, {"a": (1, "x")})
    assert rows.write(builds.finish, ended(one, SUCCESS), [1], {"a": (2, "x")}) is True
    assert rows.write(builds.finish, ended(one, FAILURE), [1]) is False
    assert rows.read(builds.get, one.buildid) == ended(one, SUCCESS)
    assert rows.read(build_properties.get, one.buildid) == {"a": (2, "x")}
    assert [(r.state, r.results) for r in rows.read(requests.get_many, [1, 2])] == [(3, SUCCESS), (2, None)]
    assert rows.write(builds.finish, ended(two, FAILURE), [2]) is True
    (buildset,) = rows.read(lambda conn: conn.execute(schema.buildsets.select()).all())
    assert (buildset.complete, buildset.results) == (1, FAILURE)


def test_a_retried_build_leaves_its_request_pending(rows: Rows) -> None:
    for attempt in range(6):
        row = rows.write(builds.add, 1, 1, 1, 1)
        rows.write(_claim, 1)
        rows.write(builds.finish, ended(row, RETRY), [1])
        (request,) = rows.read(requests.get_many, [1])
        expected = (1, None) if attempt < 5 else (3, EXCEPTION)
        assert (request.state, request.results) == expected


def _claim(txn: Txn, requestid: int) -> None:
    txn.update(schema.buildrequests, requestid, state=2)


def test_time_spent_waiting_for_locks_adds_up(rows: Rows) -> None:
    row = rows.write(builds.add, 1, 1, 1, 1)
    rows.write(builds.add_locks_duration, row.buildid, 3)
    rows.write(builds.add_locks_duration, row.buildid, 4)
    assert rows.read(builds.get, row.buildid).locks_duration_s == 7


def test_a_build_of_which_only_the_id_is_known_can_be_ended(rows: Rows) -> None:
    row = rows.write(builds.add, 1, 1, 1, 1)
    assert rows.write(builds.finish_by_id, row.buildid, FAILURE) is True
    assert rows.write(builds.finish_by_id, row.buildid, FAILURE) is False
    assert rows.write(builds.finish_by_id, 999, FAILURE) is False


def test_properties_are_set_one_by_one(rows: Rows) -> None:
    row = rows.write(builds.add, 1, 1, 1, 1)
    rows.write(build_properties.set_one, row.buildid, "a", [1, "ü"], "x")
    rows.write(build_properties.set_one, row.buildid, "b", None, "y")
    expected = {"a": ([1, "ü"], "x"), "b": (None, "y")}
    assert rows.read(build_properties.get, row.buildid) == expected
    assert rows.read(build_properties.get_many, [row.buildid, 99]) == {row.buildid: expected}


# -- steps -----------------------------------------------------------------------------------------------------------


def test_the_life_of_a_step(rows: Rows) -> None:
    build = rows.write(builds.add, 1, 1, 1, 1)
    row = StepRow(1, 0, "step", build.buildid)
    rows.write(steps.add, row)
    assert rows.read(steps.get, 1) == row
    row = attrs.evolve(row, started_at=1.5, state_string="running")
    rows.write(steps.start, row)
    row = attrs.evolve(row, locks_acquired_at=2.5)
    rows.write(steps.locks_acquired, row)
    row = attrs.evolve(row, urls=(("docs", "http://ü"),))
    rows.write(steps.update, row)
    row = attrs.evolve(row, complete=True, complete_at=3.5, results=SUCCESS, state_string="done", hidden=True)
    rows.write(steps.finish, row)
    assert rows.read(steps.find, build.buildid) == rows.read(steps.find, build.buildid, name="step") == [row]
    assert rows.read(steps.find, build.buildid, number=1) == []
    assert rows.read(steps.next_number, build.buildid) == 1
    rows.write(steps.add_url, 1, "docs", "http://ü")
    more = rows.write(steps.add_url, 1, "more", "http://m")
    assert more.urls == (("docs", "http://ü"), ("more", "http://m"))


# -- logs ------------------------------------------------------------------------------------------------------------


def log_with(rows: Rows, *texts: str, method: str = "zstd") -> LogRow:
    build = rows.write(builds.add, 1, 1, 1, 1)
    rows.write(steps.add, StepRow(1, 0, "step", build.buildid, started_at=1.0))
    row = LogRow(1, 1, "stdio", "stdio", "s")
    rows.write(logs.add, row)
    line = 0
    for text in texts:
        count = text.count("\n")
        row = attrs.evolve(row, num_lines=line + count)
        rows.write(logs.append, row, Chunk(1, line, line + count - 1, f"o{count}", (text,)), method)
        line += count
    return row


@pytest.mark.parametrize("method", ["raw", "gz", "bz2", "zstd"])
def test_lines_are_read_across_pieces(rows: Rows, method: str) -> None:
    texts = ["".join(f"line {n} ü\n" for n in range(start, start + 50)) for start in (0, 50, 100)]
    row = log_with(rows, *texts, method=method)
    assert rows.read(logs.get, 1) == row
    assert rows.read(logs.read_lines, 1, 49, 50) == "oline 49 ü\noline 50 ü\n"
    assert rows.read(logs.read_lines, 1, 148, 9999) == "oline 148 ü\noline 149 ü\n"
    assert rows.read(logs.read_lines, 1, 150, 160) == ""
    assert rows.read(lambda conn: "".join(logs.raw_chunks(conn, 1))) == "".join(texts)
    assert rows.read(lambda conn: "".join(logs.raw_chunks(conn, 1, 140))).startswith("line 140 ü\n")


def test_joining_pieces_changes_nothing_that_is_read(rows: Rows) -> None:
    texts = [f"{n} " + "x" * 3000 + "\n" for n in range(100)]
    row = log_with(rows, *texts)
    rows.write(logs.join_chunks, 1)
    rows.write(logs.finish, attrs.evolve(row, complete=True))
    pieces = rows.read(lambda conn: len(conn.execute(schema.log_chunks.select()).all()))
    assert pieces == 3
    assert rows.read(lambda conn: "".join(logs.raw_chunks(conn, 1))) == "".join(texts)
    assert rows.read(logs.read_lines, 1, 57, 57) == "o" + texts[57]


def test_old_text_is_deleted_and_the_log_remains(rows: Rows) -> None:
    row = log_with(rows, "a\n")
    assert rows.write(logs.delete_old, 100.0) == (0, 1)  # it still runs
    rows.write(logs.finish, attrs.evolve(row, complete=True))
    assert rows.write(logs.delete_old, 0.5) == (0, None)
    assert rows.write(logs.delete_old, 100.0, 1) == (0, None)
    assert rows.write(logs.delete_old, 100.0) == (1, 1)
    assert rows.write(logs.delete_old, 100.0) == (0, None)
    assert rows.read(logs.get, 1).type == "d"
    assert rows.read(logs.read_lines, 1, 0, 9) == ""


def test_a_piece_of_ten_megabytes_is_stored(rows: Rows) -> None:
    text = random.Random(1).randbytes(5_000_000).hex() + "\n"
    log_with(rows, text)
    assert rows.read(lambda conn: "".join(logs.raw_chunks(conn, 1))) == text


# -- what was learnt -------------------------------------------------------------------------------------------------


def test_expected_times_are_kept(rows: Rows) -> None:
    assert rows.read(expectations.load, "b") == {}
    rows.write(expectations.save, "b", {"step": {"seconds": 1.5, "metrics": {}}})
    rows.write(expectations.save, "b", {"step": {"seconds": 2.5, "metrics": {}}})
    assert rows.read(expectations.load, "b") == {"step": {"seconds": 2.5, "metrics": {}}}
