"""Steps for projects that are made like Twisted: trial, lore's checker, and the removal of stale byte code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SKIPPED, SUCCESS, WARNINGS, statusToString
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin
from buildmaster.steps.shell import ShellCommand


class HLint(ShellMixin, BuildStep):
    """Runs lore's checker on the ``.xhtml`` files of the build's changes, but those below ``sandbox/``.

    ``python`` is the Python to run it with.  Each complaint is a warning.
    """

    name = "hlint"
    description = "running hlint"
    descriptionDone = "hlint"
    warnOnWarnings = True
    warnOnFailure = True
    warnings = 0

    def __init__(self, python: str | None = None, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.python = python
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._count))

    def _count(self) -> Any:
        while True:
            stream, line = yield
            if stream == "o" and ":" in line:
                self.warnings += 1

    @deferred
    async def run(self) -> int:
        files = sorted(
            file for file in set(self.build.allFiles()) if file.endswith(".xhtml") and not file.startswith("sandbox/")
        )
        if not files:
            return SKIPPED
        program = [self.python] if self.python else []
        command = await self.makeRemoteShellCommand(command=[*program, "bin/lore", "-p", "--output", "lint", *files])
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        self.setStatistic("hlint-warnings", self.warnings)
        if command.didFail():
            return FAILURE
        return WARNINGS if self.warnings else SUCCESS

    def getResultSummary(self) -> dict[str, str]:
        """How many warnings there were."""
        if self.results == SKIPPED:
            return {"step": "hlint (skipped)"}
        return {"step": f"{self.warnings} hlint warnings" if self.warnings else "hlint"}


class TrialTestCaseCounter(logobserver.LogLineObserver):
    """Counts trial's tests as they end, and reads the totals that it prints last."""

    # package.module.Class.test_name ... [OK]
    _line = re.compile(r"^(?:Doctest: )?([\w.]+) \.\.\. \[([^\]]+)\]$")
    _old = re.compile(r"^\s+([\w.]+) \.\.\. +\[([^\]]+)\]$")
    _ran = re.compile(r"^Ran (\d+) tests? in")
    _counts = {
        name: re.compile(rf"{name}=(\d+)") for name in ("failures", "errors", "skips", "expectedFailures", "successes")
    }

    def __init__(self) -> None:
        super().__init__()
        self.numTests = 0
        self.finished = False
        self.counts: dict[str, int | None] = {"total": None, **dict.fromkeys(self._counts, 0)}

    def outLineReceived(self, line: str) -> None:
        """One line of the output."""
        if self._line.match(line.strip()) or self._old.match(line):
            self.numTests += 1
            self.step.setProgress("tests", self.numTests)
        elif match := self._ran.match(line):
            self.finished = True
            self.counts["total"] = int(match.group(1))
        elif self.finished and line.startswith(("PASSED", "FAILED")):
            for name, pattern in self._counts.items():
                if found := pattern.search(line):
                    self.counts[name] = int(found.group(1))


