"""Test results that a step reports, sent in groups."""

from __future__ import annotations

from typing import Any

GROUP = 200


class StepTests:
    """Collects one step's test results by set."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[dict[str, Any]]] = {}
        self._sets: list[int] = []

    async def add_set(self, step: Any, description: str, category: str, value_unit: str) -> int:
        """A new set; returns its id."""
        build = step.build
        updates = build.master.data.updates
        builderid = await build.getBuilderId()
        setid = await updates.addTestResultSet(builderid, build.buildid, step.stepid, description, category, value_unit)
        self._sets.append(setid)
        return setid

    async def add(self, step: Any, setid: int, result: dict[str, Any]) -> None:
        """A result of a set."""
        waiting = self._waiting.setdefault(setid, [])
        waiting.append(result)
        if len(waiting) >= GROUP:
            await self._send(step, setid)

    async def _send(self, step: Any, setid: int) -> None:
        results = self._waiting.pop(setid, [])
        if results:
            builderid = await step.build.getBuilderId()
            await step.build.master.data.updates.addTestResults(builderid, setid, results)

    async def finish(self, step: Any) -> None:
        """Send what waits and complete the sets."""
        for setid in list(self._waiting):
            await self._send(step, setid)
        sets, self._sets = self._sets, []
        for setid in sets:
            await step.build.master.data.updates.completeTestResultSet(setid)
