"""Results of single tests, in sets of one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_sets, _results = schema.test_result_sets, schema.test_results


class UnknownSet(ValueError):
    """There is no such set of test results."""


def add_set(
    txn: Txn, builderid: int, buildid: int, stepid: int, description: str | None, category: str, value_unit: str
) -> int:
    """Store a set to which results can be added, and tell; returns its id."""
    setid = txn.new_id("test_result_sets")
    fields = {
        "builderid": builderid,
        "buildid": buildid,
        "stepid": stepid,
        "description": description,
        "category": category,
        "value_unit": value_unit,
    }
    txn.insert(_sets, id=setid, **fields)
    none_yet = {"tests_passed": None, "tests_failed": None, "complete": False}
    txn.note("test_result_set", "new", test_result_setid=setid, **fields, **none_yet)
    return setid


def complete_set(txn: Txn, setid: int, tests_passed: int | None = None, tests_failed: int | None = None) -> None:
    """All results of a set are there; store how many tests passed and failed, and tell.

    Raises :class:`UnknownSet`.
    """
    row = txn.execute(sa.select(_sets).where(_sets.c.id == setid), touches=(_sets,)).first()
    if row is None:
        raise UnknownSet(f"there is no test result set {setid}")
    if row.complete:
        return
    values: dict[str, Any] = {"tests_passed": tests_passed, "tests_failed": tests_failed, "complete": 1}
    txn.update(_sets, setid, **values)
    fields = {column.name: getattr(row, column.name) for column in _sets.c if column.name != "id"}
    txn.note("test_result_set", "completed", test_result_setid=setid, **{**fields, **values, "complete": True})


def add_results(txn: Txn, builderid: int, setid: int, results: Sequence[Mapping[str, Any]]) -> None:
    """Store results: each has ``value``, ``test_name`` or ``test_code_path``, perhaps ``line`` and ``duration_ns``."""
    txn.insert_many(
        _results,
        [
            {
                "id": txn.new_id("test_results"),
                "builderid": builderid,
                "test_result_setid": setid,
                "test_name": result.get("test_name"),
                "test_code_path": result.get("test_code_path"),
                "line": result.get("line"),
                "duration_ns": result.get("duration_ns"),
                "value": result["value"],
            }
            for result in results
        ],
    )
