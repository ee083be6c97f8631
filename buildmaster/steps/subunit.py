"""Test results in the subunit protocol, version 1: lines such as ``success: name`` and ``failure: name [``.

The protocol is described in the README of https://github.com/testing-cabal/subunit.
"""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import FAILURE, SUCCESS, statusToString
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin

_event = re.compile(
    r"^(test|testing|success|successful|failure|error|skip|xfail|uxsuccess)(?::\s*|\s+)(.+?)(\s+\[(?: multipart)?)?$"
)


class SubunitLogObserver(logobserver.LogLineObserver):
    """Counts the tests of a subunit stream."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []
        self.errors: list[str] = []
        self.skips: list[str] = []
        self.testsRun = 0
        self.expectedFailures = 0
        self.unexpectedSuccesses = 0
        self.details: list[str] = []
        self._inside = False
        self._keep = False

    def outLineReceived(self, line: str) -> None:
        """One line of the stream."""
        if self._inside:
            if line == "]":
                self._inside = False
            elif self._keep:
                self.details.append(line)
            return
        match = _event.match(line)
        if match is None:
            return
        kind, name, opened = match.groups()
        if kind in ("test", "testing"):
            return
        self._inside = opened is not None
        self._keep = kind in ("failure", "error")
        self._take(kind, name)

    errLineReceived = outLineReceived

    def _take(self, kind: str, name: str) -> None:
        self.testsRun += 1
        if self._keep:
            (self.failures if kind == "failure" else self.errors).append(name)
            self.details.append(f"{kind}: {name}")
        elif kind == "skip":
            self.skips.append(name)
        elif kind == "xfail":
            self.expectedFailures += 1
        elif kind == "uxsuccess":
            self.unexpectedSuccesses += 1
        self.step.setProgress("tests", self.testsRun)
        self.step.setProgress("tests failed", len(self.failures) + len(self.errors))


class SubunitShellCommand(ShellMixin, BuildStep):
    """Runs a command whose output is a subunit stream (version 1), and counts its tests.

    Failed tests are a failure; with ``failureOnNoTests`` it is one too if no test was run.
    """

    name = "shell"

    def __init__(self, failureOnNoTests: bool = False, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs))
        self.failureOnNoTests = failureOnNoTests
        self.progressMetrics = (*self.progressMetrics, "tests", "tests failed")
        self._observer = SubunitLogObserver()
        self.addLogObserver("stdio", self._observer)

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        if self._observer.details:
            await self.addCompleteLog("problems", "\n".join(self._observer.details) + "\n")
        return self.evaluateCommand(command)

    def evaluateCommand(self, cmd: Any) -> int:
        """FAILURE if a test failed, the command's result otherwise; keeps the numbers as statistics."""
        observer = self._observer
        failed = len(observer.failures) + len(observer.errors)
        self.setStatistic("tests-total", observer.testsRun)
        self.setStatistic("tests-failed", failed)
        if failed or (self.failureOnNoTests and not observer.testsRun):
            return FAILURE
        return cmd.results()

    def getResultSummary(self) -> dict[str, str]:
        """How many tests there were, and how they ended."""
        observer = self._observer
        if not observer.testsRun:
            words = "no tests run"
        else:
            parts = [f"{observer.testsRun} test{'' if observer.testsRun == 1 else 's'}"]
            for number, one, many in (
                (len(observer.failures), "failure", "failures"),
                (len(observer.errors), "error", "errors"),
                (len(observer.skips), "skip", "skips"),
                (observer.expectedFailures, "todo", "todos"),
                (observer.unexpectedSuccesses, "surprise", "surprises"),
            ):
                if number:
                    parts.append(f"{number} {one if number == 1 else many}")
            words = " ".join(parts if observer.failures or observer.errors else [parts[0], "passed", *parts[1:]])
        text = f"{self.name} {words}"
        return {"step": text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"}
