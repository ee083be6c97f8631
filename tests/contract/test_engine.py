"""What a write, a read and an id promise, on every database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from twisted.internet import defer

from buildmaster.db import schema
from buildmaster.db.batch import LeaseLost, Stopping
from buildmaster.db.txn import Txn
from tests.contract.conftest import Place

projects = schema.projects


def add_project(txn: Txn, name: str) -> int:
    number = txn.new_id("projects")
    txn.insert(projects, id=number, name=name, slug="slug")
    txn.note("project", "new", projectid=number, name=name)
    return number


def refuse(txn: Txn, name: str) -> None:
    add_project(txn, name)
    raise ValueError(f"no {name}")


def names(conn: sa.Connection) -> list[str]:
    return list(conn.execute(sa.select(projects.c.name).order_by(projects.c.id)).scalars())


def add_master(txn: Txn, name: str, epoch: int) -> int:
    number = txn.new_id("masters")
    txn.insert(schema.masters, id=number, name=name, last_active=0, epoch=epoch)
    return number


def test_an_answer_means_committed(place: Place) -> None:
    db = place.open()
    number = place.wait(db.write(add_project, "one"))
    again = place.open()
    assert place.wait(again.read(names)) == ["one"]
    assert number == 1


def test_an_answer_comes_though_the_facts_can_not_be_handed_out(place: Place) -> None:
    db = place.open()

    def fail(facts: list) -> None:
        raise RuntimeError("nobody takes them")

    db.on_facts = fail
    assert place.wait(db.write(add_project, "one")) == 1
    assert place.wait(db.read(names)) == ["one"]


def test_a_read_sees_every_write_queued_before_it(place: Place) -> None:
    db = place.open()
    for n in range(250):
        db.progress(add_project, f"p{n}")
    assert len(place.wait(db.read(names))) == 250


def test_only_the_guilty_job_of_a_batch_fails(place: Place) -> None:
    db = place.open()
    jobs = [db.write(refuse if n == 3 else add_project, f"p{n}") for n in range(6)]
    outcomes = place.wait(defer.DeferredList(jobs, consumeErrors=True))
    assert [good for good, _ in outcomes] == [True, True, True, False, True, True]
    assert str(outcomes[3][1].value) == "no p3"
    assert place.wait(db.read(names)) == ["p0", "p1", "p2", "p4", "p5"]


def test_a_clash_fails_its_own_writer_only(place: Place) -> None:
    db = place.open()
    place.wait(db.write(add_project, "taken"))
    jobs = [db.write(add_project, name) for name in ("a", "taken", "b")]
    outcomes = place.wait(defer.DeferredList(jobs, consumeErrors=True))
    assert [good for good, _ in outcomes] == [True, False, True]
    assert outcomes[1][1].check(sa.exc.IntegrityError)
    assert sorted(place.wait(db.read(names))) == ["a", "b", "taken"]


def test_waiting_writers_share_transactions_and_statements(place: Place) -> None:
    db = place.open()
    before = dict(db.counters)
    place.wait(defer.gatherResults([db.write(add_project, f"p{n}") for n in range(50)]))
    assert db.counters["commits"] - before.get("commits", 0) <= 2
    assert db.counters["statements"] - before.get("statements", 0) <= 8


def test_updates_keep_their_order(place: Place) -> None:
    def change(txn: Txn) -> None:
        number = add_project(txn, "p")
        txn.update(projects, number, slug="first", description="d1")
        txn.update(projects, number, slug="second")
        txn.update(projects, number, description="d2", slug="third")
        txn.update(projects, number, slug="fourth")

    db = place.open()
    place.wait(db.write(change))
    row = place.wait(db.read(lambda conn: conn.execute(sa.select(projects)).one()))
    assert (row.slug, row.description) == ("fourth", "d2")


def test_an_immediate_statement_sees_rows_that_wait(place: Place) -> None:
    def count(txn: Txn) -> int:
        add_project(txn, "p")
        return txn.execute(sa.select(sa.func.count()).select_from(projects)).scalar_one()

    db = place.open()
    assert place.wait(db.write(count)) == 1


@pytest.mark.only_on("sqlite", "inline")
def test_a_statement_about_other_tables_leaves_waiting_rows_in_their_group(place: Place) -> None:
    def job(txn: Txn, name: str) -> None:
        add_project(txn, name)
        txn.execute(sa.select(schema.cursors.c.name), touches=(schema.cursors,))

    db = place.open()
    before = db.counters["statements"]
    place.wait(defer.gatherResults([db.write(job, f"p{n}") for n in range(10)]))
    assert db.counters["statements"] - before <= 10 + 5


def test_rows_are_sent_in_the_order_of_their_references(place: Place) -> None:
    def job(txn: Txn) -> None:
        project = txn.new_id("projects")
        txn.insert(schema.codebases, id=txn.new_id("codebases"), projectid=project, name="c", slug="c")
        txn.insert(projects, id=project, name="p", slug="p")

    db = place.open()
    place.wait(db.write(job))
    assert place.wait(db.read(names)) == ["p"]


def test_text_keeps_its_case_and_its_rarer_characters(place: Place) -> None:
    db = place.open()
    for name in ("Straße", "strasse", "STRASSE", "𝄞 clef", "tab\tand 'quote'"):
        place.wait(db.write(add_project, name))
    assert place.wait(db.read(names)) == ["Straße", "strasse", "STRASSE", "𝄞 clef", "tab\tand 'quote'"]


def test_ids_are_known_before_the_commit_and_never_given_twice(place: Place) -> None:
    db, other = place.open(), None
    if place.kind not in ("sqlite", "inline"):
        other = place.open()
    given = [d.new_id("steps") for _ in range(250) for d in (db, other) if d is not None]
    assert len(set(given)) == len(given)


def test_ids_continue_after_a_restart(place: Place) -> None:
    db = place.open()
    first = [place.wait(db.write(add_project, f"a{n}")) for n in range(3)]
    place.wait(db.close())
    db = place.open()
    second = place.wait(db.write(add_project, "b"))
    assert second > max(first)
    if place.kind in ("sqlite", "inline"):
        assert second == 4


def test_what_waits_is_written_before_closing(place: Place) -> None:
    db = place.open()
    for n in range(120):
        db.progress(add_project, f"p{n}")
        db.bulk(add_project, f"bulk{n}", size=1000)
    place.wait(db.close())
    assert len(place.wait(place.open().read(names))) == 240


def test_bulk_work_shares_batches_with_promises(place: Place) -> None:
    db = place.open()
    bulk = [db.bulk(add_project, f"b{n}", size=200_000) for n in range(100)]
    promise = db.write(add_project, "promise")
    finished: list[str] = []
    promise.addCallback(lambda _: finished.append("promise"))
    for job in bulk:
        job.addCallback(lambda _: finished.append("bulk"))
    place.wait(defer.gatherResults(bulk))
    assert finished.index("promise") < 20
    assert len(finished) == 101


def test_a_newer_life_of_the_master_shuts_the_older_one_out(place: Place) -> None:
    db = place.open()
    number = place.wait(db.write(add_master, "m", 1))
    place.wait(db.become(number, 1, 0))
    place.wait(db.write(add_project, "mine"))
    newer = place.open()
    place.wait(newer.write(lambda txn: txn.update(schema.masters, number, epoch=2)))
    with pytest.raises(LeaseLost):
        place.wait(db.write(add_project, "too late"))
    assert place.wait(db.read(names)) == ["mine"]


@pytest.mark.only_on("sqlite")
def test_a_lock_held_by_another_process_is_waited_for(place: Place) -> None:
    import sqlite3

    db = place.open()
    other = sqlite3.connect(place.basedir / "state.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = db.write(add_project, "patient")
    with pytest.raises(TimeoutError):
        place.wait(waiting, seconds=2.5)
    other.execute("ROLLBACK")
    place.wait(waiting)
    assert place.wait(db.read(names)) == ["patient"]


@pytest.mark.only_on("sqlite")
def test_an_answer_survives_the_loss_of_power(place: Place) -> None:
    db = place.open()
    pragmas = place.wait(
        db.write(
            lambda txn: [txn.conn.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("synchronous", "journal_mode")]
        )
    )
    assert pragmas == [2, "wal"]


@pytest.mark.only_on("inline")
def test_closing_does_not_wait_for_ever(place: Place) -> None:
    """A database that lets nothing through any more cannot keep the master from stopping."""
    import sqlite3

    db = place.open()
    other = sqlite3.connect(place.basedir / "state.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = db.write(add_project, "lost")
    place.pump.clock.callLater(0, db._executor.give_up)
    outcome = place.wait(defer.DeferredList([waiting], consumeErrors=True))
    assert outcome[0][1].check(Stopping)
    place.wait(db.close())
    other.execute("ROLLBACK")
