"""Debouncing, waiting for what is under way, repeating, subscriptions."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet import defer, task

from buildmaster.testing.sync import not_fired, result_of
from buildmaster.util import debounce, deferwaiter, subscription


@pytest.fixture
def clock():
    return task.Clock()


def debounced(clock: task.Clock, until_idle: bool = False):
    class Thing:
        def __init__(self) -> None:
            self.master = SimpleNamespace(reactor=clock)
            self.calls: list[float] = []
            self.answer: defer.Deferred[None] = defer.succeed(None)

        @debounce.method(wait=4, until_idle=until_idle)
        def save(self):
            self.calls.append(clock.seconds())
            return self.answer

    return Thing()


def test_many_requests_are_one_call(clock):
    thing = debounced(clock)
    for _ in range(3):
        thing.save()
        clock.advance(1)
    assert thing.calls == []
    clock.advance(1)
    assert thing.calls == [4]
    clock.advance(10)
    assert thing.calls == [4]


def test_until_idle_each_request_starts_the_wait_anew(clock):
    thing = debounced(clock, until_idle=True)
    for _ in range(3):
        thing.save()
        clock.advance(3)
    assert thing.calls == []
    clock.advance(1)
    assert thing.calls == [10]


def test_a_request_during_the_call_leads_to_one_more(clock):
    thing = debounced(clock)
    thing.answer = defer.Deferred()
    thing.save()
    clock.advance(4)
    thing.save()
    thing.save()
    clock.advance(10)
    assert thing.calls == [4]
    answer, thing.answer = thing.answer, defer.succeed(None)
    answer.callback(None)
    clock.advance(4)
    assert thing.calls == [4, 18]


def test_stopping_meets_what_waits_and_waits_for_it(clock):
    thing = debounced(clock)
    thing.answer = defer.Deferred()
    thing.save()
    stopped = thing.save.stop()
    assert thing.calls == [0]
    assert not_fired(stopped)
    thing.answer.callback(None)
    result_of(stopped)
    thing.save()
    clock.advance(10)
    assert thing.calls == [0]
    thing.save.start()
    thing.save()
    clock.advance(4)
    assert thing.calls == [0, 14]


def test_each_instance_has_its_own(clock):
    one, other = debounced(clock), debounced(clock)
    one.save()
    clock.advance(4)
    assert (one.calls, other.calls) == ([4], [])


def test_waiting_for_what_is_under_way():
    waiter = deferwaiter.DeferWaiter()
    assert result_of(waiter.wait()) is None
    pending: list[defer.Deferred[None]] = [defer.Deferred(), defer.Deferred()]
    for one in pending:
        waiter.add(one)
    done = waiter.wait()
    pending[0].callback(None)
    assert not_fired(done)
    assert not waiter.has_waited()
    pending[1].errback(ValueError("logged"))
    assert result_of(done) is None


def test_an_action_is_repeated_never_twice_at_a_time(clock):
    calls: list[float] = []
    answers: list[defer.Deferred[None]] = []

    def action():
        calls.append(clock.seconds())
        answers.append(defer.Deferred())
        return answers[-1]

    waiter = deferwaiter.DeferWaiter()
    handler = deferwaiter.RepeatedActionHandler(clock, waiter, 10, action)
    handler.start()
    clock.advance(10)
    clock.advance(10)
    assert calls == [10]
    answers[0].callback(None)
    clock.advance(10)
    assert calls == [10, 30]
    handler.stop()
    assert clock.getDelayedCalls() == []
    stopped = waiter.wait()
    assert not_fired(stopped)
    answers[1].callback(None)
    result_of(stopped)


def test_the_interval_may_begin_when_the_action_has_ended(clock):
    calls: list[float] = []
    answer: defer.Deferred[None] = defer.Deferred()

    def action():
        calls.append(clock.seconds())
        return answer

    handler = deferwaiter.RepeatedActionHandler(
        clock, deferwaiter.DeferWaiter(), 10, action, start_timer_after_action_completes=True
    )
    handler.start()
    clock.advance(10)
    clock.advance(15)
    answer.callback(None)
    clock.advance(9)
    assert calls == [10]
    clock.advance(1)
    assert calls == [10, 35]
    handler.force()
    assert calls == [10, 35, 35]


def test_an_action_when_asked(clock):
    calls: list[float] = []
    answers: list[defer.Deferred[None]] = []

    def action():
        calls.append(clock.seconds())
        answers.append(defer.Deferred())
        return answers[-1]

    handler = deferwaiter.NonRepeatedActionHandler(clock, deferwaiter.DeferWaiter(), action)
    handler.schedule(10)
    handler.schedule(20)
    clock.advance(10)
    handler.force()
    assert calls == [10]
    handler.force(invoke_again_if_running=True)
    answers[0].callback(None)
    assert calls == [10, 10]
    handler.schedule(5)
    handler.stop()
    clock.advance(10)
    assert calls == [10, 10]


def test_subscribers_get_what_is_delivered():
    point = subscription.SubscriptionPoint("news")
    heard: list[str] = []
    pending: defer.Deferred[None] = defer.Deferred()

    def slow(what):
        return pending

    def broken(what):
        raise ValueError(what)

    first = point.subscribe(heard.append)
    point.subscribe(slow)
    point.subscribe(broken)
    point.deliver("one")
    first.unsubscribe()
    first.unsubscribe()
    point.deliver("two")
    assert heard == ["one"]
    finished = point.waitForDeliveriesToFinish()
    assert not_fired(finished)
    pending.callback(None)
    result_of(finished)
    assert [str(failure.value) for failure, where in point.pop_exceptions()] == ["one", "two"]
    assert point.pop_exceptions() == []
