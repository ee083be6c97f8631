"""A storage whose thread takes its time, or for ever."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.mq.failing import TryLater
from buildmaster.statistics.collecting import Value
from buildmaster.statistics.storage_backends.base import WAIT_SECONDS, StatsStorageBase
from buildmaster.testing.sync import result_of

ONE, TWO, THREE = (Value({"n": n}, "s", None, n) for n in (1, 2, 3))


class Master:
    """Threads that return when the test says so."""

    def __init__(self) -> None:
        self.reactor = task.Clock()
        self.threads: list[tuple[Any, defer.Deferred[None]]] = []

    def in_thread(self, function: Any, *args: Any) -> defer.Deferred[None]:
        running: defer.Deferred[None] = defer.Deferred()
        self.threads.append((args[0]["n"], running))
        return running

    @property
    def posted(self) -> list[int]:
        return [n for n, _ in self.threads]


class Service:
    def __init__(self) -> None:
        self.master = Master()


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def storage(service):
    made = StatsStorageBase()
    result_of(made.start(service))
    return made


def post(storage: Any, notice: str, *values: Value) -> defer.Deferred[None]:
    return defer.Deferred.fromCoroutine(storage.post_values(notice, values))


def test_one_value_at_a_time(service, storage):
    done = post(storage, "a", ONE, TWO)
    assert service.master.posted == [1]
    service.master.threads[0][1].callback(None)
    assert service.master.posted == [1, 2]
    service.master.threads[1][1].callback(None)
    assert result_of(done) is None


@pytest.mark.parametrize(("raised", "away"), [(OSError("x"), True), (TimeoutError("x"), True), (KeyError("x"), False)])
def test_errors_are_tried_again_and_what_was_posted_is_not(service, storage, raised, away):
    done = post(storage, "a", ONE, TWO)
    service.master.threads[0][1].callback(None)
    service.master.threads[1][1].errback(raised)
    with pytest.raises(TryLater, match=f"{type(raised).__name__}: ") as told:
        result_of(done)
    assert told.value.unreachable is away
    post(storage, "a", ONE, TWO)
    assert service.master.posted == [1, 2, 2]


def test_a_thread_that_hangs_is_waited_for_and_not_joined_by_others(service, storage):
    """The value that it has is not given to a second one."""
    for _ in range(3):
        done = post(storage, "a", ONE, TWO)
        service.master.reactor.advance(WAIT_SECONDS)
        with pytest.raises(TryLater) as told:
            result_of(done)
        assert told.value.unreachable
    assert service.master.posted == [1]
    done = post(storage, "a", ONE, TWO)
    service.master.threads[0][1].callback(None)
    assert service.master.posted == [1, 2]
    service.master.threads[1][1].callback(None)
    assert result_of(done) is None


def test_a_value_that_was_given_up_does_not_stand_for_the_next(service, storage):
    given_up = post(storage, "a", ONE)
    service.master.reactor.advance(WAIT_SECONDS)
    with pytest.raises(TryLater):
        result_of(given_up)
    done = post(storage, "b", TWO, THREE)
    service.master.threads[0][1].callback(None)
    assert service.master.posted == [1, 2]
    service.master.threads[1][1].callback(None)
    service.master.threads[2][1].callback(None)
    assert (service.master.posted, result_of(done)) == ([1, 2, 3], None)
