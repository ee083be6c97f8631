"""Filters and orders mean the same on every database: what plain Python says."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest

from buildmaster.base.times import UTC
from buildmaster.data.resultspec import Filter, ResultSpec
from buildmaster.db import query, schema, views
from buildmaster.db.txn import Txn
from buildmaster.db.view import View
from tests.contract.conftest import Place
from tests.support.core import CoreMaster

TEXTS = [None, "", "a", "A", "ab", "b", "B_%", "\\", "ü", "null", "Z", "\U0001f600"]
AT = [None, 1_700_000_000.0, 1_700_000_000.25, 1_700_000_001.123456]
EVERY = ("eq", "ne", "lt", "le", "gt", "ge", "in", "notin")


@pytest.fixture
def master(place: Place) -> CoreMaster:
    master = CoreMaster(place)
    master.wait(master.db.write(_fill))
    return master


def _fill(txn: Txn) -> None:
    for number, text in enumerate(TEXTS):
        encoded = msgspec.json.encode([str(text), f"{text},x"]).decode()
        txn.insert(schema.builders, id=number + 1, name=f"n{number}", description=text, tags=encoded)
    txn.insert(schema.buildsets, id=1, reason="r", properties="{}", submitted_at=1.5)
    for number in range(12):
        txn.insert(
            schema.buildrequests,
            id=number + 1,
            buildsetid=1,
            builderid=1,
            state=number % 4,
            submitted_at=1.0,
            complete_at=AT[number % 4],
            results=None if number % 3 else number,
            priority=number % 5,
        )


def compare(master: CoreMaster, view: View, spec: ResultSpec) -> None:
    everything = master.wait(master.db.read(query.fetch, view, {})).rows
    page = master.wait(master.db.read(query.fetch, view, {}, spec))
    expected = spec.apply(list(everything))
    assert page.rows == expected.data, spec
    assert page.total == expected.total, spec


def test_text(master: CoreMaster) -> None:
    for op in EVERY:
        for value in TEXTS:
            compare(master, views.BUILDERS, ResultSpec(filters=[Filter("description", op, [value])]))
    compare(master, views.BUILDERS, ResultSpec(filters=[Filter("description", "notin", [None, "a", "ü"])]))
    for value in ("a", "A", "_", "%", "\\", "ü", "\U0001f600"):
        compare(master, views.BUILDERS, ResultSpec(filters=[Filter("description", "contains", [value])]))
        compare(master, views.BUILDERS, ResultSpec(filters=[Filter("tags", "contains", [value, "nothing"])]))


def test_order_and_pages(master: CoreMaster) -> None:
    for order in (["description"], ["-description"], ["-description", "builderid"]):
        compare(master, views.BUILDERS, ResultSpec(order=order))
        compare(master, views.BUILDERS, ResultSpec(order=order, limit=4, offset=2))
        compare(master, views.BUILDERS, ResultSpec(order=order, offset=7))
    for order in (
        ["results", "buildrequestid"],
        ["-complete_at", "-priority", "buildrequestid"],
        ["complete", "priority"],
    ):
        compare(master, views.BUILDREQUESTS, ResultSpec(order=order, limit=7))


def test_numbers_times_and_flags(master: CoreMaster) -> None:
    values: dict[str, list[Any]] = {
        "results": [-1, 0, 3, 2**40],
        "priority": [0, 2, -(2**35)],
        "complete_at": [at if at is None else datetime.datetime.fromtimestamp(at, UTC) for at in AT],
        "claimed": [True, False],
        "complete": [True, False],
        "waited_for": [False, True],
    }
    for field, wanted in values.items():
        for op in EVERY:
            for value in wanted:
                compare(master, views.BUILDREQUESTS, ResultSpec(filters=[Filter(field, op, [value])]))
        compare(master, views.BUILDREQUESTS, ResultSpec(filters=[Filter(field, "ne", wanted)], limit=3))
