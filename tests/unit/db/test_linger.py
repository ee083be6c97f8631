"""Progress may wait a moment for company, so that what follows soon is stored by the same transaction."""

from __future__ import annotations

import pytest

from buildmaster.db import schema
from buildmaster.db.txn import Txn
from tests.support.logkit import LogKit


def add(txn: Txn, name: str) -> None:
    txn.insert(schema.objects, id=txn.new_id("objects"), name=name, class_name="c")


def names(conn) -> list[str]:
    return [row.name for row in conn.execute(schema.objects.select().order_by(schema.objects.c.id))]


@pytest.fixture
def kit() -> LogKit:
    kit = LogKit()
    kit.db.linger = 0.05
    return kit


def batches(kit: LogKit) -> int:
    return kit.db.counters["batches"]


def test_progress_that_comes_together_is_stored_together(kit):
    before = batches(kit)
    kit.db.progress(add, "one")
    kit.clock.advance(0.03)
    kit.db.progress(add, "two")
    assert batches(kit) == before
    kit.clock.advance(0.03)
    kit.pump()
    assert batches(kit) == before + 1
    assert kit.wait(kit.db.read(names)) == ["one", "two"]


def test_a_promise_takes_along_what_lingers(kit):
    before = batches(kit)
    kit.db.progress(add, "one")
    kit.wait(kit.db.write(add, "two"))
    assert batches(kit) == before + 1
    assert kit.wait(kit.db.read(names)) == ["one", "two"]


def test_a_reader_sees_what_lingers_at_once(kit):
    kit.db.progress(add, "one")
    assert kit.wait(kit.db.read(names)) == ["one"]


def test_whoever_waits_for_rest_does_not_wait_for_company(kit):
    kit.db.progress(add, "one")
    kit.wait(kit.db.drained())
    assert kit.wait(kit.db.read(names)) == ["one"]


def test_progress_queued_while_a_batch_is_written_lingers_too(kit):
    before = batches(kit)
    kit.db.write(add, "one").addCallback(lambda _: kit.db.progress(add, "two"))
    kit.pump()
    assert batches(kit) == before + 1
    kit.clock.advance(0.05)
    kit.pump()
    assert batches(kit) == before + 2


def test_a_row_that_waits_to_be_inserted_is_inserted_with_its_updates(kit):
    def add_and_change(txn: Txn) -> None:
        txn.insert(schema.objects, id=7, name="old", class_name="c")
        txn.update(schema.objects, 7, name="new")
        txn.update(schema.objects, 7, class_name="d")

    before = kit.db.counters["statements"]
    kit.wait(kit.db.write(add_and_change))
    assert kit.db.counters["statements"] == before + 1
    assert kit.wait(kit.db.read(names)) == ["new"]
