"""What the journal and its consumers promise, on every database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from twisted.internet import defer

from buildmaster.base.records import Fact
from buildmaster.db import journal as rows
from buildmaster.db import schema
from buildmaster.db.engine import Database
from buildmaster.db.txn import Txn
from buildmaster.mq import decision
from buildmaster.mq.consumer import Effect
from buildmaster.mq.journal import KEEP_FACTS, PRUNE_AFTER, Journal
from tests.contract.conftest import Place


def note(txn: Txn, kind: str, **fields: Any) -> None:
    txn.note(kind, "new", **fields)


def add_effect(txn: Txn, name: str) -> None:
    txn.insert(schema.projects, id=txn.new_id("projects"), name=name, slug="s")


def effects(place: Place, db: Database) -> list[str]:
    query = sa.select(schema.projects.c.name).order_by(schema.projects.c.id)
    return place.wait(db.read(lambda conn: list(conn.execute(query).scalars())))


def started(place: Place, db: Database, shared: bool = False) -> Journal:
    journal = Journal(db, place.pump, shared=shared)  # type: ignore[arg-type]
    place.wait(journal.start())
    return journal


def test_facts_come_in_commit_order_and_dense(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    seen: list[Fact] = []
    journal.listen([("change", "new")], seen.append)
    place.wait(defer.gatherResults([db.write(note, "change", changeid=n) for n in range(300)]))
    assert [fact.position for fact in seen] == list(range(1, 301))
    assert [fact.fields["changeid"] for fact in seen] == list(range(300))
    stored = place.wait(db.read(rows.read, 0, 1000))
    assert [(f.position, f.kind, f.event, f.fields) for f in stored] == [
        (f.position, f.kind, f.event, f.fields) for f in seen
    ]


def test_a_failed_write_leaves_no_fact_and_no_hole(place: Place) -> None:
    def fail(txn: Txn) -> None:
        note(txn, "change", changeid=99)
        raise ValueError("no")

    db = place.open()
    journal = started(place, db)
    jobs = [db.write(note, "change", changeid=1), db.write(fail), db.write(note, "change", changeid=2)]
    place.wait(defer.DeferredList(jobs, consumeErrors=True))
    stored = place.wait(db.read(rows.read, 0))
    assert [(f.position, f.fields["changeid"]) for f in stored] == [(1, 1), (2, 2)]
    assert journal.head == 2


def test_a_consumer_decides_each_fact_once_and_moves_with_its_effect(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    consumer = journal.consumer("c", [("change", "new")], lambda f: Effect(add_effect, (f"e{f.fields['changeid']}",)))
    place.wait(consumer.start())
    place.wait(defer.gatherResults([db.write(note, "change", changeid=n) for n in range(50)]))
    db.progress(note, "build", buildid=1)
    place.wait(consumer.caught_up())
    assert effects(place, db) == [f"e{n}" for n in range(50)]
    assert place.wait(db.read(rows.cursor, "c")) == 50


def test_a_stopped_consumer_goes_on_where_it_was(place: Place) -> None:
    db = place.open()
    journal = started(place, db)

    def decide(fact: Fact) -> Effect:
        return Effect(add_effect, (f"e{fact.position}",))

    consumer = journal.consumer("c", [("change", "new")], decide)
    place.wait(consumer.start())
    place.wait(db.write(note, "change"))
    place.wait(consumer.caught_up())
    place.wait(consumer.stop())
    place.wait(db.write(note, "change"))
    place.wait(journal.stop())
    journal = started(place, db)
    consumer = journal.consumer("c", [("change", "new")], decide)
    place.wait(consumer.start())
    place.wait(db.write(note, "change"))
    place.wait(consumer.caught_up())
    assert effects(place, db) == ["e1", "e2", "e3"]


def test_a_new_consumer_starts_at_the_head(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    place.wait(db.write(note, "change"))
    consumer = journal.consumer("c", None, lambda f: Effect(add_effect, (f"e{f.position}",)))
    place.wait(consumer.start())
    place.wait(consumer.caught_up())
    assert effects(place, db) == []


def test_a_decision_that_raises_is_tried_again(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    calls: list[int] = []

    def decide(fact: Fact) -> Effect | None:
        calls.append(fact.position)
        if len(calls) == 2:
            raise ValueError("not now")
        return Effect(add_effect, (f"e{fact.position}",))

    consumer = journal.consumer("c", None, decide, policy="retry")
    place.wait(consumer.start())
    place.wait(defer.gatherResults([db.write(note, "change") for _ in range(3)]))
    place.wait(consumer.caught_up())
    assert effects(place, db) == ["e1", "e2", "e3"]


@pytest.mark.parametrize("where", ["decision", "effect"])
def test_a_skipping_consumer_leaves_out_only_what_fails(place: Place, where: str) -> None:
    def refuse(txn: Txn, position: int) -> None:
        add_effect(txn, f"half of {position}")
        raise ValueError("never")

    def decide(fact: Fact) -> Effect:
        if fact.position == 2 and where == "decision":
            raise ValueError("never")
        if fact.position == 2:
            return Effect(refuse, (2,))
        return Effect(add_effect, (f"e{fact.position}",))

    db = place.open()
    journal = started(place, db)
    consumer = journal.consumer("c", None, decide, policy="skip")
    place.wait(consumer.start())
    place.wait(defer.gatherResults([db.write(note, "change") for _ in range(4)]))
    place.wait(consumer.caught_up())
    assert effects(place, db) == ["e1", "e3", "e4"]


def test_a_stopping_consumer_stays_at_what_fails(place: Place) -> None:
    def decide(fact: Fact) -> Effect:
        if fact.position == 2:
            raise ValueError("never")
        return Effect(add_effect, (f"e{fact.position}",))

    db = place.open()
    journal = started(place, db)
    consumer = journal.consumer("c", None, decide, policy="stop")
    place.wait(consumer.start())
    place.wait(defer.gatherResults([db.write(note, "change") for _ in range(3)]))
    place.pump.wait_for(lambda: consumer.failed is not None)
    assert effects(place, db) == ["e1"]
    assert str(consumer.failed) == "never"


def test_two_processes_cannot_both_apply(place: Place) -> None:
    """The cursor's move is guarded: the second of two equal consumers re-reads and finds the work done."""
    db = place.open()
    journal = started(place, db)
    gate: defer.Deferred[None] = defer.Deferred()

    async def decide(fact: Fact) -> Effect:
        if fact.position == 1 and not gate.called:
            await gate
        return Effect(add_effect, (f"e{fact.position}",))

    consumer = journal.consumer("c", [("change", "new")], decide)
    place.wait(consumer.start())
    place.wait(db.write(note, "change"))

    def other_process(txn: Txn) -> None:
        rows.move_cursor(txn, "c", 0, 1)
        add_effect(txn, "e1")

    place.wait(db.write(other_process))
    gate.callback(None)
    place.wait(db.write(note, "change"))
    place.wait(consumer.caught_up())
    assert effects(place, db) == ["e1", "e2"]


