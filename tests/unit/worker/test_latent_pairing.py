"""Starts and stops of an instance, whatever happens in whatever order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from buildmaster.base.interfaces import (
    LatentWorkerFailedToSubstantiate,
    LatentWorkerSubstantiatiationCancelled,
)
from buildmaster.worker.instance import ABSENT, CLOSED, RUNNING, TAKES_CONNECTIONS
from buildmaster.worker.instance_work import Instance

DEADLINE = 100


class Memory:
    """A database whose writes are done when they are told to be, and may fail."""

    def __init__(self) -> None:
        self.waiting: list[defer.Deferred[Any]] = []

    def write(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        done: defer.Deferred[Any] = defer.Deferred()
        self.waiting.append(done)
        return done


class Owner:
    """What an instance needs of its worker; every call stands in ``calls``."""

    workername = "w"
    missing_timeout = DEADLINE
    check_instance_interval = 7
    machine = None
    masterid = 1

    def __init__(self) -> None:
        self.reactor = Clock()
        self.db = Memory()
        self.master = self
        self.good = True
        self.calls: list[str] = []
        self.wrong: list[str] = []
        self.starting: list[defer.Deferred[Any]] = []
        self.stopping: list[defer.Deferred[Any]] = []
        self.connected = False
        self.started_at = 0.0
        self.instance = Instance(self)

    def start_instance(self, build: Any) -> Any:
        self.calls.append("start")
        self.started_at = self.reactor.seconds()
        if self.starting or self.stopping:
            self.wrong.append("a start before the end of an earlier start or stop")
        self.starting.append(defer.Deferred())
        return self.starting[0]

    def stop_instance(self, fast: bool) -> Any:
        self.calls.append("stop")
        if self.stopping:
            self.wrong.append("a stop before the end of an earlier one")
        if self.starting and self.reactor.seconds() - self.started_at < DEADLINE:
            self.wrong.append("a stop before the end of a start that is not late")
        self.stopping.append(defer.Deferred())
        return self.stopping[0]

    def check_instance(self) -> Any:
        return (self.good, "it has died")

    def disconnect(self) -> Any:
        self.drop()

    def drop(self) -> None:
        if self.connected:
            self.connected = False
            self.instance.leave()

    def instance_runs(self) -> None: ...

    def instance_missed(self) -> None: ...

    def instance_ended(self) -> None: ...


class Pairing(RuleBasedStateMachine):
    """Any interleaving of demand, ends, failures, deadlines and drops."""

    @initialize()
    def begin(self) -> None:
        self.owner = Owner()
        self.instance = self.owner.instance
        self.demands: list[defer.Deferred[Any]] = []

    @rule()
    def demand(self) -> None:
        wanted = self.instance.demand(object())
        wanted.addErrback(
            lambda f: f.trap(
                LatentWorkerFailedToSubstantiate, LatentWorkerSubstantiatiationCancelled, defer.CancelledError
            )
        )
        self.demands.append(wanted)

    @precondition(lambda self: self.demands)
    @rule()
    def cancel(self) -> None:
        self.demands.pop(0).cancel()

    @rule()
    def release(self) -> None:
        self.instance.release("enough")

    @precondition(lambda self: self.owner.db.waiting)
    @rule()
    def stored(self) -> None:
        self.owner.db.waiting.pop(0).callback(None)

    @precondition(lambda self: self.owner.db.waiting)
    @rule()
    def not_stored(self) -> None:
        self.owner.db.waiting.pop(0).errback(Failure(OSError("disk")))

    @precondition(lambda self: self.owner.starting)
    @rule()
    def end_start(self) -> None:
        self.owner.starting.pop().callback(None)

    @precondition(lambda self: self.owner.starting)
    @rule()
    def fail_start(self) -> None:
        self.owner.starting.pop().errback(Failure(OSError("cloud")))

    @precondition(lambda self: self.owner.starting)
    @rule()
    def refuse_start(self) -> None:
        self.owner.starting.pop().callback(False)

    @precondition(lambda self: self.owner.stopping)
    @rule()
    def end_stop(self) -> None:
        self.owner.stopping.pop().callback(None)

    @precondition(lambda self: self.owner.stopping)
    @rule()
    def fail_stop(self) -> None:
        self.owner.stopping.pop().errback(Failure(OSError("cloud")))

    @precondition(lambda self: self.instance.state in TAKES_CONNECTIONS and not self.owner.connected)
    @rule()
    def connect(self) -> None:
        self.owner.connected = True
        self.instance.arrive()

    @rule()
    def drop(self) -> None:
        self.owner.drop()

    @rule()
    def die(self) -> None:
        self.owner.good = False

    @rule()
    def a_little_time(self) -> None:
        self.owner.reactor.advance(8)

    @rule()
    def much_time(self) -> None:
        self.owner.reactor.advance(DEADLINE)

    @invariant()
    def they_alternate(self) -> None:
        if hasattr(self, "owner"):
            calls = self.owner.calls
            assert self.owner.wrong == []
            assert calls == (["start", "stop"] * len(calls))[: len(calls)]

    @invariant()
    def who_waits_is_told(self) -> None:
        if hasattr(self, "owner") and self.instance.state in (ABSENT, RUNNING, CLOSED):
            assert not self.instance.wanted

    def teardown(self) -> None:
        """However it stands: when everything that is under way has ended, each start has had its stop."""
        self.instance.release("the end", fast=True)
        self.instance.hurry()
        over = self.instance.over()
        for _ in range(8):
            for waiting in (self.owner.db.waiting, self.owner.starting, self.owner.stopping):
                while waiting:
                    waiting.pop().callback(None)
        assert over.called
        self.instance.close()
        assert self.instance.state == CLOSED
        assert self.owner.calls.count("start") == self.owner.calls.count("stop")
        assert self.owner.reactor.getDelayedCalls() == []


TestPairing = Pairing.TestCase
TestPairing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
