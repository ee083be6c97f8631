"""The locks that every build on a worker takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.locks import LockAccess, LockPair, LockRegistry, all_available


class WorkerLocks:
    """The real locks of one worker, and which of them its builds hold."""

    def __init__(self, worker: Any) -> None:
        self.pairs: list[LockPair] = []
        self._worker = worker
        self._held: list[list[LockPair]] = []  # one entry for each build

    def follow(self, registry: LockRegistry, accesses: Sequence[LockAccess], generation: int) -> None:
        """Take a configuration's accesses over; what builds hold they give back as they took it."""
        self.pairs = registry.resolve(accesses, self._worker.workername, generation)

    def available(self) -> bool:
        """Whether one more build could take all of them now."""
        return all_available(self.pairs, self._worker)

    def acquire(self) -> bool:
        """Take them for one build; False, taking none, if one is not free."""
        if not self.available():
            return False
        for lock, access in self.pairs:
            lock.claim(self._worker, access)
        self._held.append(list(self.pairs))
        return True

    def release(self) -> None:
        """Give back those of one build."""
        if self._held:
            for lock, access in self._held.pop(0):
                lock.release(self._worker, access)