def test_writes_of_a_decision_have_keys_that_a_replay_repeats(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    keys: list[str | None] = []

    async def decide(fact: Fact) -> None:
        await db.write(note, "build")
        keys.extend([decision.next_idempotency_key(), decision.next_idempotency_key()])
        if len(keys) == 2:
            raise ValueError("once more")

    consumer = journal.consumer("c", [("change", "new")], decide)
    place.wait(consumer.start())
    place.wait(db.write(note, "change"))
    place.wait(consumer.caught_up())
    assert keys == ["c/1/0", "c/1/1", "c/1/0", "c/1/1"]
    assert decision.next_idempotency_key() is None


def test_the_journal_is_pruned_below_the_lowest_cursor(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    gate: defer.Deferred[None] = defer.Deferred()

    async def decide(fact: Fact) -> None:
        if fact.position == 40:
            await gate

    slow = journal.consumer("slow", None, decide)
    place.wait(slow.start())
    place.wait(defer.gatherResults([db.write(note, "change") for _ in range(100)]))
    place.wait(journal.prune(keep=10))
    assert place.wait(db.read(rows.head)) == (100, 0)
    gate.callback(None)
    place.wait(slow.caught_up())
    place.wait(journal.prune(keep=10))
    assert place.wait(db.read(rows.head)) == (100, 90)
    assert [f.position for f in place.wait(db.read(rows.read, 0))] == list(range(91, 101))


def test_many_facts_are_pruned_before_the_half_minute_is_over(place: Place) -> None:
    db = place.open()
    journal = started(place, db)

    def note_many(txn: Txn) -> None:
        for _ in range(KEEP_FACTS + PRUNE_AFTER):
            note(txn, "change")

    place.wait(db.write(note_many))
    place.pump.wait_for(lambda: journal.pruned == PRUNE_AFTER)
    assert place.wait(db.read(rows.head)) == (KEEP_FACTS + PRUNE_AFTER, PRUNE_AFTER)


def test_a_consumer_that_was_left_behind_is_told_of_its_gap(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    seen: list[int] = []
    gaps: list[tuple[int, int]] = []
    consumer = journal.consumer("c", None, lambda f: seen.append(f.position))
    place.wait(consumer.start())
    place.wait(consumer.stop())
    place.wait(defer.gatherResults([db.write(note, "change") for _ in range(30)]))
    place.wait(db.write(rows.prune, 20))
    place.wait(journal.stop())
    journal = started(place, db)
    consumer = journal.consumer("c", None, lambda f: seen.append(f.position), on_gap=lambda *gap: gaps.append(gap))
    place.wait(consumer.start())
    place.wait(consumer.caught_up())
    assert gaps == [(0, 20)]
    assert seen == list(range(21, 31))
    stored = place.wait(db.read(lambda c: c.execute(sa.select(schema.cursor_gaps)).one()))
    assert (stored.name, stored.after_position, stored.up_to_position) == ("c", 0, 20)


def test_a_listener_that_raises_harms_nobody(place: Place) -> None:
    db = place.open()
    journal = started(place, db)
    seen: list[int] = []

    def bad(fact: Fact) -> None:
        raise ValueError("oops")

    journal.listen(None, bad)
    journal.listen(None, lambda f: seen.append(f.position))
    place.wait(db.write(note, "change"))
    assert seen == [1]


@pytest.mark.only_on("postgresql", "mariadb")
def test_a_reader_sees_every_masters_facts_once_and_in_order(place: Place) -> None:
    writers = [place.open(), place.open()]
    journals = [started(place, db, shared=True) for db in writers]
    seen: list[list[int]] = [[], []]
    for journal, list_ in zip(journals, seen, strict=True):
        journal.listen([("change", "new")], lambda f, list_=list_: list_.append(f.position))
    jobs = [db.write(note, "change", n=n) for n in range(500) for db in writers]
    place.wait(defer.gatherResults(jobs))
    for journal in journals:
        journal.poke()
    place.pump.wait_for(lambda: all(len(s) >= 1000 for s in seen))
    assert seen == [list(range(1, 1001))] * 2
