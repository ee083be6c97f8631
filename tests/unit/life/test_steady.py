"""A clock that is set back holds nothing up: on a reactor, and in a whole master."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.base import ReactorBase

from buildmaster.base.results import RETRY, SUCCESS
from buildmaster.life.steady import keep_steady
from buildmaster.plugins import schedulers, steps
from buildmaster.testing.master import START_OF_TIME
from tests.support.path import BuildPath, configuration

HOUR = 3600.0


class Reactor(ReactorBase):
    """Twisted's own timers on a clock that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.passed = 1000.0

    def seconds(self) -> float:
        return self.now

    def installWaker(self) -> None:
        """There is nothing to wake."""

    def after(self, seconds: float, set_back: float = 0.0) -> None:
        """Time passes, at the end of which the clock may be set back; what is due is done."""
        self.passed += seconds
        self.now += seconds - set_back
        self.runUntilCurrent()


@pytest.fixture
def reactor() -> Reactor:
    made = Reactor()
    keep_steady(made, lambda: made.passed)
    return made


def test_timers_are_due_when_their_time_has_passed(reactor: Reactor) -> None:
    seen: list[int] = []
    for seconds in (30, 10, 20):
        reactor.callLater(seconds, seen.append, seconds)
    reactor.callLater(5, seen.append, 5).cancel()
    reactor.after(9)
    reactor.after(0.5, set_back=HOUR)
    assert seen == []
    reactor.after(1)
    assert seen == [10]
    reactor.callLater(5, seen.append, 15)
    reactor.after(6, set_back=HOUR)
    reactor.after(14)
    assert seen == [10, 15, 20, 30]


def test_a_clock_that_is_set_ahead_makes_them_due(reactor: Reactor) -> None:
    seen: list[int] = []
    reactor.callLater(100, seen.append, 1)
    reactor.after(1, set_back=-HOUR)
    assert seen == [1]
    reactor.callLater(100, seen.append, 2)
    reactor.after(1, set_back=HOUR)
    reactor.after(100)
    assert seen == [1, 2]


def test_a_clock_that_is_slewed_moves_nothing(reactor: Reactor) -> None:
    call = reactor.callLater(100, lambda: None)
    due = call.getTime()
    reactor.after(1, set_back=0.5)
    assert call.getTime() == due


def shift(path: BuildPath, seconds: float) -> None:
    """Set the master's clock, and move its timers as :func:`keep_steady` does."""
    clock = path.kit.reactor
    clock.rightNow += seconds
    for call in clock.getDelayedCalls():
        call.delay(seconds)


def test_a_master_goes_on_an_hour_earlier(tmp_path: Path) -> None:
    """Stable timer, running build, keepalive, heartbeat, journal: all as if the clock had not been touched."""
    config = configuration(
        lambda: [schedulers.SingleBranchScheduler(name="s", branch="main", builderNames=["b"], treeStableTimer=60)],
        {"b": [steps.ShellCommand(command=["make"], timeout=None)]},
    )
    path = BuildPath(tmp_path, config)

    async def script(command: object) -> None:
        await command.sleep(100)  # type: ignore[attr-defined]
        command.rc(0)  # type: ignore[attr-defined]

    path.attach(script=script)
    path.change("r1")
    path.kit.advance(30)
    shift(path, -HOUR)
    path.change("r2")  # the timer begins anew
    path.kit.advance(61)
    assert path.buildsets() == [["r2"]]
    path.kit.advance(50)
    shift(path, -HOUR)
    path.kit.advance(51)
    assert path.builds() == [("b", 1, SUCCESS)]
    assert path.changes_of(1) == ["r1", "r2"]

    path.change("r3")
    path.kit.advance(70)
    path = path.crash_and_restart(config, after=-HOUR)
    path.attach()
    path.kit.advance(1)
    assert path.builds() == [("b", 1, SUCCESS), ("b", 2, RETRY), ("b", 3, SUCCESS)]
    path.change("r4")
    path.kit.advance(61)
    assert path.buildsets() == [["r2"], ["r3"], ["r4"]]
    facts = path.kit.call(
        path.master.db.read, lambda conn: conn.exec_driver_sql("SELECT max(id) FROM changes").scalar()
    )
    assert facts == 4
    assert path.kit.reactor.seconds() < START_OF_TIME
    path.kit.stop()


def test_a_stable_timer_of_the_future_waits_no_longer_than_it_would(tmp_path: Path) -> None:
    """The clock is set back while the master is down."""
    config = configuration(
        lambda: [schedulers.SingleBranchScheduler(name="s", branch="main", builderNames=["b"], treeStableTimer=60)]
    )
    path = BuildPath(tmp_path, config)
    path.change("r1")
    path.kit.advance(30)
    path = path.crash_and_restart(config, after=-HOUR)
    path.kit.advance(61)
    assert path.buildsets() == [["r1"]]
    path.kit.stop()
