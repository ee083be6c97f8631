"""Locks: how many at a time, and who is next."""

from __future__ import annotations

import pytest

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.locks import BaseLock, LockAccess, LockRegistry, LockSet, MasterLock, WorkerLock, all_available
from buildmaster.testing.sync import not_fired, outcome_of, result_of


class Owner:
    """Somebody who wants a lock."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


A, B, C, D = (Owner(name) for name in "ABCD")
ID = MasterLock("l", 2)
COUNTING, TWO, EXCLUSIVE = ID.access("counting"), ID.access("counting", count=2), ID.access("exclusive")


@pytest.fixture
def lock() -> BaseLock:
    return BaseLock("l", 2)


# -- as configured ----------------------------------------------------------------------------------------------------


def test_locks_of_one_name_and_count_are_equal():
    assert MasterLock("a", 2) == MasterLock("a", 2) != MasterLock("a", 3)
    assert WorkerLock("a", maxCountForWorker={"w": 1}) == WorkerLock("a", maxCountForWorker={"w": 1})
    assert WorkerLock("a", maxCountForWorker={"w": 1}) != WorkerLock("a", maxCountForWorker={"w": 2})
    assert (
        MasterLock("a").access("counting") == MasterLock("a").defaultAccess() == LockAccess(MasterLock("a"), "counting")
    )
    assert MasterLock("a") != WorkerLock("a")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ID.access("sometimes"),
        lambda: ID.access("counting", count=-1),
        lambda: ID.access("exclusive", count=2),
        lambda: MasterLock("", 1),
        lambda: MasterLock("a", 0),
    ],
)
def test_a_mistake_is_told_with_the_lock(wrong):
    with pytest.raises(ConfigErrors):
        wrong()


# -- counting ---------------------------------------------------------------------------------------------------------


def test_as_many_as_there_are_places_may_hold_it(lock):
    lock.claim(A, COUNTING)
    lock.claim(B, COUNTING)
    assert not lock.isAvailable(C, COUNTING)
    lock.release(A, COUNTING)
    assert lock.isAvailable(C, COUNTING) and lock.isOwner(B, COUNTING) and not lock.isOwner(A, COUNTING)


def test_an_exclusive_owner_is_alone(lock):
    lock.claim(A, COUNTING)
    assert not lock.isAvailable(B, EXCLUSIVE)
    lock.release(A, COUNTING)
    lock.claim(B, EXCLUSIVE)
    assert not lock.isAvailable(C, COUNTING)


def test_a_count_of_two_takes_two_places(lock):
    lock.claim(A, COUNTING)
    assert not lock.isAvailable(B, TWO)
    lock.release(A, COUNTING)
    lock.claim(B, TWO)
    assert not lock.isAvailable(A, COUNTING)


def test_what_is_not_free_can_not_be_claimed(lock):
    lock.claim(A, EXCLUSIVE)
    with pytest.raises(AssertionError):
        lock.claim(B, COUNTING)


def test_releasing_what_is_not_held_does_nothing(lock):
    lock.release(A, COUNTING)
    assert lock.owners == []


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_who_waits_longest_is_woken_first(lock):
    lock.claim(A, EXCLUSIVE)
    woken: list[Owner] = []
    for owner in (B, C, D):
        lock.waitUntilMaybeAvailable(owner, EXCLUSIVE).addCallback(lambda _, o=owner: woken.append(o))
    lock.release(A, EXCLUSIVE)
    assert woken == [B]
    lock.claim(B, EXCLUSIVE)
    lock.release(B, EXCLUSIVE)
    assert woken == [B, C]


def test_all_for_whom_there_is_room_are_woken(lock):
    lock.claim(A, EXCLUSIVE)
    waits = [lock.waitUntilMaybeAvailable(owner, COUNTING) for owner in (B, C, D)]
    lock.release(A, EXCLUSIVE)
    assert [wait.called for wait in waits] == [True, True, False]


def test_nobody_overtakes_one_who_waits_for_the_whole_lock(lock):
    lock.claim(A, COUNTING)
    waiting = lock.waitUntilMaybeAvailable(B, EXCLUSIVE)
    assert not lock.isAvailable(C, COUNTING)
    lock.release(A, COUNTING)
    assert waiting.called and not lock.isAvailable(C, COUNTING) and lock.isAvailable(B, EXCLUSIVE)


def test_who_gives_up_makes_room(lock):
    lock.claim(A, EXCLUSIVE)
    first = lock.waitUntilMaybeAvailable(B, EXCLUSIVE)
    second = lock.waitUntilMaybeAvailable(C, EXCLUSIVE)
    lock.stopWaitingUntilAvailable(B, EXCLUSIVE, first)
    lock.release(A, EXCLUSIVE)
    assert result_of(first) is None and second.called


def test_a_woken_one_that_does_not_claim_can_still_give_up(lock):
    lock.claim(A, EXCLUSIVE)
    first = lock.waitUntilMaybeAvailable(B, EXCLUSIVE)
    second = lock.waitUntilMaybeAvailable(C, EXCLUSIVE)
    lock.release(A, EXCLUSIVE)
    assert first.called and not_fired(second)
    lock.stopWaitingUntilAvailable(B, EXCLUSIVE, first)
    assert second.called


def test_more_places_wake_waiters_and_fewer_disturb_no_owner(lock):
    lock.claim(A, COUNTING)
    lock.claim(B, COUNTING)
    waiting = lock.waitUntilMaybeAvailable(C, COUNTING)
    lock.setMaxCount(3)
    assert waiting.called
    lock.claim(C, COUNTING)
    lock.setMaxCount(1)
    assert len(lock.owners) == 3
    lock.release(A, COUNTING)
    lock.release(B, COUNTING)
    assert not lock.isAvailable(D, COUNTING)
    lock.release(C, COUNTING)
    assert lock.isAvailable(D, COUNTING)


def test_releases_can_be_watched_and_a_watcher_that_raises_harms_nobody(lock, caplog):
    seen = []
    lock.subscribeToReleases(lambda: 1 / 0)
    stop = lock.subscribeToReleases(lambda: seen.append(1))
    lock.claim(A, COUNTING)
    lock.release(A, COUNTING)
    stop()
    lock.claim(A, COUNTING)
    lock.release(A, COUNTING)
    assert seen == [1]


# -- the registry -----------------------------------------------------------------------------------------------------


def test_a_lock_of_a_name_is_the_same_in_every_configuration():
    registry = LockRegistry()
    first = registry.resolve([MasterLock("m")], "w1", 1)[0][0]
    second = registry.resolve([MasterLock("m", 3)], "w2", 2)[0][0]
    assert first is second and second.maxCount == 3
    registry.resolve([MasterLock("m", 1)], "w1", 1)
    assert second.maxCount == 3  # a build of the old generation does not bring the old count back


def test_a_worker_lock_has_a_counter_for_each_worker():
    registry = LockRegistry()
    wanted = [WorkerLock("l", 1, maxCountForWorker={"w2": 5})]
    one, two = (registry.resolve(wanted, name, 1)[0][0] for name in ("w1", "w2"))
    assert one is not two and (one.maxCount, two.maxCount) == (1, 5)
    registry.resolve([WorkerLock("l", 4)], "w1", 2)
    assert (one.maxCount, two.maxCount) == (4, 4)


def test_a_lock_without_an_access_is_counting():
    (lock, access), *_ = LockRegistry().resolve([MasterLock("m")], "w", 1)
    assert access.mode == "counting" and all_available([(lock, access)], A)


# -- several together -------------------------------------------------------------------------------------------------


def pair() -> list[tuple[BaseLock, LockAccess]]:
    return LockRegistry().resolve([MasterLock("x").access("exclusive"), MasterLock("y").access("exclusive")], "w", 1)


def test_two_owners_that_want_the_same_two_locks_do_not_wait_for_each_other():
    x, y = pair()
    first, second = LockSet(A, [x, y]), LockSet(B, [y, x])
    assert result_of(first.acquire()) is True
    waiting = outcome_of(second.acquire())
    first.release()
    assert waiting == [True] and second.held and not first.held


def test_a_set_holds_nothing_while_it_waits():
    x, y = pair()
    LockSet(A, [y]).pairs[0][0].claim(A, y[1])
    waiting = LockSet(B, [x, y])
    outcome = outcome_of(waiting.acquire())
    assert outcome == [] and x[0].owners == [] and waiting.waits_for is y[0]
    y[0].release(A, y[1])
    assert outcome == [True]


def test_waiting_can_be_stopped_and_leaves_no_trace():
    x, y = pair()
    x[0].claim(A, x[1])
    waiting = LockSet(B, [x, y])
    outcome = outcome_of(waiting.acquire())
    waiting.stop_waiting()
    assert outcome == [False]
    x[0].release(A, x[1])
    assert all_available([x, y], C)


def test_waiters_are_served_in_turn_through_many_changes():
    x, _ = pair()
    served: list[Owner] = []
    sets = [LockSet(owner, [x]) for owner in (A, B, C, D)]
    for each in sets:
        outcome = each.acquire()
        as_deferred(outcome).addCallback(lambda _, o=each.owner: served.append(o))
    for each in sets:
        each.release()
    assert served == [A, B, C, D]


def test_a_lock_can_not_be_wanted_twice():
    x, _ = pair()
    with pytest.raises(ValueError, match="wanted twice"):
        LockSet(A, [x, (x[0], x[1].lockid.access("counting"))])
