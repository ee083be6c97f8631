"""The counters behind locks: who holds one, who stands in line for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.python import log

from buildmaster.locks.wishes import BaseLockId, LockAccess


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
