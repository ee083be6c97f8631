"""A command whose output is searched for warnings: how they are found, suppressed, kept and judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, WARNINGS, worst_status
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin
from buildmaster.process.old_commands import OldShellHooks
from buildmaster.steps.worker import CompositeStepMixin

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
        warning = compiled(self.warningPattern)
        enter = compiled(self.directoryEnterPattern)
        leave = compiled(self.directoryLeavePattern)
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


def compiled(pattern: Any) -> re.Pattern[str] | None:
    """A pattern that may be given as a text."""
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
