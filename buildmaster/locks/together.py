"""Several locks, taken all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import defer

from buildmaster.locks.counters import BaseLock
from buildmaster.locks.registry import LockPair, first_unavailable
from buildmaster.locks.wishes import LockAccess


class LockSet:
    """Several locks that one owner takes together: all or none, so that nobody can deadlock."""

    def __init__(self, owner: Any, pairs: Sequence[LockPair]) -> None:
        self.owner = owner
        self.pairs = list(dict.fromkeys(pairs))
        counters = [lock for lock, _ in self.pairs]
        for lock in counters:
            if counters.count(lock) > 1:
                raise ValueError(f"{lock.description} is wanted twice by {owner!r}; ask for it once, with a count")
        self._held: list[LockPair] = []
        self._stopped = False
        self._waiting: tuple[BaseLock, LockAccess, defer.Deferred] | None = None

    @property
    def held(self) -> bool:
        """Whether they were claimed and not released yet."""
        return bool(self._held)

    @property
    def waits_for(self) -> BaseLock | None:
        """The lock that is being waited for."""
        return self._waiting[0] if self._waiting else None

    async def acquire(self) -> bool:
        """Wait until all are free and take them; False if :meth:`stop_waiting` was called first."""
        while not self._stopped:
            missing = first_unavailable(self.pairs, self.owner)
            if missing is None:
                # claiming also leaves the line; leaving it first would let the next waiter in before us
                for lock, access in self.pairs:
                    lock.claim(self.owner, access)
                    self._held.append((lock, access))
                self._waiting = None
                return True
            self._leave_line()
            lock, access = missing
            d = lock.waitUntilMaybeAvailable(self.owner, access)
            self._waiting = (lock, access, d)
            await d
        self._leave_line()
        return False

    def _leave_line(self) -> None:
        if self._waiting is not None:
            lock, access, d = self._waiting
            self._waiting = None
            lock.stopWaitingUntilAvailable(self.owner, access, d)

    def stop_waiting(self) -> None:
        """Make a pending :meth:`acquire` end with False."""
        self._stopped = True
        if self._waiting is not None:
            lock, access, d = self._waiting
            lock.stopWaitingUntilAvailable(self.owner, access, d)

    def release(self) -> None:
        """Give back what is held."""
        held, self._held = self._held, []
        for lock, access in held:
            lock.release(self.owner, access)
