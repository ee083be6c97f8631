"""A whole master in memory: one thread, a fake clock, a real database file.

::

    kit = MemoryMaster(tmp_path, {"builders": [...], ...})
    kit.start()
    kit.call(kit.master.data.updates.addChange, author="me", revision="1", ...)
    kit.advance(10)            # ten seconds pass
    assert kit.call(kit.master.data.get, ("buildsets",)) == [...]
    kit.stop()

All of the master is the real thing; only the threads are replaced by the clock's turns and the sockets by records of
what would be listened on.  Nothing happens between calls of the kit, so that a test can look at any moment of a
master's life, :meth:`MemoryMaster.crash` it there, and start another one on the same files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer
from twisted.internet.testing import MemoryReactorClock

from buildmaster.base.aio import as_deferred
from buildmaster.config.master import MasterConfig
from buildmaster.db.executors import InlineExecutor
from buildmaster.life.words import explain
from buildmaster.master import BuildMaster
from buildmaster.testing.sync import NotFired, result_of

START_OF_TIME = 1_500_000_000.0
"""What the clock shows first: seconds since the epoch, so that stored times look like times."""

MOST_TURNS = 100_000


class MemoryReactor(MemoryReactorClock):
    """A clock with the reactor's other methods, none of which touches the outside world."""

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """There is one thread: at the clock's next turn."""
        self.callLater(0, function, *args, **kwargs)

    def due(self) -> bool:
        """Whether something waits for its turn at the present moment."""
        return any(call.getTime() <= self.seconds() for call in self.getDelayedCalls())


class DictLoader:
    """Gives a master its configuration from a dictionary, or from a function that makes one."""

    def __init__(self, config: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        self.config = config

    def loadConfig(self) -> Any:
        """A new generation; raises :class:`~buildmaster.base.errors.ConfigErrors` as for a file."""
        made = self.config() if callable(self.config) else self.config
        return MasterConfig.loadFromDict(dict(made), "<memory>")


class InlineMaster(BuildMaster):
    """A master whose slow work is done in the clock's turns."""

    PROGRESS_LINGERS = 0.0  # what happens by itself must not need time to pass

    def make_executor(self) -> Any:
        """Database work in the caller's thread."""
        return InlineExecutor(self.reactor)

    def in_thread(self, function: Callable[..., Any], *args: Any) -> defer.Deferred[Any]:
        """Slow work at once."""
        return defer.maybeDeferred(function, *args)


class MemoryMaster:
    """One master on a directory of its own, and the means to let time pass for it.

    ``config`` is what a master.cfg would put in ``BuildmasterConfig``, as a dictionary or a function that makes one;
    the database is ``state.sqlite`` in ``basedir`` and is created.  ``now`` is what the clock shows first; a
    ``reactor`` that is given keeps its own time.
    """

    master_class: type[InlineMaster] = InlineMaster

    def __init__(
        self,
        basedir: str | os.PathLike[str],
        config: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        now: float = START_OF_TIME,
        reactor: MemoryReactor | None = None,
    ) -> None:
        self.reactor = reactor if reactor is not None else MemoryReactor()
        if reactor is None:
            self.reactor.advance(now)
        self.loader = DictLoader(config)
        self.master = self.master_class(os.fspath(basedir), reactor=self.reactor, config_loader=self.loader)
        self.master.creates_database = True

    def start(self) -> MemoryMaster:
        """Start the master; raises AssertionError with its own words if it does not come to run."""
        running = self.master.when_running()
        failures: list[Any] = []
        running.addErrback(failures.append)
        self.master.startService()
        self.pump()
        if failures:
            raise AssertionError("\n".join(explain(failures[0].value))) from failures[0].value
        if not self.master.has_started:
            raise NotFired("the master waits for something that does not happen by itself; advance() the clock")
        return self

    def stop(self) -> None:
        """Stop the master as its command would; raises what stopping raised."""
        self.wait_for(self.master.stopService())

    def crash(self) -> float:
        """End the master as ``kill -9`` would: nothing more of it happens.  Returns the time, for the next one."""
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        self.master.drop()
        return self.reactor.seconds()

    def pump(self) -> None:
        """Let everything happen that happens by itself, without time passing."""
        for _ in range(MOST_TURNS):
            if not self.reactor.due():
                return
            self.reactor.advance(0)
        raise AssertionError(f"the master was not quiet after {MOST_TURNS} turns")

    def advance(self, seconds: float) -> None:
        """Let time pass, from one timer to the next."""
        until = self.reactor.seconds() + seconds
        self.pump()
        while True:
            times = [t for call in self.reactor.getDelayedCalls() if (t := call.getTime()) <= until]
            if not times:
                break
            self.reactor.advance(max(0.0, min(times) - self.reactor.seconds()))
            self.pump()
        self.reactor.advance(max(0.0, until - self.reactor.seconds()))
        self.pump()

    def wait_for(self, value: Any) -> Any:
        """The result of a Deferred or coroutine, once everything has happened that leads to it.

        Raises what it failed with, or :class:`~buildmaster.testing.sync.NotFired` if time would have to pass.
        """
        waiting = as_deferred(value)
        self.pump()
        return result_of(waiting)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a documented method and wait for its answer."""
        return self.wait_for(function(*args, **kwargs))

    def get(self, *path: object, **query: Any) -> Any:
        """What ``master.data.get`` answers for a path, its words given one by one."""
        return self.call(self.master.data.get, tuple(path), **query)

    def reconfig(self, config: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None) -> Any:
        """Reconfigure, with another configuration if one is given; returns the outcome."""
        if config is not None:
            self.loader.config = config
        return self.call(self.master.reconfig)
