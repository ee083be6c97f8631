"""One batch of write jobs: run them in one transaction, commit once, and know for certain whether it was committed.

Runs on the writing side.  If any job raises, everything is rolled back and each job runs again in a transaction of its
own, so that only the guilty one fails.  Conflicts and lack of room are tried again with back-off.  When the link dies
during COMMIT, the number stored with the batch in this master's row tells after reconnecting whether it went through.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import exc
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.records import Fact
from buildmaster.db import dialects, journal, schema
from buildmaster.db.dialects import Trouble
from buildmaster.db.executors import Executor
from buildmaster.db.ids import IdSource
from buildmaster.db.notify import NOTIFY
from buildmaster.db.txn import Txn

log = Logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
COMPLAIN_FIRST, COMPLAIN_EVERY = 3.0, 10.0


class LeaseLost(Exception):
    """Another process has taken this master's place (or it was expired); nothing more may be written."""


class Stopping(Exception):
    """The database is being closed while it could not be reached; what waited was not written."""


class _Blocked(Exception):
    """A transaction could not be run now, through no fault of a job."""


@attrs.define(eq=False)
class WriteJob:
    """A function to run in a transaction, and who waits for its result."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any  # a Deferred
    bulk: bool = False
    size: int = 0
    lingers: bool = False  # may wait a moment for company

    def run(self, txn: Txn) -> Any:
        return self.function(txn, *self.args, **self.kwargs)

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', self.function)}"


@attrs.frozen
class Outcome:
    """What became of a batch."""

    results: list[tuple[WriteJob, Any]]  # a value, or a Failure
    facts: list[Fact]
    unfinished: list[WriteJob]  # not begun, because the batch's time was up


class Batcher:
    """Runs batches on the one connection that writes.

    ``probe(name)`` is called before and after each COMMIT: a signal for tests, which may raise there to play a crash.
    """

    def __init__(
        self,
        engine: sa.Engine,
        executor: Executor,
        now: Callable[[], float],
        counters: Counter,
        probe: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._now = now
        self._counters = counters
        self._probe = probe
        self._conn: sa.Connection | None = None
        self.ids: IdSource | None = None
        self.masterid: int | None = None
        self.epoch = 0
        self._number = 0
        self._unsure = False

    def connection(self) -> sa.Connection:
        """The kept connection, opened when there is none."""
        if self._conn is None:
            self._conn = self._engine.connect()
            self._counters["connections"] += 1
        return self._conn

    def close(self) -> None:
        """Close the connection; a broken one is simply dropped."""
        conn, self._conn = self._conn, None
        if conn is not None:
            try:
                conn.close()
            except exc.DBAPIError:
                conn.invalidate()

    def become(self, masterid: int, epoch: int, last_batch: int) -> None:
        """From now on write as this master."""
        self.masterid, self.epoch, self._number = masterid, epoch, last_batch

    def run(self, jobs: Sequence[WriteJob]) -> Outcome:
        """Run the jobs; returns when their fate is known."""
        try:
            return self._transaction(jobs)
        except (Stopping, LeaseLost):
            failure = Failure()
            return Outcome([(job, failure) for job in jobs], [], [])
        except Exception as e:
            if len(jobs) == 1:
                return Outcome([(jobs[0], Failure())], [], [])
            log.debug("a batch of {n} was rolled back, running one by one: {error}", n=len(jobs), error=e)
        results: list[tuple[WriteJob, Any]] = []
        facts: list[Fact] = []
        for job in jobs:
            outcome = self.run([job])
            results += outcome.results
            facts += outcome.facts
        return Outcome(results, facts, [])

    def _transaction(self, jobs: Sequence[WriteJob]) -> Outcome:
        """All jobs in one transaction, tried until the database lets it through."""
        pause, complain_at = FIRST_PAUSE, time.monotonic() + COMPLAIN_FIRST
        previous = self._number
        while True:
            try:
                return self._attempt(jobs)
            except _Blocked as blocked:
                trouble = blocked.__cause__
                committed = blocked.args[0] if blocked.args else None
                if committed is not None and self._went_through(previous + 1):
                    return committed
                if self._executor.stopping:
                    raise Stopping(f"the database could not be written to before it was closed: {trouble}") from trouble
                if time.monotonic() >= complain_at:
                    complain_at = time.monotonic() + COMPLAIN_EVERY
                    log.error(
                        "the database cannot be written to; {n} jobs wait and are tried again until it can: {error}. "
                        "{mend}",
                        n=len(jobs),
                        error=getattr(trouble, "orig", None) or trouble,
                        mend=dialects.mend(trouble),
                    )
                self._executor.pause(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                self._number = previous

    def _attempt(self, jobs: Sequence[WriteJob]) -> Outcome:
        outcome: Outcome | None = None
        committing = False
        try:
            conn = self.connection()
            transaction = conn.begin()
            try:
                outcome = self._run_jobs(conn, jobs)
                self._probe("before-commit")
                committing = True
                transaction.commit()
            except BaseException:
                self._roll_back(transaction)
                raise
        except exc.DBAPIError as e:
            self._counters["rollbacks"] += 1
            trouble = dialects.classify(e)
            if trouble is Trouble.FATAL:
                raise
            if trouble is Trouble.DISCONNECT:
                self.close()
                raise _Blocked(outcome if committing else None) from e
            if trouble is Trouble.RESOURCE:
                self.close()  # a file that was opened read-only stays so until it is opened anew
            raise _Blocked() from e
        self._counters["commits"] += 1
        self._probe("after-commit")
        return outcome

    def _roll_back(self, transaction: sa.RootTransaction) -> None:
        try:
            transaction.rollback()
        except exc.DBAPIError:
            self.close()

    def _run_jobs(self, conn: sa.Connection, jobs: Sequence[WriteJob]) -> Outcome:
        assert self.ids is not None
        txn = Txn(conn, self.ids, self._now(), self.masterid, self._counters)
        results: list[tuple[WriteJob, Any]] = []
        until = time.monotonic() + self._executor.batch_seconds
        for job in jobs:
            results.append((job, job.run(txn)))
            if time.monotonic() > until:
                break
        txn.flush()
        self._stamp(txn)
        facts = journal.store(txn, txn.now())
        if facts and conn.dialect.name == "postgresql":
            txn.execute(NOTIFY, touches=())
        return Outcome(results, facts, list(jobs[len(results) :]))

    def _stamp(self, txn: Txn) -> None:
        """Store the batch's number in this master's row, if the row is still this life's."""
        if self.masterid is None:
            return
        self._number += 1
        parameters = {"id_": self.masterid, "epoch_": self.epoch, "number_": self._number}
        if txn.execute(_STAMP, parameters, touches=()).rowcount != 1:
            raise LeaseLost(f"master {self.masterid} was started elsewhere, or its row was removed")

    def _went_through(self, number: int) -> bool:
        """After a link that died during COMMIT: is that batch in the database?"""
        if self.masterid is None:
            return False
        pause = FIRST_PAUSE
        while not self._executor.stopping:
            try:
                conn = self.connection()
                with conn.begin():
                    stored = conn.execute(_STORED_NUMBER, {"id_": self.masterid}).scalar()
                return stored == number
            except exc.DBAPIError as e:
                if dialects.classify(e) is Trouble.FATAL:
                    raise
                self.close()
                self._executor.pause(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
        return False


_STAMP = (
    sa.update(schema.masters)
    .where(schema.masters.c.id == sa.bindparam("id_"), schema.masters.c.epoch == sa.bindparam("epoch_"))
    .values(last_batch=sa.bindparam("number_"))
)
_STORED_NUMBER = sa.select(schema.masters.c.last_batch).where(schema.masters.c.id == sa.bindparam("id_"))
