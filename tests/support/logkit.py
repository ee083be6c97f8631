"""A database and a clock for logs, without a master."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from buildmaster.base.aio import as_deferred
from buildmaster.db import builds, logs, schema, steps
from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.db.steps import StepRow
from buildmaster.process.log import Log
from buildmaster.testing.sync import result_of


class LogKit:
    """Makes logs on an in-memory database, and reads what was stored."""

    def __init__(self, **config: Any) -> None:
        self.clock = Clock()
        self.db = Database("sqlite://", ".", InlineExecutor(self.clock), self.clock)
        self.facts: list[Any] = []
        self.db.on_facts = self.facts.extend
        opening = self.db.open(create=True)
        self.pump()
        result_of(opening)
        self.master = SimpleNamespace(db=self.db, reactor=self.clock, config=SimpleNamespace(**config))

    def pump(self) -> None:
        """Let everything happen that is due."""
        for _ in range(10_000):
            if not any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
                return
            self.clock.advance(0)

    def wait(self, value: Any) -> Any:
        """The result of something that happens by itself."""
        waiting = as_deferred(value)
        self.pump()
        return result_of(waiting)

    def step(self) -> int:
        """A stored step, with all that it refers to; returns its id."""

        def add(txn: Any) -> None:
            row = StepRow(1, 0, "step", 1)
            txn.insert(schema.masters, id=1, name="m", last_active=0)
            txn.insert(schema.builders, id=1, name="b", tags="[]")
            txn.insert(schema.buildsets, id=1, reason="", submitted_at=0, properties="{}")
            txn.insert(schema.buildrequests, id=1, buildsetid=1, builderid=1, state=2, submitted_at=0)
            builds.add(txn, 1, 1, None, 1, buildid=1)
            steps.add(txn, row)

        self.wait(self.db.write(add))
        self.facts.clear()
        return 1

    def log(self, type: str = "s", encoding: Any = "utf-8", secrets: dict[str, str] | None = None) -> Any:
        """A new log."""
        row = logs.LogRow(self.db.new_id("logs"), 1, "stdio", f"stdio{self.db.new_id('steps')}", type)
        log = Log.new(self.master, "stdio", type, row.logid, encoding, row)
        log.hide(secrets if secrets is not None else {})
        return log

    def lines(self, log: Any, first: int = 0, last: int = 10**9) -> str:
        """What is stored, in the documented form."""
        return self.wait(self.db.read(logs.read_lines, log.logid, first, last))

    def raw(self, log: Any) -> str:
        """What is stored, as plain text."""
        return self.wait(self.db.read(lambda conn: "".join(logs.raw_chunks(conn, log.logid))))

    def chunks(self, log: Any) -> int:
        """In how many pieces it is stored."""

        table = schema.log_chunks
        return self.wait(
            self.db.read(lambda conn: len(conn.execute(table.select().where(table.c.logid == log.logid)).all()))
        )
