"""Who runs database work: threads in a real master, the caller itself in tests on a fake clock.

The engine hands over plain functions and gets told their outcome in the reactor.  Both executors run the very same
batch code.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from twisted.python.failure import Failure

Job = Callable[[], Any]
Done = Callable[[Any], None]  # gets the job's value, or a Failure


class Executor(Protocol):
    """Runs jobs one after the other on the writing side, and reads beside them."""

    durable: bool
    """Whether what is committed has to outlive a loss of power; if not, only the end of the process."""

    batch_seconds: float
    """After how long, on the machine's clock, a batch takes no more jobs, so that those who wait get their answers."""

    def start(self) -> None: ...

    def write(self, job: Job, done: Done) -> None:
        """Run ``job`` where writing happens; later call ``done`` in the reactor."""

    def read(self, job: Job, done: Done) -> None:
        """Run ``job`` where reading happens; later call ``done`` in the reactor."""

    def pause(self, seconds: float) -> None:
        """Called by a writing job that waits before it tries again; returns early when the executor is stopping."""

    @property
    def stopping(self) -> bool:
        """Whether jobs shall cease to try what the database does not let through."""

    def give_up(self) -> None:
        """Have jobs that wait for the database fail instead."""

    def stop(self) -> None:
        """Let what was handed over finish, then end."""


def _run(job: Job) -> Any:
    try:
        return job()
    except Exception:
        return Failure()


class ThreadExecutor:
    """One writer thread and a few reader threads.

    ``call_in_reactor`` is ``reactor.callFromThread`` or its like.
    """

    durable = True
    batch_seconds = 0.02

    def __init__(self, call_in_reactor: Callable[..., Any], readers: int = 2) -> None:
        self._call = call_in_reactor
        self._writes: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(self._writes,), name="db-writer", daemon=True)]
        for n in range(readers):
            self._threads.append(
                threading.Thread(target=self._work, args=(self._reads,), name=f"db-reader-{n}", daemon=True)
            )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _work(self, jobs: queue.SimpleQueue[tuple[Job, Done] | None]) -> None:
        while (item := jobs.get()) is not None:
            job, done = item
            self._call(done, _run(job))

    def write(self, job: Job, done: Done) -> None:
        self._writes.put((job, done))

    def read(self, job: Job, done: Done) -> None:
        self._reads.put((job, done))

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def give_up(self) -> None:
        self._stopping.set()

    def stop(self) -> None:
        self._stopping.set()
        self._writes.put(None)
        for _ in self._threads[1:]:
            self._reads.put(None)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(10)


class InlineExecutor:
    """Runs each job in the calling thread, at the clock's next turn: for whole masters on a fake clock."""

    durable = False
    batch_seconds = float("inf")  # what happens must not depend on how fast the machine is
    stopping = False

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def start(self) -> None:
        """Nothing to start."""

    def write(self, job: Job, done: Done) -> None:
        self._clock.callLater(0, lambda: done(_run(job)))

    read = write

    def pause(self, seconds: float) -> None:
        """Returns at once: nothing can change while the only thread waits."""

    def give_up(self) -> None:
        self.stopping = True

    stop = give_up
