"""Locks as a configuration names them, and how they are to be used."""

from __future__ import annotations

from collections.abc import Mapping

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error

MODES = ("counting", "exclusive")


class LockAccess(ComparableMixin):
    """The wish to use a lock: ``counting`` takes ``count`` of its places, ``exclusive`` the whole of it."""

    compare_attrs = ("lockid", "mode", "count")

    def __init__(self, lockid: BaseLockId, mode: str, count: int = 1) -> None:
        if mode not in MODES:
            error(f"lock {getattr(lockid, 'name', lockid)!r}: mode must be 'counting' or 'exclusive', not {mode!r}")
        if not isinstance(count, int) or count < 0:
            error(f"lock {getattr(lockid, 'name', lockid)!r}: count must be zero or more, not {count!r}")
        elif mode == "exclusive" and count != 1:
            error(f"lock {getattr(lockid, 'name', lockid)!r}: an exclusive access has the count 1, not {count!r}")
        self.lockid = lockid
        self.mode = mode
        self.count = count

    def __repr__(self) -> str:
        return f"LockAccess({self.lockid!r}, {self.mode!r}, {self.count})"


class BaseLockId(ComparableMixin):
    """What MasterLock and WorkerLock share."""

    name: str
    maxCount: int

    def access(self, mode: str, count: int = 1) -> LockAccess:
        """How the lock is to be used: ``counting`` or ``exclusive``."""
        return LockAccess(self, mode, count)

    def defaultAccess(self) -> LockAccess:
        """For a lock that is named without an access: counting."""
        return self.access("counting")

    def _check(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            error(f"{type(self).__name__}: the name must be a non-empty string, not {self.name!r}")
        if not isinstance(self.maxCount, int) or self.maxCount < 1:
            error(f"{type(self).__name__} {self.name!r}: maxCount must be 1 or more, not {self.maxCount!r}")

    def max_count_for(self, workername: str) -> int:
        """How many places the lock has on this worker."""
        return self.maxCount


class MasterLock(BaseLockId):
    """A lock over all workers: at most ``maxCount`` at a time."""

    compare_attrs = ("name", "maxCount")

    def __init__(self, name: str, maxCount: int = 1) -> None:
        self.name = name
        self.maxCount = maxCount
        self._check()

    def __repr__(self) -> str:
        return f"MasterLock({self.name!r}, maxCount={self.maxCount})"


class WorkerLock(BaseLockId):
    """A lock on each worker: at most ``maxCount`` at a time there, or as ``maxCountForWorker`` (name → count) says."""

    compare_attrs = ("name", "maxCount", "_maxCountForWorkerList")

    def __init__(self, name: str, maxCount: int = 1, maxCountForWorker: Mapping[str, int] | None = None) -> None:
        self.name = name
        self.maxCount = maxCount
        self.maxCountForWorker = dict(maxCountForWorker or {})
        self._maxCountForWorkerList = tuple(sorted(self.maxCountForWorker.items()))
        self._check()

    def max_count_for(self, workername: str) -> int:
        return self.maxCountForWorker.get(workername, self.maxCount)

    def __repr__(self) -> str:
        return f"WorkerLock({self.name!r}, maxCount={self.maxCount})"
