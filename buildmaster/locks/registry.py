"""All real locks of a master: found by kind and name, so that they outlive a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.locks.counters import BaseLock, RealMasterLock, RealWorkerLock
from buildmaster.locks.wishes import BaseLockId, LockAccess, MasterLock

LockPair = tuple[BaseLock, LockAccess]


class LockRegistry:
    """All real locks of a master, by kind and name."""

    def __init__(self) -> None:
        self._real: dict[tuple[type, str], Any] = {}

    def real_lock(self, lockid: BaseLockId, generation: int) -> Any:
        """The real lock behind a configured one, with the counts of the newest generation."""
        kind = RealMasterLock if isinstance(lockid, MasterLock) else RealWorkerLock
        key = (kind, lockid.name)
        if key not in self._real:
            self._real[key] = kind(lockid.name)
        self._real[key].updateFromLockId(lockid, generation)
        return self._real[key]

    def resolve(self, wanted: Iterable[Any], workername: str, generation: int) -> list[LockPair]:
        """For configured locks or accesses: the counter on this worker, and the access, in the given order."""
        pairs = []
        for item in wanted or ():
            access = item if isinstance(item, LockAccess) else item.defaultAccess()
            pairs.append((self.real_lock(access.lockid, generation).getLockForWorker(workername), access))
        return pairs

    def __iter__(self) -> Any:
        return iter(self._real.values())


def all_available(pairs: Iterable[LockPair], requester: Any) -> bool:
    """Whether ``requester`` could claim all of these now."""
    return all(lock.isAvailable(requester, access) for lock, access in pairs)


def first_unavailable(pairs: Iterable[LockPair], requester: Any) -> LockPair | None:
    """The first of these that ``requester`` could not claim now, or None."""
    return next(((lock, access) for lock, access in pairs if not lock.isAvailable(requester, access)), None)
