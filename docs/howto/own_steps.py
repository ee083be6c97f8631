"""Steps of one's own: the programs of the guide "Write a build step", run by the project's tests on a real worker."""

import buildmaster  # noqa: F401  # isort: skip - needed outside a master.cfg only: "buildbot" means buildmaster

import json

from buildbot.plugins import steps, util
from buildbot.process import buildstep
from twisted.internet import defer, task


class Greet(buildstep.BuildStep):
    """Greets, without a worker's help."""

    name = "greet"
    renderables = ["whom"]

    def __init__(self, whom="world", times=1, **kwargs):
        if times < 1:
            util_error(f"Greet: times must be positive, not {times}")
        super().__init__(**kwargs)
        self.whom = whom
        self.times = times

    async def run(self):
        log = await self.addLog("greetings")
        for _ in range(self.times):
            log.addStdout(f"Hello, {self.whom}!\n")
        await log.finish()
        self.setProperty("greeted", self.whom, "Greet")
        return util.SUCCESS


def util_error(text):
    """Report a mistake in the configuration, together with all others that it has."""
    from buildbot import config

    config.error(text)


class Generated(buildstep.BuildStep):
    """The same in the older way to write coroutines: a generator that yields Deferreds."""

    @defer.inlineCallbacks
    def run(self):
        log = yield self.addLog("greetings")
        yield log.addStdout("Hello!\n")
        return util.SUCCESS


class Later(buildstep.BuildStep):
    """Waits, and needs no coroutine to say so."""

    def run(self):
        return task.deferLater(self.master.reactor, 0.05, lambda: util.SUCCESS)


class Version(buildstep.ShellMixin, buildstep.BuildStep):
    """Runs a program and keeps what it prints as a property."""

    name = "version"

    def __init__(self, program, **kwargs):
        kwargs = self.setupShellMixin(kwargs, prohibitArgs=["command"])
        super().__init__(**kwargs)
        self.program = program

    async def run(self):
        command = await self.makeRemoteShellCommand(command=[self.program, "--version"], collectStdout=True)
        await self.runCommand(command)
        if not command.didFail():
            self.setProperty(f"version of {self.program}", command.stdout.split("\n")[0], "Version")
        return command.results()


class Parts(buildstep.ShellMixin, buildstep.BuildStep):
    """Makes some parts, one after the other, and tells how far it is."""

    name = "parts"
    renderables = ["parts"]

    def __init__(self, parts, **kwargs):
        kwargs = self.setupShellMixin(kwargs, prohibitArgs=["command"])
        super().__init__(**kwargs)
        self.parts = parts
        self.made = []

    def getCurrentSummary(self):
        return {"step": f"making part {len(self.made) + 1} of {len(self.parts)}"}

    def getResultSummary(self):
        return {"step": f"{len(self.made)} parts made", "build": f"made {', '.join(self.made)}"}

    async def run(self):
        for part in self.parts:
            self.updateSummary()
            command = await self.makeRemoteShellCommand(command=["echo", part], stdioLogName=f"part {part}")
            await self.runCommand(command)
            if command.didFail():
                return util.FAILURE
            self.made.append(part)
        return util.SUCCESS


class Tidy(buildstep.CommandMixin, buildstep.BuildStep):
    """Works with files and directories of the worker; paths are relative to the builder's directory."""

    name = "tidy"

    async def run(self):
        await self.runMkdir("build/attic")
        found = await self.runGlob("build/*.old")
        there = await self.pathExists("build/attic")
        await self.runRmdir("build/attic")
        self.setProperty("tidied", [there, [name.rpartition("/")[2] for name in found]], "Tidy")
        return util.SUCCESS if found else util.WARNINGS


class Files(buildstep.BuildStep):
    """Lists a directory, if the worker knows how to."""

    name = "files"

    async def run(self):
        self.checkWorkerHasCommand("listdir")  # raises WorkerTooOldError
        command = buildstep.RemoteCommand("listdir", {"dir": "build"})
        await self.runCommand(command)
        if command.didFail():
            return util.FAILURE
        self.setProperty("files", sorted(command.updates["files"][-1]), "Files")
        return util.SUCCESS


class Report(buildstep.BuildStep):
    """Leaves results behind: test results, data for other programs, and pages for people."""

    name = "report"

    async def addTestResultSets(self):
        self.times = await self.addTestResultSet("how long each took", "duration", "ns")

    async def run(self):
        for name, seconds in (("fast", 1), ("slow", 90)):
            await self.addTestResult(self.times, str(seconds * 10**9), test_name=name)
        await self.setBuildData("times.json", json.dumps({"fast": 1, "slow": 90}).encode(), "Report")
        await self.addCompleteLog("summary", "fast: 1 s\nslow: 90 s\n")
        await self.addHTMLLog("table", "<table><tr><td>fast<td>1 s<tr><td>slow<td>90 s</table>")
        return util.SUCCESS


several = steps.ShellSequence(
    name="several",
    workdir="build",
    commands=[
        util.ShellArg(["echo", "first"], logname="first", haltOnFailure=True),
        util.ShellArg(["false"], logname="second", flunkOnFailure=False, warnOnFailure=True),
        util.ShellArg(["echo", "third"], logname="third"),
    ],
)

builders = {
    "greet": util.BuildFactory([Greet(whom=util.Property("whom", default="you"), times=2), Generated(), Later()]),
    "version": util.BuildFactory([Version("sh"), Version("no-such-program")]),
    "parts": util.BuildFactory([Parts(util.Property("parts", default=["a", "b"]))]),
    "tidy": util.BuildFactory([steps.StringDownload("x", workerdest="a.old"), Tidy(), Files()]),
    "report": util.BuildFactory([Report()]),
    "several": util.BuildFactory([several]),
}