class Trial(ShellMixin, BuildStep):
    """Runs a test suite by trial, and counts the tests.

    ``tests`` names what to run (a text or a list); with ``testChanges`` it is instead what the build's changed files
    ask for.  ``python`` (a text or a list) runs ``trial``, which is then a path; ``testpath`` goes to the front of
    ``PYTHONPATH``; ``trialMode`` and ``trialArgs`` are lists of options; ``jobs`` runs so many at a time; ``recurse``,
    ``randomly`` and ``reactor`` are trial's options of those names.

    The log ``test.log`` is trial's own, ``problems`` has what failed, ``warnings`` the warnings.
    """

    name = "trial"
    description = "testing"
    descriptionDone = "tests"
    progressMetrics = ("output", "tests", "test.log")
    flunkOnFailure = True
    renderables = ["tests", "jobs"]

    logfiles = {"test.log": "_trial_temp/test.log"}
    python: Any = None
    trial: Any = "trial"
    trialMode: Sequence[str] = ["--reporter=bwverbose"]
    trialArgs: Sequence[str] = []
    jobs: Any = None
    testpath: Any = ()
    testChanges = False
    recurse = False
    reactor: str | None = None
    randomly = False
    tests: Any = None

    def __init__(
        self,
        reactor: Any = (),
        python: Any = None,
        trial: Any = None,
        testpath: Any = (),
        tests: Any = None,
        testChanges: bool | None = None,
        recurse: bool | None = None,
        randomly: bool | None = None,
        trialMode: Sequence[str] | None = None,
        trialArgs: Sequence[str] | None = None,
        jobs: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        for name, value in (
            ("python", python),
            ("trial", trial),
            ("tests", tests),
            ("testChanges", testChanges),
            ("recurse", recurse),
            ("randomly", randomly),
            ("trialMode", trialMode),
            ("trialArgs", trialArgs),
            ("jobs", jobs),
        ):
            if value is not None:
                setattr(self, name, value)
        # an empty tuple: as the class says; None says none
        if reactor != ():
            self.reactor = reactor
        if testpath != ():
            self.testpath = testpath
        if isinstance(self.tests, str):
            self.tests = [self.tests]
        if self.python is not None and not self._is_path(self.trial):
            error("Trial: with python=, trial= must be a path, for example ./bin/trial")
        if not self.tests and not self.testChanges:
            error("Trial: say which tests to run, by tests= or testChanges=True")
        self.observer = TrialTestCaseCounter()
        self.addLogObserver("stdio", self.observer)
        self._section: str | None = None
        self.problems: list[str] = []
        self.warnings: dict[str, int] = {}
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._read))

    @staticmethod
    def _is_path(program: Any) -> bool:
        return not isinstance(program, str) or "/" in program or "\\" in program

    def _read(self) -> Any:
        """Collect warnings, and everything from the first problem on."""
        warning = re.compile(r"^.*(?:Deprecation|Pending\w*|User|Runtime|Syntax|Resource|Future)Warning: ")
        while True:
            stream, line = yield
            if stream == "h":
                continue
            if self._section is None and line.startswith("=" * 30):
                self._section = "problems"
            if self._section is not None:
                self.problems.append(line)
            if warning.match(line) or " DeprecationWarning: " in line:
                self.warnings[line] = self.warnings.get(line, 0) + 1

    def _command(self) -> list[Any]:
        command: list[Any] = []
        if self.python is not None:
            command += [self.python] if isinstance(self.python, str) else list(self.python)
        command += [self.trial, *self.trialMode]
        if self.recurse:
            command.append("--recurse")
        if self.reactor:
            command.append(f"--reactor={self.reactor}")
        if self.randomly:
            command.append("--random=0")
        command += self.trialArgs
        if self.jobs is not None:
            command.append(f"--jobs={self.jobs}")
        if self.testChanges:
            return [*command, *(f"--testmodule={file}" for file in self.build.allFiles() if file.endswith(".py"))]
        return [*command, *self.tests]

    def _environment(self) -> dict[str, Any]:
        env = dict(self.env or {})
        if self.testpath:
            before = env.get("PYTHONPATH", [])
            env["PYTHONPATH"] = [self.testpath, *([before] if isinstance(before, str) else before)]
        return env

    @deferred
    async def run(self) -> int:
        logfiles = dict(self.logfiles)
        if self.jobs is not None:  # each job has a directory and a log of its own
            logfiles.pop("test.log", None)
            for number in range(int(self.jobs)):
                logfiles[f"test.{number}.log"] = f"_trial_temp/{number}/test.log"
        command = await self.makeRemoteShellCommand(command=self._command(), env=self._environment(), logfiles=logfiles)
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        if self.problems:
            await self.addCompleteLog("problems", "\n".join(self.problems) + "\n")
        if self.warnings:
            lines = [f"{number} times: {text}" if number > 1 else text for text, number in self.warnings.items()]
            await self.addCompleteLog("warnings", "\n".join(lines) + "\n")
        return self.evaluateCommand(command)

    def evaluateCommand(self, cmd: Any) -> int:
        """SUCCESS if trial says so and told how many tests there were; keeps the numbers as statistics."""
        counts = self.observer.counts
        total, failed = counts["total"], (counts["failures"] or 0) + (counts["errors"] or 0)
        if total is not None:
            self.setStatistic("tests-total", total)
            self.setStatistic("tests-failed", failed)
        self.setProperty("tests-warnings", sum(self.warnings.values()), "Trial")
        return FAILURE if cmd.didFail() or failed or total is None else SUCCESS

    def getResultSummary(self) -> dict[str, str]:
        """How many tests there were, and how many of them failed."""
        counts = self.observer.counts
        total = counts["total"]
        if total is None:
            text = "tests" if self.results == SUCCESS else "testlog"
        elif not total:
            text = "no tests run"
        else:
            words = [
                f"{counts[key]} {one if counts[key] == 1 else one + 's'}"
                for key, one in (("failures", "failure"), ("errors", "error"), ("skips", "skip"))
                if counts[key]
            ]
            if counts["expectedFailures"]:
                words.append(f"{counts['expectedFailures']} todos")
            passed = not (counts["failures"] or counts["errors"])
            text = " ".join([f"{total} test{'' if total == 1 else 's'}", *(["passed"] if passed else []), *words])
        if self.results in (None, SUCCESS):
            return {"step": text}
        return {"step": f"{text} ({statusToString(self.results)})"}


class RemovePYCs(ShellCommand):
    """Removes all ``.pyc`` files below the workdir."""

    name = "remove_pyc"
    command = ["find", ".", "-name", "*.pyc", "-exec", "rm", "{}", ";"]
    description = "removing .pyc files"
    descriptionDone = "remove .pycs"
