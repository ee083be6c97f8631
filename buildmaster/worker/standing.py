"""Whether somebody has said that a worker gets no builds: paused, or to be shut down when it is idle."""

from __future__ import annotations

from typing import Any

from buildmaster.db import workers


class Standing:
    """What was said of one worker; outlasts a restart of the master."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.paused = False
        self.pause_reason: str | None = None
        self.graceful = False
        """Whether it shall be shut down when it is idle."""

    def recall(self, row: Any) -> None:
        """Take over what is stored."""
        self.paused, self.pause_reason, self.graceful = row.paused, row.pause_reason, row.graceful

    def why_not(self) -> str | None:
        """Why it gets no build, in words; None if nothing was said."""
        if self.paused:
            return f"paused: {self.pause_reason}" if self.pause_reason else "paused"
        return "shutting down when it is idle" if self.graceful else None

    async def pause(self, reason: str | None) -> None:
        """From now on it gets no new builds."""
        self.paused, self.pause_reason = True, reason
        await self._worker.master.db.write(workers.set_paused, self._worker.workerid, True, reason)

    async def unpause(self) -> None:
        """It gets builds again."""
        self.paused, self.pause_reason = False, None
        await self._worker.master.db.write(workers.set_paused, self._worker.workerid, False)

    async def set_graceful(self, graceful: bool) -> None:
        """Whether it shall be shut down when it is idle."""
        self.graceful = graceful
        if self._worker.workerid is not None:
            await self._worker.master.db.write(workers.set_graceful, self._worker.workerid, graceful)
