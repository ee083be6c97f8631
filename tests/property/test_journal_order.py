"""Whatever jobs are written, fail or are put back: positions are dense, in commit order, and every reader agrees."""

from __future__ import annotations

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import defer

from buildmaster.base.records import Fact
from buildmaster.db import journal as rows
from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.db.txn import Txn
from buildmaster.mq.consumer import Effect
from buildmaster.mq.journal import Journal
from tests.support.pump import InlinePump

# a job: how many facts it notes, whether it fails, its lane
jobs = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(["main", "bulk"])), max_size=40)


def note(txn: Txn, job: int, count: int, fails: bool) -> None:
    for n in range(count):
        txn.note("change", "new", job=job, n=n)
    if fails:
        raise ValueError("this job fails")


class World:
    """An inline database in a new file, with its journal."""

    def __init__(self, basedir: str) -> None:
        self.pump = InlinePump()
        self.db = Database("sqlite:///j.sqlite", basedir, InlineExecutor(self.pump), self.pump)  # type: ignore[arg-type]
        self.pump.wait(self.db.open(create=True))
        self.journal = Journal(self.db, self.pump, shared=False)  # type: ignore[arg-type]
        self.pump.wait(self.journal.start())

    def write(self, wanted: list[tuple[int, bool, str]]) -> list[bool]:
        queued = [
            (self.db.write if lane == "main" else self.db.bulk)(note, number, count, fails)
            for number, (count, fails, lane) in enumerate(wanted)
        ]
        return [good for good, _ in self.pump.wait(defer.DeferredList(queued, consumeErrors=True))]


@given(jobs)
@settings(max_examples=60, deadline=None)
def test_positions_are_dense_and_only_committed_facts_are_there(wanted: list[tuple[int, bool, str]]) -> None:
    with tempfile.TemporaryDirectory() as basedir:
        world = World(basedir)
        heard: list[Fact] = []
        world.journal.listen(None, heard.append)
        answers = world.write(wanted)
        stored = world.pump.wait(world.db.read(rows.read, 0, 1000))
        assert answers == [not fails for _, fails, _ in wanted]
        assert [f.position for f in stored] == list(range(1, len(stored) + 1))
        assert [(f.position, f.fields) for f in heard] == [(f.position, f.fields) for f in stored]
        expected = {(job, n) for job, (count, fails, _) in enumerate(wanted) if not fails for n in range(count)}
        assert sorted((f.fields["job"], f.fields["n"]) for f in stored) == sorted(expected)
        main = [f.fields["job"] for f in stored if wanted[f.fields["job"]][2] == "main"]
        assert main == sorted(main), "the main lane keeps its order"
        world.pump.wait(world.journal.stop())
        world.pump.wait(world.db.close())


@given(jobs, st.sets(st.integers(0, 60)), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_a_consumer_that_fails_now_and_then_applies_every_fact_once(
    wanted: list[tuple[int, bool, str]], fails_at: set[int], stop_after: int
) -> None:
    """Its decisions raise at some calls, it is stopped and started in between; each fact has one effect, in order."""
    with tempfile.TemporaryDirectory() as basedir:
        world = World(basedir)
        calls = 0

        def decide(fact: Fact) -> Effect:
            nonlocal calls
            calls += 1
            if calls in fails_at:
                raise ValueError("now and then")
            return Effect(lambda txn, position: txn.note("effect", "new", of=position), (fact.position,))

        consumer = world.journal.consumer("c", [("change", "new")], decide)
        world.pump.wait(consumer.start())
        world.write(wanted[:stop_after])
        world.pump.wait(consumer.stop())
        world.write(wanted[stop_after:])
        consumer = world.journal.consumer("c", [("change", "new")], decide)
        world.pump.wait(consumer.start())
        world.pump.wait(consumer.caught_up())
        stored = world.pump.wait(world.db.read(rows.read, 0, 1000))
        changes = [f.position for f in stored if f.kind == "change"]
        assert [f.fields["of"] for f in stored if f.kind == "effect"] == changes
        world.pump.wait(world.journal.stop())
        world.pump.wait(world.db.close())
