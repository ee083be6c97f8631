"""The documented way from a configured lock to the real one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.locks import BaseLockId, LockAccess


class LockRetrieverMixin:
    """The documented way from a configured lock to the real one."""

    master: Any

    @deferred
    async def getLockByID(self, lockid: BaseLockId, config_version: int) -> Any:
        """A Deferred of the real lock behind a MasterLock or WorkerLock of the configuration."""
        return self.master.locks.real_lock(lockid, config_version)

    @deferred
    async def getLockFromLockAccess(self, access: LockAccess | BaseLockId, config_version: int) -> Any:
        """A Deferred of the real lock that an access is for."""
        lockid = access.lockid if isinstance(access, LockAccess) else access
        return self.master.locks.real_lock(lockid, config_version)

    @deferred
    async def getLockFromLockAccesses(
        self, accesses: Iterable[LockAccess | BaseLockId], config_version: int
    ) -> list[tuple[Any, LockAccess]]:
        """A Deferred of (real lock, access) for each of these."""
        found = []
        for item in accesses:
            access = item if isinstance(item, LockAccess) else item.defaultAccess()
            found.append((self.master.locks.real_lock(access.lockid, config_version), access))
        return found
