"""What ``master.mq`` promises, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.mq.connector import Gap, MQConnector
from buildmaster.mq.journal import Journal
from tests.contract.conftest import Place


def connected(place: Place, db: Any = None) -> tuple[MQConnector, Journal]:
    journal = Journal(db or place.open(), place.pump, shared=False)  # type: ignore[arg-type]
    place.wait(journal.start())
    return MQConnector(journal), journal


def test_messages_reach_those_whose_filter_lets_them_through(place: Place) -> None:
    mq, _ = connected(place)
    got: list[tuple[str, Any, Any]] = []
    for name, filter in (("all", (None, None)), ("a", ("a", None)), ("long", (None, None, None))):
        place.wait(mq.startConsuming(lambda k, m, name=name: got.append((name, k, m)), filter))
    place.wait(mq.produce(("a", "1"), {"x": 1}))
    place.wait(mq.produce(("b", "2"), {"x": [None, "ü"]}))
    place.pump.wait_for(lambda: len(got) == 3)
    assert sorted(got) == [
        ("a", ("a", "1"), {"x": 1}),
        ("all", ("a", "1"), {"x": 1}),
        ("all", ("b", "2"), {"x": [None, "ü"]}),
    ]


def test_no_callback_after_stop_consuming(place: Place) -> None:
    mq, _ = connected(place)
    got: list[Any] = []
    reference = place.wait(mq.startConsuming(lambda k, m: got.append(m), ("a",)))
    place.wait(mq.produce(("a",), 1))
    place.pump.wait_for(lambda: got == [1])
    produced = mq.produce(("a",), 2)
    place.wait(reference.stopConsuming())
    place.wait(reference.stopConsuming())
    place.wait(produced)
    assert got == [1]


def test_a_callback_may_be_called_again_before_its_deferred_fires(place: Place) -> None:
    mq, _ = connected(place)
    waiting: list[defer.Deferred[None]] = []

    def slow(key: Any, body: Any) -> defer.Deferred[None]:
        waiting.append(defer.Deferred())
        return waiting[-1]

    place.wait(mq.startConsuming(slow, ("a",)))
    place.wait(mq.produce(("a",), 1))
    place.wait(mq.produce(("a",), 2))
    place.pump.wait_for(lambda: len(waiting) == 2)


def test_a_callback_that_raises_harms_nobody(place: Place) -> None:
    mq, _ = connected(place)
    got: list[Any] = []

    def bad(key: Any, body: Any) -> None:
        raise ValueError("oops")

    place.wait(mq.startConsuming(bad, ("a",)))
    place.wait(mq.startConsuming(lambda k, m: got.append(m), ("a",)))
    place.wait(mq.produce(("a",), 1))
    place.wait(mq.produce(("a",), 2))
    place.pump.wait_for(lambda: got == [1, 2])


def test_messages_are_kept_under_a_persistent_name(place: Place) -> None:
    mq, journal = connected(place)
    got: list[Any] = []
    reference = place.wait(mq.startConsuming(lambda k, m: got.append(m), ("a", None), persistent_name="keep"))
    place.wait(mq.produce(("a", "1"), 1))
    place.pump.wait_for(lambda: got == [1])
    place.wait(reference.stopConsuming())
    place.wait(mq.produce(("a", "2"), 2))
    place.wait(mq.produce(("b", "3"), 3))
    place.wait(journal.stop())
    mq, journal = connected(place, journal.db)
    place.wait(mq.startConsuming(lambda k, m: got.append(m), ("a", None), persistent_name="keep"))
    place.wait(mq.produce(("a", "4"), 4))
    place.pump.wait_for(lambda: len(got) == 3)
    assert got == [1, 2, 4]


def test_waiting_until_an_event(place: Place) -> None:
    mq, _ = connected(place)
    waiting = mq.waitUntilEvent(("a", None), lambda: defer.succeed(False))
    place.wait(mq.produce(("a", "9"), {"y": 2}))
    assert place.wait(waiting) == (("a", "9"), {"y": 2})
    assert place.wait(mq.waitUntilEvent(("a", None), lambda: True)) is None


def test_a_subscription_resumes_without_a_gap(place: Place) -> None:
    mq, journal = connected(place)
    got: list[tuple[int, Any]] = []
    for n in range(5):
        place.wait(mq.produce(("a", str(n)), n))
    subscribing = mq.subscribe([("a", None)], lambda p, k, m: got.append((p, m)), after=2)
    place.wait(mq.produce(("a", "5"), 5))
    place.wait(subscribing)
    place.wait(mq.produce(("a", "6"), 6))
    place.pump.wait_for(lambda: len(got) == 5)
    assert got == [(n + 1, n) for n in range(2, 7)]
    place.wait(journal.prune(keep=1))
    got.clear()
    place.wait(mq.subscribe([("a", None)], lambda p, k, m: got.append((p, m)), after=5))  # it is in memory still
    assert got == [(6, 5), (7, 6)]
    journal.memory.clear()
    with pytest.raises(Gap):
        place.wait(mq.subscribe([("a", None)], lambda *a: None, after=2))
