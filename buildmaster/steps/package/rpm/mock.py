"""Mock: RPM packages, built in a system of their own."""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.process import logobserver, remotecommand
from buildmaster.process.buildstep import BuildStep, ShellMixin


class MockStateObserver(logobserver.LogLineObserver):
    """Says in the step's summary what mock does, as its ``state.log`` tells it."""

    _line = re.compile(r"^.*- (.*)$")

    def outLineReceived(self, line: str) -> None:
        """One line of the log."""
        if match := self._line.search(line.strip()):
            self.step.descriptionSuffix = [f"[{match.group(1)}]"]
            self.step.updateSummary()


class Mock(ShellMixin, BuildStep):
    """Runs mock; the base of the steps that say what for.

    ``root`` is the system's configuration (``/etc/mock/ROOT.cfg``), ``resultdir`` is where logs and packages go; it
    has to be given for ``build.log``, ``root.log`` and ``state.log`` to be shown as they grow.
    """

    name = "mock"
    renderables = ["root", "resultdir"]
    haltOnFailure = True
    flunkOnFailure = True
    mock_logfiles = ["build.log", "root.log", "state.log"]
    root: Any = None
    resultdir: Any = None

    def __init__(self, root: Any = None, resultdir: Any = None, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        if root:
            self.root = root
        if resultdir:
            self.resultdir = resultdir
        if not self.root:
            error(f"{type(self).__name__}: you must specify a mock root")
        self.command = ["mock", "--root", self.root]
        if self.resultdir:
            self.command += ["--resultdir", self.resultdir]

    @deferred
    async def run(self) -> int:
        paths = self.build.path_module
        directory = self.resultdir or ""
        files = {name: paths.join(directory, name) for name in self.mock_logfiles}
        if self.resultdir:
            # those of an earlier build would be taken for this one's
            old = [paths.join(self.workdir, path) for path in files.values()]
            await self._remove(old)
            self.logfiles = {**self.logfiles, **files}
            self.addLogObserver("state.log", MockStateObserver())
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        return command.results()

    async def _remove(self, paths: list[str]) -> None:
        for path in paths:
            command = remotecommand.RemoteCommand("rmdir", {"dir": path})
            await self.runCommand(command)

    def getResultSummary(self) -> dict[str, str]:
        """The description, without what mock did last."""
        self.descriptionSuffix = None
        summary: dict[str, str] = super().getResultSummary()
        return summary


class MockBuildSRPM(Mock):
    """Builds a source package from the spec file ``spec`` and the directory ``sources``."""

    name = "mockbuildsrpm"
    description = ["mock buildsrpm"]
    descriptionDone = ["mock buildsrpm"]
    spec: str | None = None
    sources = "."

    def __init__(self, spec: str | None = None, sources: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if spec:
            self.spec = spec
        if sources:
            self.sources = sources
        if not self.spec:
            error("MockBuildSRPM: you must specify a spec file")
        if not self.sources:
            error("MockBuildSRPM: you must specify a sources dir")
        self.command += ["--buildsrpm", "--spec", self.spec, "--sources", self.sources]
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._find_package))

    def _find_package(self) -> Any:
        wrote = re.compile(r"Wrote: .*/([^/]*\.src\.rpm)")
        while True:
            _, line = yield
            if match := wrote.search(line):
                self.setProperty("srpm", match.group(1), "MockBuildSRPM")


class MockRebuild(Mock):
    """Builds the packages of the source package ``srpm``."""

    name = "mock"
    description = ["mock rebuilding srpm"]
    descriptionDone = ["mock rebuild srpm"]
    srpm: str | None = None

    def __init__(self, srpm: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if srpm:
            self.srpm = srpm
        if not self.srpm:
            error("MockRebuild: you must specify a srpm")
        self.command += ["--rebuild", self.srpm]
