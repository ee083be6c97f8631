"""Whatever owners do with several locks: never too many at once, nobody waits for what is free, nothing leaks."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildmaster.base.aio import as_deferred
from buildmaster.locks import LockRegistry, LockSet, MasterLock

LOCKS = [MasterLock("a", 1), MasterLock("b", 2), MasterLock("c", 3)]

accesses = st.one_of(
    st.tuples(st.sampled_from(LOCKS), st.just("exclusive"), st.just(1)),
    st.tuples(st.sampled_from(LOCKS), st.just("counting"), st.integers(1, 3)).filter(lambda a: a[2] <= a[0].maxCount),
)
wishes = st.lists(accesses, min_size=1, max_size=3, unique_by=lambda access: access[0].name)
# what happens next: a new owner with a wish, or the end of one that is there, or one gives up
events = st.lists(st.one_of(wishes, st.tuples(st.sampled_from(["end", "stop"]), st.integers(0, 9))), max_size=40)


class Owner:
    """Somebody who wants locks."""

    def __init__(self, registry: LockRegistry, wish: list) -> None:
        self.locks = LockSet(self, registry.resolve([lock.access(mode, count) for lock, mode, count in wish], "w", 1))
        self.outcome: list[Any] = []
        as_deferred(self.locks.acquire()).addBoth(self.outcome.append)

    @property
    def waits(self) -> bool:
        return not self.outcome


def check(registry: LockRegistry, owners: list[Owner]) -> None:
    for real in registry:
        modes = [access.mode for _, access in real.owners]
        assert "exclusive" not in modes or len(modes) == 1
        assert sum(access.count for _, access in real.owners) <= real.maxCount
        assert {owner for owner, _ in real.owners} <= {owner for owner in owners if owner.locks.held}
    for owner in owners:
        if owner.waits:
            assert any(not lock.isAvailable(owner, access) for lock, access in owner.locks.pairs)


@settings(max_examples=300, deadline=None)
@given(events)
def test_locks(happenings: list) -> None:
    registry, owners = LockRegistry(), []
    for event in happenings:
        if isinstance(event, list):
            owners.append(Owner(registry, event))
        elif owners:
            owner = owners[event[1] % len(owners)]
            if owner.waits:
                owner.locks.stop_waiting()
                assert owner.outcome == [False]
                owners.remove(owner)
            elif event[0] == "end":
                owner.locks.release()
                owners.remove(owner)
        check(registry, owners)
    while owners:
        ready = [owner for owner in owners if not owner.waits]
        assert ready, "everybody waits and nobody holds anything"
        ready[0].locks.release()
        owners.remove(ready[0])
        check(registry, owners)
    assert all(real.owners == [] for real in registry)
