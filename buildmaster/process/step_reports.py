"""What a step reports besides its result: links, statistics, data for other programs, test results."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.process.step_tests import StepTests


class StepReports:
    """The documented methods of every step for these."""

    build: Any
    record: Any

    def __init__(self) -> None:
        self._tests = StepTests()
        self._statistics: dict[str, Any] = {}

    @deferred
    async def addURL(self, name: str, url: str) -> None:
        """A link, shown with the step."""
        self.record.add_url(name, url)

    def hasStatistic(self, name: str) -> bool:
        """Whether the step has counted this."""
        return name in self._statistics

    def getStatistic(self, name: str, default: Any = None) -> Any:
        """What the step has counted under this name."""
        return self._statistics.get(name, default)

    def getStatistics(self) -> dict[str, Any]:
        """All that it has counted."""
        return self._statistics.copy()

    def setStatistic(self, name: str, value: Any) -> None:
        """Count something, for ``Build.getSummaryStatistic``."""
        self._statistics[name] = value

    @deferred
    async def setBuildData(self, name: str, value: bytes, source: str) -> None:
        """Keep data with the build, for other programs."""
        shown = self.build.properties.without_secrets([name, value, source])
        await self.build.master.data.updates.setBuildData(self.build.buildid, *shown)

    @deferred
    async def addTestResultSets(self) -> None:
        """Override to make the sets of test results before the step runs."""

    @deferred
    async def addTestResultSet(self, description: str, category: str, value_unit: str) -> int:
        """A Deferred of the id of a new set of test results."""
        return await self._tests.add_set(self, description, category, value_unit)

    @deferred
    async def addTestResult(
        self,
        setid: int,
        value: str,
        test_name: str | None = None,
        test_code_path: str | None = None,
        line: int | None = None,
        duration_ns: int | None = None,
    ) -> None:
        """A result in a set; at least one of ``test_name`` and ``test_code_path`` is needed."""
        result = {
            "test_name": test_name,
            "test_code_path": test_code_path,
            "line": line,
            "duration_ns": duration_ns,
            "value": value,
        }
        shown = self.build.properties.without_secrets(result)
        await self._tests.add(self, setid, {key: each for key, each in shown.items() if each is not None})

    async def finish_tests(self) -> None:
        """Called at the end of the step."""
        await self._tests.finish(self)
