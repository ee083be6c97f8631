"""Locks: at most so many builds or steps at a time.

A configuration names locks (:class:`MasterLock`, :class:`WorkerLock`) and how they are used (:class:`LockAccess`).
The counters behind them belong to the master, keyed by name (:class:`LockRegistry`): they outlive a configuration,
and a new configuration may change their counts.  Who waits longest is served first; who was woken keeps its place
until it claims or gives up.
"""

from buildmaster.locks.counters import BaseLock, RealMasterLock, RealWorkerLock
from buildmaster.locks.registry import LockPair, LockRegistry, all_available, first_unavailable
from buildmaster.locks.together import LockSet
from buildmaster.locks.wishes import BaseLockId, LockAccess, MasterLock, WorkerLock

__all__ = [
    "BaseLock",
    "BaseLockId",
    "LockAccess",
    "LockPair",
    "LockRegistry",
    "LockSet",
    "MasterLock",
    "RealMasterLock",
    "RealWorkerLock",
    "WorkerLock",
    "all_available",
    "first_unavailable",
]
