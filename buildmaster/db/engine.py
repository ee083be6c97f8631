"""The database as the rest of the master sees it: write, progress, bulk, read.

Lives in the reactor thread.  Jobs wait in two lanes; whenever the writing side is free it gets the next batch, taken
from the main lane in order with a share for the bulk lane, so that a flood of log chunks never delays a promise.
An answer means committed.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred
from buildmaster.base.records import Fact
from buildmaster.db import dialects, ids, migrate, tidy
from buildmaster.db.batch import Batcher, Outcome, WriteJob
from buildmaster.db.dialects import Trouble
from buildmaster.db.documented import Connectors
from buildmaster.db.executors import Executor
from buildmaster.properties.of_builds import SecretsOfBuilds

log = Logger()

BATCH_JOBS = 100
BULK_JOBS = 8
BULK_BYTES = 1 << 20
READ_ATTEMPTS = 6
CLOSE_SECONDS = 20.0


class Database(Connectors):
    """A database with one writer and several readers.

    ``url`` is a database URL, relative SQLite paths refer to ``basedir``; ``executor`` runs the work; ``clock`` gives
    the time that rows are stamped with.  ``engine_kwargs`` are extra arguments for the SQLAlchemy engine.
    """

    probe: Callable[[str], None] | None = None
    """Called around each COMMIT ("before-commit", "after-commit", "before-delivery"): a signal for tests, which may
    raise there to play a crash.  Set it on the class to reach the first commits of a master, too."""

    def __init__(
        self,
        url: str,
        basedir: str,
        executor: Executor,
        clock: Any,
        engine_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.url = dialects.parse_url(url, basedir)
        self.backend = self.url.get_backend_name()
        self.counters: Counter = Counter()
        self.on_facts: Callable[[list[Fact]], None] | None = None
        self.masterid: int | None = None
        self.epoch = 0
        self.secrets = SecretsOfBuilds()
        self._clock = clock
        self._executor = executor
        memory = self.backend == "sqlite" and self.file is None
        self._engine = dialects.create_engine(self.url, True, engine_kwargs, executor.durable)
        self._reading = self._engine if memory else dialects.create_engine(self.url, False, engine_kwargs)
        self._batcher = Batcher(self._engine, executor, clock.seconds, self.counters, self._signal)
        self._readers = _Readers(self._batcher if memory else None, self._reading, self.counters, executor)
        self._main: deque[WriteJob] = deque()
        self._bulk: deque[WriteJob] = deque()
        self._busy = self._delivering = False
        self._kick: Any = None
        self.linger = 0.0
        """Seconds that progress may wait for company, so that what follows soon goes into the same transaction."""
        self._lingering: Any = None
        self._urgent = 0  # how many jobs of the main lane are not content to linger
        self._queued = self._settled = 0  # how many main-lane jobs were ever queued, ever settled
        self._barriers: deque[tuple[int, Callable[[], None]]] = deque()
        self._idle: list[defer.Deferred[None]] = []
        self._tidying = tidy.Tidying(self.file if executor.durable else None, clock, self._empty_log)
        self._closed = False

    @property
    def file(self) -> str | None:
        """The path of an SQLite database; None for one on a server or in memory."""
        database = self.url.database
        return database if self.backend == "sqlite" and database not in (None, "", ":memory:") else None

    # -- life ------------------------------------------------------------------------------------------------------

    @deferred
    async def open(self, create: bool = False) -> None:
        """Connect and check that the schema is this version's.

        With ``create``, an empty database gets its tables.  Raises :class:`.migrate.SchemaError` (or a subclass) with
        the mend: not created yet, needs an upgrade, too new, or somebody else's.
        """
        self._executor.start()
        await self._in_writer(self._open, create)

    def _open(self, create: bool) -> None:
        self._look(create)
        conn = self._batcher.connection()
        migrate.check(conn, create)
        with conn.begin():
            self._batcher.ids = ids.DenseIds.load(conn) if self.backend == "sqlite" else ids.BlockIds(self._reserve)
        if isinstance(self._batcher.ids, ids.BlockIds):
            self._batcher.ids.preload(("builds", "steps", "logs"))

    def _look(self, create: bool) -> None:
        """Refuse a database that is not ours through a connection that cannot change a byte of it."""
        if self._reading is self._engine:
            return
        with self._reading.connect() as conn:
            try:
                migrate.check(conn)
            except migrate.NotCreated:
                if not create:
                    raise

    def _reserve(self, table: str, count: int) -> int:
        pause = 0.01
        for attempt in range(20):
            try:
                with self._engine.connect() as conn, conn.begin():
                    return ids.reserve_block(conn, table, count)
            except exc.DBAPIError as e:
                clash = isinstance(e, exc.IntegrityError)
                if attempt == 19 or (not clash and dialects.classify(e) is Trouble.FATAL):
                    raise
                self._executor.pause(pause)
                pause = min(1.0, pause * 2)
        raise AssertionError("unreachable")

    @deferred
    async def become(self, masterid: int, epoch: int, last_batch: int) -> None:
        """Write as this master from now on: facts carry its id, and a newer life of it shuts this one out."""
        await self.drained()
        self.masterid, self.epoch = masterid, epoch
        self._batcher.become(masterid, epoch, last_batch)

    @deferred
    async def close(self) -> None:
        """Write what waits, then let go of the database.

        If it does not let that through for :data:`CLOSE_SECONDS`, what waits fails with
        :class:`~.batch.Stopping` and is lost; the log says so.
        """
        if self._closed:
            return
        self._closed = True
        self._tidying.busy()
        deadline = self._clock.callLater(CLOSE_SECONDS, self._executor.give_up)
        await self.drained()
        if deadline.active():
            deadline.cancel()
        await self._in_writer(self._batcher.close)
        self._executor.stop()
        self._engine.dispose()
        self._readers.close()
        self._reading.dispose()

    def drop(self) -> None:
        """Let go of the connections at once, writing nothing more: a crash, for tests on a fake clock."""
        self._closed = True
        self._tidying.busy()
        self._batcher.close()
        self._executor.stop()
        self._engine.dispose()
        self._readers.close()
        self._reading.dispose()

    def drained(self) -> defer.Deferred[None]:
        """Fires when nothing waits and nothing is being written."""
        if not self._busy and not self._main and not self._bulk:
            return defer.succeed(None)
        waiter: defer.Deferred[None] = defer.Deferred()
        self._idle.append(waiter)
        self._wake()
        return waiter

    def _in_writer(self, function: Callable[..., Any], *args: Any) -> defer.Deferred[Any]:
        result: defer.Deferred[Any] = defer.Deferred()
        self._executor.write(lambda: function(*args), result.callback)
        return result

    def _signal(self, name: str) -> None:
        probe = self.probe
        if probe is not None:
            probe(name)

    # -- writing ---------------------------------------------------------------------------------------------------

    def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> defer.Deferred[Any]:
        """A promise: run ``function(txn, …)`` in a transaction; fires with its value when that is committed.

        The function runs on the writing side, perhaps several times; it touches nothing but ``txn`` and its arguments.
        Fails with what it raised, in which case nothing of it was stored.
        """
        job = self._queue(WriteJob(function, args, kwargs, defer.Deferred()))
        self._wake()
        return job.result

    def _queue(self, job: WriteJob) -> WriteJob:
        self._main.append(job)
        self._queued += 1
        self._urgent += not job.lingers
        return job

    def progress(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> defer.Deferred[Any]:
        """The same in the same order, for a caller that does not wait; an error nobody handles is logged."""
        job = self._queue(WriteJob(function, args, kwargs, defer.Deferred(), lingers=self.linger > 0))
        job.result.addErrback(_log_progress_failure, job.name)
        self._wake_soon()
        return job.result

    def bulk(self, function: Callable[..., Any], *args: Any, size: int = 0, **kwargs: Any) -> defer.Deferred[Any]:
        """The same in the lane of logs and clean-up, which gets a share of each batch.

        ``size`` is about how many bytes it writes.  Wait for the answer before queueing more than a few.
        """
        job = WriteJob(function, args, kwargs, defer.Deferred(), True, size)
        self._bulk.append(job)
        self._wake()
        return job.result

    def new_id(self, table: str) -> int:
        """The id that the next row of a table shall have, known before it is written."""
        assert self._batcher.ids is not None
        return self._batcher.ids.next_id(table)

    def now(self) -> float:
        """Epoch seconds on this master's clock."""
        return self._clock.seconds()

    def _wake_soon(self) -> None:
        if not self.linger:
            self._wake()
        elif not self._busy and self._kick is None and self._lingering is None:
            self._lingering = self._clock.callLater(self.linger, self._wake)

    def _end_linger(self) -> None:
        if self._lingering is not None:
            if self._lingering.active():
                self._lingering.cancel()
            self._lingering = None

    def _wake(self) -> None:
        self._end_linger()
        if not self._busy and self._kick is None:
            begin = self._start_batch if not self._delivering else self._start_in_next_turn
            self._kick = self._clock.callLater(0, begin)

    def _start_in_next_turn(self) -> None:
        """What is called later while answers are delivered belongs to the reactor's same turn; this is the next one."""
        self._kick = self._clock.callLater(0, self._start_batch)

    def _start_batch(self) -> None:
        self._kick = None
        if self._busy:
            return
        jobs = self._take()
        if not jobs:
            return
        self._busy = True
        self._tidying.busy()
        self.counters["batches"] += 1
        self._executor.write(lambda: self._batcher.run(jobs), lambda outcome: self._finish_batch(jobs, outcome))

    def _take(self) -> list[WriteJob]:
        jobs = [self._main.popleft() for _ in range(min(BATCH_JOBS, len(self._main)))]
        self._urgent -= sum(not job.lingers for job in jobs)
        size, count = 0, 0
        while self._bulk and count < BULK_JOBS and size < BULK_BYTES:
            job = self._bulk.popleft()
            jobs.append(job)
            size += job.size
            count += 1
        return jobs

    def _finish_batch(self, jobs: list[WriteJob], outcome: Outcome | Failure) -> None:
        self._signal("before-delivery")
        self._busy, self._delivering = False, True
        if isinstance(outcome, Failure):
            outcome = Outcome([(job, outcome) for job in jobs], [], [])
        self._put_back(outcome.unfinished)
        self._settled = self._queued - len(self._main)
        if outcome.facts and self.on_facts is not None:
            try:
                self.on_facts(outcome.facts)
            except Exception:  # policy: whoever waits for the commit is told of it all the same
                log.failure("handing out what was committed")
        for job, result in outcome.results:
            job.result.callback(result)
        self._pass_barriers()
        self._go_on()
        self._delivering = False

    def _go_on(self) -> None:
        """The writing side is free: the next batch, or a pause.

        The next batch begins in the reactor's next turn.  What the last one's answers have written to sockets goes out
        before; afterwards the writer's thread would hold the interpreter for a while, a short call at a time.
        """
        if self._urgent or self._bulk or (self._main and (self._barriers or self._idle)):
            self._wake()
        elif self._main:
            self._wake_soon()
        else:
            waiting, self._idle = self._idle, []
            for waiter in waiting:
                waiter.callback(None)
            if not self._closed:
                self._tidying.idle()

    def _empty_log(self) -> None:
        """Use a pause; what comes meanwhile waits as it does for a batch."""
        if self._busy or self._kick is not None or self._closed:
            return

        def done(outcome: Outcome | Failure) -> None:
            if isinstance(outcome, Failure):
                log.failure("the write-ahead log could not be emptied", outcome)
            self._busy = False
            self._go_on()

        self._busy = True
        self._executor.write(lambda: tidy.empty_log(self._batcher.connection()), done)

    def _put_back(self, jobs: list[WriteJob]) -> None:
        for job in reversed(jobs):
            (self._bulk if job.bulk else self._main).appendleft(job)
            self._urgent += not job.bulk and not job.lingers

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> defer.Deferred[Any]:
        """Run ``function(conn, …)`` on a connection that only reads; fires with its value.

        It sees everything that was queued for writing before (logs excepted).  The connection is an SQLAlchemy
        :class:`~sqlalchemy.Connection` inside a transaction that ends with the call.
        """
        result: defer.Deferred[Any] = defer.Deferred()

        def begin() -> None:
            self.counters["reads"] += 1
            self._executor.read(lambda: self._readers.run(function, args, kwargs), result.callback)

        if self._settled >= self._queued:
            begin()
        else:
            self._barriers.append((self._queued, begin))
            self._wake()
        return result

    def _pass_barriers(self) -> None:
        while self._barriers and self._barriers[0][0] <= self._settled:
            self._barriers.popleft()[1]()


