"""Source stamps that name a revision in every codebase, changed or not."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.db import state as state_rows
from buildmaster.process.change import Change
from buildmaster.schedulers.decision import current_decision


class AbsoluteSourceStampsMixin:
    """Remembers the newest change of each codebase, for ``createAbsoluteSourceStamps``.

    To be mixed into a scheduler; the scheduler calls :meth:`loadCodebases` when it is activated and
    :meth:`recordChange` for each change that it is given.
    """

    createAbsoluteSourceStamps: bool | None = None
    _last_codebases: dict[str, dict[str, Any]] | None = None
    _state_objectid: int | None = None

    master: Any
    name: Any
    codebases: Any

    async def loadCodebases(self) -> None:
        """Read what was remembered before the master was started."""
        if not self.createAbsoluteSourceStamps:
            return
        self._state_objectid = await self.master.db.write(
            state_rows.object_id, self.name, f"{type(self).__module__}.{type(self).__name__}"
        )
        self._last_codebases = await self.master.db.read(state_rows.get, self._state_objectid, "lastCodebases", {})

    async def recordChange(self, change: Change) -> None:
        """Remember a change's revision for its codebase, unless a newer one is known."""
        if not self.createAbsoluteSourceStamps or self._last_codebases is None:
            return
        known = self._last_codebases.get(change.codebase, {}).get("lastChange", -1)
        if known > (change.number or 0):
            return
        self._last_codebases[change.codebase] = {
            "repository": change.repository,
            "branch": change.branch,
            "revision": change.revision,
            "lastChange": change.number,
        }
        args = (self._state_objectid, "lastCodebases", dict(self._last_codebases))
        decision = current_decision()
        if decision is None:
            await self.master.db.write(state_rows.put, *args)
        else:
            decision.add(state_rows.put, *args)

    @deferred
    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What the configuration says of a codebase, or what its newest change said."""
        found = self.codebases[codebase]
        if self.createAbsoluteSourceStamps and self._last_codebases:
            found = self._last_codebases.get(codebase, found)
        return dict(found)
