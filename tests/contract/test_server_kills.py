"""Servers killed in the middle of commits: an answered write is there once, no other is there twice."""

from __future__ import annotations

import random
import threading

import pytest
import sqlalchemy as sa
from twisted.internet import defer

from buildmaster.base.records import Fact
from buildmaster.db import schema
from buildmaster.db.engine import Database
from buildmaster.db.txn import Txn
from buildmaster.mq.journal import Journal
from tests.contract.conftest import Place


def add(txn: Txn, name: str) -> str:
    txn.insert(schema.projects, id=txn.new_id("projects"), name=name, slug="s")
    txn.note("project", "new", name=name)
    return name


def add_unguarded(txn: Txn, name: str) -> str:
    """A row whose repetition no constraint would notice."""
    txn.insert(
        schema.reasons, id=txn.new_id("reasons"), subject=name[:32], subjectid=0, actor="", verdict="", detail="", at=0
    )
    txn.note("reason", "new", name=name)
    return name


def as_master(place: Place, db: Database) -> None:
    def enter(txn: Txn) -> int:
        number = txn.new_id("masters")
        txn.insert(schema.masters, id=number, name="m", last_active=0, epoch=1)
        return number

    place.wait(db.become(place.wait(db.write(enter)), 1, 0))


@pytest.mark.only_on("postgresql", "mariadb")
@pytest.mark.timeout(180)
def test_what_was_answered_is_there_once_though_the_server_is_killed(place: Place) -> None:
    db = place.open()
    as_master(place, db)
    journal = Journal(db, place.pump, shared=False)  # type: ignore[arg-type]
    place.wait(journal.start())
    facts: list[Fact] = []
    journal.listen([("reason", "new")], facts.append)
    answered: list[str] = []
    total = 6000
    rng = random.Random(1)

    def kill_now_and_then() -> None:
        for _ in range(4):
            if stop.wait(rng.uniform(0.1, 0.5)):
                return
            place.server.kill()
            place.server.start()

    stop = threading.Event()
    killer = threading.Thread(target=kill_now_and_then)

    async def writer(first: int) -> None:
        for n in range(first, total, 40):
            answered.append(await db.write(add_unguarded, f"n{n}"))

    killer.start()
    try:
        place.wait(defer.gatherResults([defer.Deferred.fromCoroutine(writer(n)) for n in range(40)]), seconds=150)
    finally:
        stop.set()
        killer.join()
    stored = place.wait(db.read(lambda c: list(c.execute(sa.select(schema.reasons.c.subject)).scalars())))
    assert len(answered) == total
    assert sorted(stored) == sorted(answered)
    assert sorted(fact.fields["name"] for fact in facts) == sorted(answered)
    assert [fact.position for fact in facts] == list(range(1, total + 1))
    positions = place.wait(db.read(lambda c: list(c.execute(sa.select(schema.journal.c.position)).scalars())))
    assert sorted(positions) == list(range(total - len(positions) + 1, total + 1))


@pytest.mark.only_on("postgresql", "mariadb")
def test_a_commit_whose_answer_was_lost_is_recognised(place: Place) -> None:
    """The link dies after the server has committed and before it says so: the batch's number tells."""
    db = place.open()
    as_master(place, db)
    batcher = db._batcher
    real = batcher.connection()
    broken: list[int] = []
    commit = real.dialect.do_commit

    def commit_and_lose_the_link(dbapi_connection: object) -> None:
        commit(dbapi_connection)
        if not broken:
            broken.append(1)
            driver = real.connection.driver_connection
            if place.kind == "postgresql":
                import psycopg

                raise psycopg.OperationalError("the connection is lost")
            import pymysql

            driver.close()
            raise pymysql.err.OperationalError(2013, "Lost connection to server during query")

    real.dialect.do_commit = commit_and_lose_the_link
    place.wait(db.write(add_unguarded, "once"))
    assert broken
    stored = place.wait(db.read(lambda c: list(c.execute(sa.select(schema.reasons.c.subject)).scalars())))
    assert stored == ["once"]


@pytest.mark.only_on("postgresql", "mariadb")
@pytest.mark.timeout(180)
def test_a_commit_that_did_not_happen_is_repeated(place: Place) -> None:
    db = place.open()
    as_master(place, db)

    def probe(name: str) -> None:
        if name == "before-commit" and not killed:
            killed.append(1)
            place.server.kill()
            place.server.start()

    killed: list[int] = []
    db.probe = probe
    place.wait(db.write(add_unguarded, "once"))
    assert killed
    stored = place.wait(db.read(lambda c: list(c.execute(sa.select(schema.reasons.c.subject)).scalars())))
    assert stored == ["once"]


@pytest.mark.only_on("postgresql")
@pytest.mark.timeout(300)
def test_two_writers_and_a_hundred_thousand_facts(place: Place) -> None:
    """None is missed and none repeated by any reader."""
    total = 100_000

    def note_ten(txn: Txn, writer: int, first: int) -> None:
        for n in range(first, first + 10):
            txn.note("change", "new", writer=writer, n=n)

    dbs = [place.open(), place.open()]
    journals = [Journal(db, place.pump, shared=True) for db in dbs]  # type: ignore[arg-type]
    seen: list[list[tuple[int, int, int]]] = [[], []]
    for journal, list_ in zip(journals, seen, strict=True):
        place.wait(journal.start())
        journal.listen(None, lambda f, list_=list_: list_.append((f.position, f.fields["writer"], f.fields["n"])))
    jobs = [db.write(note_ten, writer, first) for first in range(0, total // 2, 10) for writer, db in enumerate(dbs)]
    place.wait(defer.gatherResults(jobs), seconds=250)
    for journal in journals:
        journal.poke()
    place.pump.wait_for(lambda: all(len(s) >= total for s in seen), seconds=120)
    for list_ in seen:
        assert [p for p, _, _ in list_] == list(range(1, total + 1))
        for writer in (0, 1):
            assert [n for _, w, n in list_ if w == writer] == list(range(total // 2))
    for journal in journals:
        place.wait(journal.stop())
