"""Steps that run a command on the worker and judge it by its exit code and output."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS, statusToString, worst_status
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin
from buildmaster.process.old_commands import OldShellHooks
from buildmaster.steps.worker import CompositeStepMixin


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
            self.setProperty(name, value, "SetPropertyFromCommand Step", runtime=True)
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


Suppression = tuple["re.Pattern[str] | None", "re.Pattern[str] | None", "int | None", "int | None"]


class WarningCountingShellCommand(OldShellHooks, ShellMixin, CompositeStepMixin, BuildStep):
    """Runs a command and counts the warnings in its output.

    A line that ``warningPattern`` matches (from its beginning) is a warning, unless a suppression matches it.  Their
    number is added to the build property ``warnings-count`` and the statistic ``warnings``, the lines go to a log of
    their own.  More than ``maxWarnCount`` of them are a failure.

    ``warningExtractor(step, line, match)`` returns (file name, line number, text) for the suppressions, which are
    read from ``suppressionFile`` on the worker and taken from ``suppressionList``, a list of (file pattern, text
    pattern, first line, last line).  ``directoryEnterPattern`` and ``directoryLeavePattern`` follow make through
    directories, so that file names are full.
    """

    todays_hooks = ("createSummary", "evaluateCommand")
    warnCount = 0
    warningPattern: Any = "(?i).*warning[: ].*"
    # Both of make's ways to quote a name, straight and curly.
    directoryEnterPattern: Any = "make.*: Entering directory [\u2019\"`'](.*)[\u2019'`\"]"
    directoryLeavePattern: Any = "make.*: Leaving directory"
    suppressionFile: Any = None

    commentEmptyLineRe = re.compile(r"^\s*(#.*)?$")
    suppressionLineRe = re.compile(r"^\s*(.+?)\s*:\s*(.+?)\s*(?:[:]\s*([0-9]+)(?:-([0-9]+))?\s*)?$")

    renderables = [
        "suppressionFile",
        "suppressionList",
        "warningPattern",
        "directoryEnterPattern",
        "directoryLeavePattern",
        "maxWarnCount",
    ]

    def __init__(
        self,
        warningPattern: Any = None,
        warningExtractor: Callable[[Any, str, re.Match[str]], tuple[Any, Any, str]] | None = None,
        maxWarnCount: Any = None,
        directoryEnterPattern: Any = None,
        directoryLeavePattern: Any = None,
        suppressionFile: Any = None,
        suppressionList: Any = None,
        **kwargs: Any,
    ) -> None:
        for name, value in (
            ("warningPattern", warningPattern),
            ("directoryEnterPattern", directoryEnterPattern),
            ("directoryLeavePattern", directoryLeavePattern),
            ("suppressionFile", suppressionFile),
        ):
            if value is not None:
                setattr(self, name, value)
        self.suppressionList = suppressionList
        self.warningExtractor = warningExtractor or WarningCountingShellCommand.warnExtractWholeLine
        self.maxWarnCount = maxWarnCount
        if type(self) is WarningCountingShellCommand and not kwargs.get("command"):
            error("WarningCountingShellCommand's 'command' argument is not specified")
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)
        self.suppressions: list[Suppression] = []
        self.directoryStack: list[str] = []
        self.loggedWarnings: list[str] = []
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self.warningLogConsumer))

    def addSuppression(self, suppressionList: Sequence[Sequence[Any]]) -> None:
        """Pass over the warnings that these (file pattern, text pattern, first line, last line) match."""
        for file_re, warn_re, start, end in suppressionList:
            compiled = (re.compile(pattern) if isinstance(pattern, str) else pattern for pattern in (file_re, warn_re))
            self.suppressions.append((*compiled, start, end))

    def warnExtractWholeLine(self, line: str, match: re.Match[str] | None) -> tuple[Any, Any, str]:
        """The default ``warningExtractor``: no file, no line number, the line as text."""
        return (None, None, line)

    def warnExtractFromRegexpGroups(self, line: str, match: re.Match[str]) -> tuple[Any, Any, str]:
        """A ``warningExtractor`` that takes file name, line number and text from the first three groups."""
        file, number, text = match.group(1), match.group(2), match.group(3)
        if self.directoryStack:
            current = self.directoryStack[-1]
            if current:
                file = f"{current}/{file}"
        return (file, int(number) if number else None, text)

    def warningLogConsumer(self) -> Any:
        """The generator that is sent (channel, line) for every line of the output."""
        warning = _compiled(self.warningPattern)
        enter = _compiled(self.directoryEnterPattern)
        leave = _compiled(self.directoryLeavePattern)
        while True:
            channel, line = yield
            if channel == "h":
                continue  # what is said about the command, its text and environment among it
            if enter is not None and (match := enter.search(line)):
                self.directoryStack.append(match.group(1))
                continue
            if leave is not None and self.directoryStack and leave.search(line):
                self.directoryStack.pop()
                continue
            if warning is not None and (match := warning.match(line)):
                self.maybeAddWarning(self.loggedWarnings, line, match)

    def maybeAddWarning(self, warnings: list[str], line: str, match: re.Match[str]) -> None:
        """Count a warning unless a suppression matches it."""
        if self.suppressions:
            file, number, text = self.warningExtractor(self, line, match)
            line_number = int(number) if number is not None else None
            if any(_suppresses(suppression, file, line_number, text) for suppression in self.suppressions):
                return
        warnings.append(line)
        self.warnCount += 1

    @deferred
    async def setup_suppression(self) -> None:
        """Read the suppressions, the file's from the worker."""
        if self.suppressionList is not None:
            self.addSuppression(self.suppressionList)
        if self.suppressionFile is not None:
            text = await self.getFileContentFromWorker(self.suppressionFile, abandonOnFailure=True)
            self.addSuppression(_parse_suppressions(text or "", self.commentEmptyLineRe, self.suppressionLineRe))

    @deferred
    async def run(self) -> int:
        self.keep_for_hooks()
        await self._read_suppressions()
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.finish_logs()
        return await self.judge(command)

    async def _read_suppressions(self) -> None:
        if self.suppressionFile is not None:
            await self.addLogForRemoteCommands("suppressions")
        await self.setup_suppression()

    async def _start_command(self) -> None:
        await self._read_suppressions()
        await super()._start_command()

    @deferred
    async def finish_logs(self) -> None:
        """Finish the output's log, so that all its lines have been seen."""
        await self.getLog("stdio").finish()

    @deferred
    async def createSummary(self, log: Any = None) -> None:
        """Add the log of warnings, the statistic and the property; ``log`` was given by releases before 3.0."""
        if self.warnCount:
            await self.addCompleteLog(f"warnings ({self.warnCount})", "\n".join(self.loggedWarnings) + "\n")
        self.setStatistic("warnings", self.getStatistic("warnings", 0) + self.warnCount)
        before = self.getProperty("warnings-count", 0)
        self.setProperty("warnings-count", before + self.warnCount, "WarningCountingShellCommand")

    def evaluateCommand(self, cmd: Any) -> int:
        """The result: the command's, WARNINGS if there were any, FAILURE if there were too many."""
        result = cmd.results()
        if _too_many(self):
            result = worst_status(result, FAILURE)
        elif self.warnCount:
            result = worst_status(result, WARNINGS)
        return result


