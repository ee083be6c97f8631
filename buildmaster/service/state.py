"""Small values that a service keeps over restarts: the documented ``util.state.StateMixin``."""

from __future__ import annotations

from typing import Any

from twisted.python.reflect import qual

from buildmaster.base.aio import deferred
from buildmaster.db import state


class StateMixin:
    """Values by name, kept in the database for the object with this ``name`` and class; needs ``self.master``."""

    name: Any
    master: Any
    objectid: int | None = None

    @deferred
    async def getState(self, *args: Any, **kwargs: Any) -> Any:
        """``getState(name)`` or ``getState(name, default)``: the value; raises KeyError if there is neither."""
        objectid = await self._object_id()
        return await self.master.db.read(state.get, objectid, *args, *kwargs.values())

    @deferred
    async def setState(self, key: str, value: Any) -> None:
        """Keep a value, which JSON can express; raises TypeError if it can't."""
        await self.master.db.write(state.put, await self._object_id(), key, value)

    async def _object_id(self) -> int:
        if self.objectid is None:
            self.objectid = await self.master.db.write(state.object_id, self.name, qual(type(self)))
        return self.objectid
