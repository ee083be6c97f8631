"""Locks: at most so many builds or steps at a time.

A configuration names locks (:class:`MasterLock`, :class:`WorkerLock`) and how they are used (:class:`LockAccess`).
The counters behind them belong to the master, keyed by name (:class:`LockRegistry`): they outlive a configuration,
and a new configuration may change their counts.  Who waits longest is served first; who was woken keeps its place
until it claims or gives up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.python import log

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


@attrs.define(eq=False)
class _Waiter:
    owner: Any
    access: LockAccess
    deferred: defer.Deferred[Any]


class BaseLock:
    """One counter: who holds it, who waits for it."""

    description = "<BaseLock>"

    def __init__(self, name: str, maxCount: int = 1) -> None:
        self.name = name
        self.maxCount = maxCount
        self.owners: list[tuple[Any, LockAccess]] = []
        self._waiting: list[_Waiter] = []
        self._release_callbacks: list[Callable[[], Any]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {len(self.owners)} of {self.maxCount}>"

    def setMaxCount(self, count: int) -> None:
        """Change the number of places.  Present owners stay; waiters for whom there is room now are woken."""
        grows = count > self.maxCount
        self.maxCount = count
        if grows:
            self._tell()

    def isAvailable(self, requester: Any, access: LockAccess) -> bool:
        """Whether ``requester`` may claim now: there is room, also for all who have waited longer."""
        ahead = []
        for waiter in self._waiting:
            if waiter.owner is requester and waiter.access == access:
                break
            ahead.append(waiter.access)
        return self._room_for([*ahead, access])

    def _room_for(self, wanted: Iterable[LockAccess]) -> bool:
        taken = [access for _, access in self.owners]
        for access in wanted:
            if not _fits(taken, access, self.maxCount):
                return False
            taken.append(access)
        return True

    def isOwner(self, owner: Any, access: LockAccess) -> bool:
        """Whether ``owner`` holds the lock with this access."""
        return any(held is owner and how == access for held, how in self.owners)

    def claim(self, owner: Any, access: LockAccess) -> None:
        """Take the lock; only after :meth:`isAvailable` said yes in the same turn, which is asserted."""
        assert self.isAvailable(owner, access), f"{self!r} is not free for {owner!r}"
        self._forget(owner, access)
        self.owners.append((owner, access))

    def release(self, owner: Any, access: LockAccess) -> None:
        """Give the lock back; whoever waits longest and now fits is woken.  Releasing twice does nothing."""
        for index, (held, how) in enumerate(self.owners):
            if held is owner and how == access:
                del self.owners[index]
                self._tell()
                return

    def waitUntilMaybeAvailable(self, owner: Any, access: LockAccess) -> defer.Deferred[BaseLock]:
        """Stand in line.  The Deferred fires when it is this owner's turn; it must then claim or give up.

        Cancelling the Deferred gives the place up.
        """
        d: defer.Deferred[BaseLock] = defer.Deferred(self._leave)
        if self.isAvailable(owner, access):
            d.callback(self)
        else:
            self._waiting.append(_Waiter(owner, access, d))
        return d

    def stopWaitingUntilAvailable(self, owner: Any, access: LockAccess, d: defer.Deferred) -> None:
        """Give the place in the line up; those behind move on.  ``d`` fires with None if it had not fired yet."""
        waits = any(waiter.deferred is d for waiter in self._waiting)
        self._leave(d)
        if waits and not d.called:
            d.callback(None)

    def subscribeToReleases(self, callback: Callable[[], Any]) -> Callable[[], None]:
        """Have ``callback()`` called after each release; returns a function that ends this."""
        self._release_callbacks.append(callback)
        return lambda: callback in self._release_callbacks and self._release_callbacks.remove(callback)  # type: ignore

    # -- the line --------------------------------------------------------------------------------------------------

    def _forget(self, owner: Any, access: LockAccess) -> None:
        for index, waiter in enumerate(self._waiting):
            if waiter.owner is owner and waiter.access == access:
                del self._waiting[index]
                return

    def _leave(self, d: defer.Deferred) -> None:
        for index, waiter in enumerate(self._waiting):
            if waiter.deferred is d:
                del self._waiting[index]
                self._tell()
                return

    def _tell(self) -> None:
        self._wake()
        for callback in list(self._release_callbacks):
            try:
                callback()
            except Exception:
                log.err(None, f"in a listener to the releases of {self!r}")

    def _wake(self) -> None:
        """Wake, in order, those waiters for whom there is room."""
        taken = [access for _, access in self.owners]
        ready = []
        for waiter in self._waiting:
            if not _fits(taken, waiter.access, self.maxCount):
                break
            taken.append(waiter.access)
            ready.append(waiter)
        for waiter in ready:
            if not waiter.deferred.called:
                waiter.deferred.callback(self)


def _fits(taken: Sequence[LockAccess], access: LockAccess, places: int) -> bool:
    if access.mode == "exclusive":
        return not taken
    if any(other.mode == "exclusive" for other in taken):
        return False
    return sum(other.count for other in taken) + access.count <= places


class RealMasterLock(BaseLock):
    """The counter of a MasterLock, the same for every worker."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 0)
        self.config_version = -1
        self.description = f"<MasterLock({name})>"

    def getLockForWorker(self, workername: str) -> BaseLock:
        """Itself."""
        return self

    def updateFromLockId(self, lockid: BaseLockId, config_version: int) -> None:
        """Take the count over from a configuration, unless a newer one was seen already."""
        if config_version < self.config_version:
            return
        self.config_version = config_version
        if lockid.maxCount != self.maxCount:
            self.setMaxCount(lockid.maxCount)


class RealWorkerLock:
    """The counters of a WorkerLock, one for each worker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.config_version = -1
        self.description = f"<WorkerLock({name})>"
        self._lockid: BaseLockId | None = None
        self._locks: dict[str, BaseLock] = {}

    def getLockForWorker(self, workername: str) -> BaseLock:
        """The counter of this worker."""
        lock = self._locks.get(workername)
        if lock is None:
            count = self._lockid.max_count_for(workername) if self._lockid else 1
            lock = self._locks[workername] = BaseLock(self.name, count)
            lock.description = f"<WorkerLock({self.name})[{workername}]>"
        return lock

    def updateFromLockId(self, lockid: BaseLockId, config_version: int) -> None:
        """Take the counts over from a configuration, unless a newer one was seen already."""
        if config_version < self.config_version:
            return
        self.config_version = config_version
        self._lockid = lockid
        for workername, lock in self._locks.items():
            if lock.maxCount != lockid.max_count_for(workername):
                lock.setMaxCount(lockid.max_count_for(workername))


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
