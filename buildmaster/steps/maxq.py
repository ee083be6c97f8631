"""MaxQ: recorded HTTP sessions, played back."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS, statusToString
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin


class MaxQ(ShellMixin, BuildStep):
    """Runs ``run_maxq.py`` on the directory ``testdir`` and counts the tests that failed."""

    name = "maxq"
    flunkOnFailure = True
    binary = "run_maxq.py"
    failures = 0

    def __init__(self, testdir: Any = None, **kwargs: Any) -> None:
        if not testdir:
            error("MaxQ: please pass testdir, the directory of the tests")
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.command = [self.binary, testdir]
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._count))

    def _count(self) -> Any:
        while True:
            stream, line = yield
            if stream == "o" and line.startswith("TEST FAILURE:"):
                self.failures += 1

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        self.setStatistic("tests-failed", self.failures)
        return FAILURE if self.failures or command.didFail() else SUCCESS

    def getResultSummary(self) -> dict[str, str]:
        """How many tests failed."""
        if self.failures:
            return {"step": f"{self.failures} maxq failures"}
        return {"step": "success" if self.results == SUCCESS else statusToString(self.results)}
