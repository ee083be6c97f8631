"""Steps that run a command on the worker and judge it by its exit code and output."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS, statusToString, worst_status
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin
from buildmaster.process.old_commands import OldShellHooks
from buildmaster.steps.warning_counting import WarningCountingShellCommand, compiled


class TreeSize(ShellMixin, BuildStep):
    """Measures the size of the workdir and keeps it, in KiB, in the property ``tree-size-KiB``."""

    name = "treesize"
    command = ["du", "-s", "-k", "."]
    description = ["measuring", "tree", "size"]

    def __init__(self, **kwargs: Any) -> None:
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)
        self.observer = logobserver.BufferLogObserver(wantStdout=True, wantStderr=True)
        self.addLogObserver("stdio", self.observer)

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        match = re.search(r"^(\d+)", self.observer.getStdout())
        kib = int(match.group(1)) if match else None
        if kib is not None:
            self.setProperty("tree-size-KiB", kib, "treesize")
        if command.didFail():
            return FAILURE
        if kib is None:
            self.descriptionDone = "treesize unknown"
            return WARNINGS  # the command was fine, its output was not
        self.descriptionDone = f"treesize {kib} KiB"
        return SUCCESS


class SetPropertyFromCommand(ShellMixin, BuildStep):
    """Keeps what a command prints in the property ``property``.

    ``strip`` removes white space at both ends; ``includeStdout`` and ``includeStderr`` say what is kept.  In its stead,
    ``extract_fn(rc, stdout, stderr)`` may return a dictionary of properties; it is called even if the command failed.
    """

    name = "setproperty"
    renderables = ["property"]

    def __init__(
        self,
        property: Any = None,
        extract_fn: Callable[[int, str, str], dict[str, Any]] | None = None,
        strip: bool = True,
        includeStdout: bool = True,
        includeStderr: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs = self.setupShellMixin(kwargs)
        if bool(property) == bool(extract_fn):
            error("SetPropertyFromCommand: exactly one of property and extract_fn must be set")
        super().__init__(**kwargs)
        self.property = property
        self.extract_fn = extract_fn
        self.strip = strip
        self.includeStdout = includeStdout
        self.includeStderr = includeStderr or extract_fn is not None
        self.observer = logobserver.BufferLogObserver(wantStdout=self.includeStdout, wantStderr=self.includeStderr)
        self.addLogObserver("stdio", self.observer)

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        stdout, stderr = self.observer.getStdout(), self.observer.getStderr()
        if self.extract_fn is not None:
            found = await maybe(self.extract_fn, command.rc, stdout, stderr)
            changes = dict(found or {})
        elif command.didFail():
            changes = {}
        else:
            text = stdout + stderr if self.includeStdout and self.includeStderr else stdout or stderr
            changes = {self.property: text.strip() if self.strip else text}
        lines = []
        for name, value in changes.items():
            self.setProperty(name, value, "SetPropertyFromCommand Step")
            lines.append(f"{name}: {value!r}")
        if changes:
            await self.addCompleteLog("property changes", "\n".join(lines))
        self.property_changes = changes
        return command.results()

    def getResultSummary(self) -> dict[str, str]:
        changes = getattr(self, "property_changes", None)
        if self.descriptionDone is None and changes:
            count = len(changes)
            text = f"property '{next(iter(changes))}' set" if count == 1 else f"{count} properties set"
            summary = text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"
            return {"step": summary}
        return super().getResultSummary()


class ShellCommand(OldShellHooks, ShellMixin, BuildStep):
    """Runs one command on the worker; exit code 0 is success, unless ``decodeRC`` says otherwise.

    Subclasses written for releases before 3.0 may override ``start``, ``commandComplete``, ``createSummary``,
    ``evaluateCommand``, ``describe`` and ``getText``; see :mod:`buildmaster.process.old_commands`.
    """

    name = "shell"

    def __init__(self, **kwargs: Any) -> None:
        if type(self) is ShellCommand and "command" not in kwargs:
            error("ShellCommand's `command' argument is not specified")
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)

    @deferred
    async def run(self) -> int:
        self.keep_for_hooks()
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        return await self.judge(command)


class Configure(ShellCommand):
    """Runs ``./configure``."""

    name = "configure"
    haltOnFailure = True
    flunkOnFailure = True
    description = "configuring"
    descriptionDone = "configure"
    command = ["./configure"]


class Compile(WarningCountingShellCommand):
    """Runs ``make all`` and counts the compiler's warnings."""

    name = "compile"
    haltOnFailure = True
    flunkOnFailure = True
    description = ["compiling"]
    descriptionDone = ["compile"]
    command = ["make", "all"]


