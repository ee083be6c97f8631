"""Deadlines that stand still while we do not read."""

from __future__ import annotations

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.testing.sync import failure_of, result_of
from buildmaster.worker.protocols.patience import Patience


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience(clock)


def test_a_deadline_passes(clock: Clock, patience: Patience) -> None:
    passed: list[float] = []
    timer = patience.call_later(10, lambda: passed.append(clock.seconds()))
    clock.advance(9)
    assert timer.active()
    clock.advance(1)
    assert passed == [10]
    assert not timer.active()


def test_frozen_time_does_not_count(clock: Clock, patience: Patience) -> None:
    passed: list[float] = []
    patience.call_later(10, lambda: passed.append(clock.seconds()))
    clock.advance(4)
    patience.freeze()
    patience.freeze()
    clock.advance(1000)
    patience.thaw()
    patience.thaw()
    clock.advance(5.5)
    assert passed == []
    clock.advance(0.5)
    assert passed == [1010]


def test_a_deadline_set_in_frozen_time_begins_with_the_thaw(clock: Clock, patience: Patience) -> None:
    passed: list[float] = []
    patience.freeze()
    patience.call_later(10, lambda: passed.append(clock.seconds()))
    clock.advance(100)
    patience.thaw()
    clock.advance(10)
    assert passed == [110]


def test_a_cancelled_deadline_does_not_pass(clock: Clock, patience: Patience) -> None:
    passed: list[float] = []
    timer = patience.call_later(10, lambda: passed.append(clock.seconds()))
    patience.freeze()
    timer.cancel()
    timer.cancel()
    patience.thaw()
    clock.advance(100)
    assert passed == []


def test_an_answer_in_time_is_passed_on(clock: Clock, patience: Patience) -> None:
    answer: defer.Deferred[str] = defer.Deferred()
    waiting = patience.wait_for(answer, 10, "w")
    clock.advance(9)
    answer.callback("yes")
    assert result_of(waiting) == "yes"
    assert clock.getDelayedCalls() == []


def test_a_late_answer_is_an_error_that_names_what_was_asked(clock: Clock, patience: Patience) -> None:
    waiting = patience.wait_for(defer.Deferred(), 10, "info of worker w")
    clock.advance(10)
    assert "info of worker w" in str(failure_of(waiting, DeadlineExceeded))


def test_the_end_cancels_all(clock: Clock, patience: Patience) -> None:
    patience.call_later(1, lambda: pytest.fail("it was cancelled"))
    patience.end()
    assert clock.getDelayedCalls() == []
