"""SQLite's write-ahead log is emptied in a pause."""

from __future__ import annotations

import os

import sqlalchemy as sa
from twisted.internet.task import Clock

from buildmaster.db import schema
from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.db.tidy import IDLE_SECONDS
from buildmaster.db.txn import Txn
from buildmaster.testing.sync import result_of


class Durable(InlineExecutor):
    """An executor on the fake clock whose files are treated as a real master's."""

    durable = True


def add(txn: Txn, size: int) -> None:
    txn.insert(schema.objects, id=txn.new_id("objects"), name="n" * size, class_name="c")


def opened(clock: Clock, path) -> Database:
    db = Database("sqlite:///state.sqlite", str(path), Durable(clock), clock)
    wait(clock, db.open(create=True))
    return db


def wait(clock, deferred):
    while not deferred.called:
        clock.advance(0)
    return result_of(deferred)


def log_bytes(path) -> int:
    return os.path.getsize(path / "state.sqlite-wal")


def test_a_long_log_is_emptied_when_nothing_is_written(tmp_path):
    clock = Clock()
    db = opened(clock, tmp_path)
    wait(clock, db.write(add, 200_000))
    assert log_bytes(tmp_path) > 200_000
    clock.advance(IDLE_SECONDS / 2)
    wait(clock, db.write(add, 10))
    clock.advance(IDLE_SECONDS / 2)
    clock.advance(0)
    assert log_bytes(tmp_path) > 200_000  # the pause was not long enough
    clock.advance(IDLE_SECONDS)
    later = db.write(add, 20)  # comes while the log is being emptied
    wait(clock, later)
    assert log_bytes(tmp_path) < 50_000
    assert wait(clock, db.read(lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(schema.objects)))) == 3
    wait(clock, db.close())
    assert clock.getDelayedCalls() == []


def test_what_comes_at_the_moment_of_emptying_is_written(tmp_path):
    clock = Clock()
    db = opened(clock, tmp_path)
    wait(clock, db.write(add, 200_000))
    clock.callLater(IDLE_SECONDS - 1e-9, lambda: later.append(db.write(add, 20)))
    later: list = []
    clock.advance(IDLE_SECONDS)  # both are due: the new job, and the look at the log
    wait(clock, later[0])
    wait(clock, db.close())


def test_a_reader_of_old_rows_keeps_it_a_while(tmp_path):
    clock = Clock()
    db = opened(clock, tmp_path)
    reader = sa.create_engine(f"sqlite:///{tmp_path}/state.sqlite").connect()
    reader.exec_driver_sql("BEGIN")
    reader.execute(sa.select(schema.objects)).fetchall()
    wait(clock, db.write(add, 200_000))
    clock.pump([IDLE_SECONDS, 0])
    assert log_bytes(tmp_path) > 200_000
    reader.close()
    clock.pump([IDLE_SECONDS, 0])
    assert log_bytes(tmp_path) == 0
    wait(clock, db.close())