class Test(WarningCountingShellCommand):
    """Runs ``make test``; subclasses report what they counted with :meth:`setTestResults`."""

    __test__ = False  # not for test collectors that go by the name

    name = "test"
    warnOnFailure = True
    description = ["testing"]
    descriptionDone = ["test"]
    command = ["make", "test"]

    def setTestResults(self, total: int = 0, failed: int = 0, passed: int = 0, warnings: int = 0) -> None:
        """Add these numbers of tests to the step's statistics."""
        for name, number in (
            ("tests-total", total),
            ("tests-failed", failed),
            ("tests-warnings", warnings),
            ("tests-passed", passed),
        ):
            self.setStatistic(name, self.getStatistic(name, 0) + number)

    def describe(self, done: bool = False) -> list[str]:
        """The description, followed by the numbers of tests when there are any."""
        words = super().describe(done)
        return [*words, *self._numbers()] if done else words

    def _numbers(self) -> list[str]:
        if not self.hasStatistic("tests-total"):
            return []
        total = self.getStatistic("tests-total", 0)
        failed = self.getStatistic("tests-failed", 0)
        warned = self.getStatistic("tests-warnings", 0)
        passed = self.getStatistic("tests-passed", 0) or total - failed
        counted = ((passed, "passed"), (warned, "warnings"), (failed, "failed"))
        return [f"{total} tests", *(f"{number} {word}" for number, word in counted if number)]

    def getResultSummary(self) -> dict[str, str]:
        """What :meth:`describe` says, with the result."""
        summary = super().getResultSummary()
        if not self.hasStatistic("tests-total"):
            return summary
        text = " ".join(self.describe(True))
        return {**summary, "step": text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"}


class PerlModuleTestObserver(logobserver.LogLineObserver):
    """Reads the totals from what ``prove`` and the older Test::Harness print."""

    failedRe = re.compile(r"Tests: \d+ Failed: (\d+)\)")
    testsRe = re.compile(r"Files=\d+, Tests=(\d+)")
    oldFailureCountsRe = re.compile(r"(\d+)/(\d+) subtests failed")
    oldSuccessCountsRe = re.compile(r"Files=\d+, Tests=(\d+),")

    def __init__(self, warningPattern: Any) -> None:
        super().__init__()
        self.warningPattern = compiled(warningPattern)
        self.rc: int = SUCCESS
        self.total = self.failed = self.warnings = 0
        self.newStyle = self.complete = False

    def outLineReceived(self, line: str) -> None:
        """One line of the output."""
        if self.warningPattern is not None and self.warningPattern.match(line):
            self.warnings += 1
        if self.newStyle:
            if line.startswith("Result: FAIL"):
                self.rc = FAILURE
            if match := self.failedRe.search(line):
                self.failed += int(match.group(1))
                if self.failed:
                    self.rc = FAILURE
            elif match := self.testsRe.search(line):
                self.total = int(match.group(1))
                self.complete = True
        elif line.startswith("Test Summary Report"):
            self.newStyle = True
        elif match := self.oldFailureCountsRe.search(line):
            self.failed, self.total = int(match.group(1)), int(match.group(2))
            if self.failed:
                self.rc = FAILURE
            self.complete = True
        elif match := self.oldSuccessCountsRe.search(line):
            self.total = int(match.group(1))
            self.complete = True


class PerlModuleTest(Test):
    """Runs ``prove`` and counts its tests."""

    command = ["prove", "--lib", "lib", "-r", "t"]
    total = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.observer = PerlModuleTestObserver(warningPattern=self.warningPattern)
        self.addLogObserver("stdio", self.observer)

    def evaluateCommand(self, cmd: Any) -> int:
        """The tests' results; the command's where no totals were printed."""
        observer = self.observer
        if not observer.complete:
            return super().evaluateCommand(cmd)
        rc = observer.rc
        if rc == SUCCESS:
            rc = cmd.results()
        self.setTestResults(
            total=observer.total,
            failed=observer.failed,
            passed=observer.total - observer.failed,
            warnings=observer.warnings,
        )
        return worst_status(rc, WARNINGS) if observer.warnings else rc