def _compiled(pattern: Any) -> re.Pattern[str] | None:
    return re.compile(pattern) if isinstance(pattern, str) else pattern


def _too_many(step: WarningCountingShellCommand) -> bool:
    return step.maxWarnCount is not None and step.warnCount > int(step.maxWarnCount)


def _suppresses(suppression: Suppression, file: str | None, line: int | None, text: str) -> bool:
    """Whether a suppression matches a warning."""
    file_re, warn_re, start, end = suppression
    if file_re is not None and not (file and file_re.search(file)):
        return False
    if warn_re is not None and not warn_re.search(text):
        return False
    if start is not None and end is not None:
        return line is not None and start <= line <= end
    if start is not None:
        return line is not None and line >= start
    return end is None or (line is not None and line <= end)


def _parse_suppressions(text: str, empty: re.Pattern[str], form: re.Pattern[str]) -> list[tuple[Any, Any, Any, Any]]:
    """The suppressions of a file: ``FILE-RE : TEXT-RE [: LINE[-LINE]]`` a line."""
    found = []
    for line in text.splitlines():
        if empty.match(line):
            continue
        match = form.match(line)
        if match is None:
            continue
        file_re, warn_re, first, last = match.groups()
        start = int(first) if first is not None else None
        end = int(last) if last is not None else start
        found.append((file_re, warn_re, start, end))
    return found


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
        self.warningPattern = _compiled(warningPattern)
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
