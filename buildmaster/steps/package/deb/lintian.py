"""lintian: a check of Debian packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin


class DebLintian(ShellMixin, BuildStep):
    """Runs lintian on ``fileloc``, a ``.deb`` or ``.changes`` file; ``suppressTags`` lists what it shall not mention.

    Errors are a failure, warnings are warnings; their numbers are the statistics ``errors`` and ``warnings``.
    """

    name = "lintian"
    description = "Lintian running"
    descriptionDone = "Lintian"
    fileloc: Any = None
    suppressTags: Sequence[str] = []
    flunkOnFailure = False
    warnOnFailure = True
    renderables = ["fileloc"]

    def __init__(self, fileloc: Any = None, suppressTags: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        if fileloc:
            self.fileloc = fileloc
        if suppressTags:
            self.suppressTags = suppressTags
        if not self.fileloc:
            error("DebLintian: you must specify a fileloc")
        self.found: dict[str, list[str]] = {"W: ": [], "E: ": []}
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._read))

    def _read(self) -> Any:
        while True:
            stream, line = yield
            if stream != "h" and line[:3] in self.found:
                self.found[line[:3]].append(line)

    @deferred
    async def run(self) -> int:
        suppress = ["--suppress-tags", ",".join(self.suppressTags)] if self.suppressTags else []
        command = await self.makeRemoteShellCommand(command=["lintian", "-v", self.fileloc, *suppress])
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        warnings, errors = self.found["W: "], self.found["E: "]
        for kind, lines in (("Warnings", warnings), ("Errors", errors)):
            if lines:
                await self.addCompleteLog(f"{len(lines)} {kind}", "\n".join(lines) + "\n")
        self.setStatistic("warnings", len(warnings))
        self.setStatistic("errors", len(errors))
        if command.didFail() or errors:
            return FAILURE
        return WARNINGS if warnings else SUCCESS