class _Readers:
    """A kept connection for each thread that reads."""

    def __init__(self, shared: Batcher | None, engine: sa.Engine, counters: Counter, executor: Executor) -> None:
        self._shared = shared  # an in-memory database has one connection only
        self._engine = engine
        self._counters = counters
        self._executor = executor
        self._local = threading.local()
        # A forked child drops the locals of all other threads.  If nothing else held the connections, it would close
        # them, and wait for ever for a lock that one of those threads had at that moment.
        self._kept: list[sa.Connection] = []

    def _connection(self) -> sa.Connection:
        if self._shared is not None:
            return self._shared.connection()
        conn = getattr(self._local, "conn", None)
        if conn is None:
            conn = self._local.conn = self._engine.connect()
            self._kept.append(conn)
            self._counters["connections"] += 1
        return conn

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for attempt in range(READ_ATTEMPTS):
            try:
                conn = self._connection()
                with conn.begin():
                    return function(conn, *args, **kwargs)
            except exc.DBAPIError as e:
                trouble = dialects.classify(e)
                if trouble is Trouble.DISCONNECT and self._shared is None:
                    self._forget()
                if trouble is Trouble.FATAL or attempt == READ_ATTEMPTS - 1 or self._executor.stopping:
                    raise
                self._executor.pause(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close all connections; the reader threads have ended."""
        self._local.conn = None
        kept, self._kept = self._kept, []
        for conn in kept:
            with contextlib.suppress(exc.DBAPIError):
                conn.close()

    def _forget(self) -> None:
        conn = getattr(self._local, "conn", None)
        self._local.conn = None
        if conn is not None:
            self._kept = [kept for kept in self._kept if kept is not conn]
            conn.invalidate()
            conn.close()


def _log_progress_failure(failure: Failure, name: str) -> None:
    log.failure("what {name} should have stored was lost", failure, name=name)
