"""When a poller polls."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.changes.polling import DEADLINE, Poller
from buildmaster.plugins import changes


class Polls:
    """A poller that notes when it polls, and whose polls end when they are told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        self.errors: list[type] = []
        self.open: list[defer.Deferred[Any]] = []
        self.by_itself = True
        self.delay = 0.0
        self.poller = Poller(
            self.clock, self.poll, lambda f: self.errors.append(f.type), lambda low, high: low + self.delay
        )

    def poll(self) -> Any:
        self.times.append(self.clock.seconds())
        if self.by_itself:
            return None
        self.open.append(defer.Deferred())
        return self.open[-1]

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)


@pytest.fixture
def polls() -> Polls:
    return Polls()


def test_it_polls_at_its_interval(polls: Polls) -> None:
    polls.poller.start(10)
    polls.wait(35)
    assert polls.times == [10, 20, 30]


def test_it_polls_at_once_if_it_shall(polls: Polls) -> None:
    polls.poller.start(10, now=True)
    polls.wait(15)
    assert polls.times == [1, 10]  # the clock moves by seconds here


def test_each_poll_is_later_by_its_delay(polls: Polls) -> None:
    polls.delay = 2
    polls.poller.start(10, delay_min=1, delay_max=5)
    polls.wait(25)
    assert polls.times == [13, 23]


def test_without_an_interval_it_polls_on_demand_only(polls: Polls) -> None:
    polls.poller.start(0)
    polls.wait(100)
    assert polls.times == []
    assert polls.poller().called
    assert polls.times == [100]


def test_a_poll_that_fails_is_told_and_the_next_one_comes(polls: Polls) -> None:
    polls.by_itself = False
    polls.poller.start(10)
    polls.wait(10)
    polls.open[0].errback(OSError())
    assert polls.errors == [OSError]
    assert polls.poller.last_error is not None
    polls.wait(10)
    polls.open[1].callback(None)
    assert polls.poller.last_error is None
    assert polls.times == [10, 20]


def test_two_polls_never_run_at_a_time(polls: Polls) -> None:
    polls.by_itself = False
    polls.poller.start(10)
    polls.wait(35)
    assert polls.times == [10]
    polls.open[0].callback(None)
    polls.wait(5)
    assert polls.times == [10, 40]


def test_a_poll_that_hangs_is_given_up(polls: Polls) -> None:
    polls.by_itself = False
    polls.poller.start(100)
    polls.wait(100 + int(DEADLINE) + 100)
    assert polls.errors == [DeadlineExceeded]
    assert len(polls.times) == 2


def test_a_demand_during_a_poll_leads_to_one_more(polls: Polls) -> None:
    polls.by_itself = False
    first, second, third = polls.poller(), polls.poller(), polls.poller()
    polls.open[0].callback(None)
    assert first.called
    assert not second.called
    assert len(polls.open) == 2
    polls.open[1].errback(OSError())
    assert second.called
    assert third.called
    assert len(polls.open) == 2


def test_stopping_cancels_a_poll_and_waits_for_it(polls: Polls) -> None:
    polls.by_itself = False
    polls.poller.start(10)
    polls.wait(10)
    assert polls.poller.stop().called
    assert polls.errors == []
    polls.wait(50)
    assert polls.times == [10]


def test_the_interval_under_its_former_name() -> None:
    with pytest.deprecated_call(match="GitPoller: pollinterval is called pollInterval"):
        poller = changes.GitPoller("https://example.org/x.git", pollinterval=30)
    assert poller == changes.GitPoller("https://example.org/x.git", pollInterval=30)
