"""Observers of logs: the programs of the guide "Watch a log", run by the project's tests on a real worker."""

import buildmaster  # noqa: F401  # isort: skip - needed outside a master.cfg only: "buildbot" means buildmaster

import operator
import re

from buildbot.plugins import steps, util
from buildbot.process import build, buildstep, logobserver


class TestCounter(logobserver.LogLineObserver):
    """Counts the lines that end with a verdict, and tells the step how many tests were run."""

    verdict = re.compile(r"^(\S+) \.\.\. (ok|FAIL)$")

    def __init__(self):
        super().__init__()
        self.run = self.failed = 0

    def outLineReceived(self, line):
        found = self.verdict.match(line)
        if found:
            self.run += 1
            self.failed += found.group(2) == "FAIL"
            self.step.setProgress("tests", self.run)
            self.step.updateSummary()

    def errLineReceived(self, line):
        if line.startswith("details: "):
            self.step.addURL("details", line.partition(": ")[2])


class Tests(steps.ShellCommand):
    """Runs the tests; what they are is counted as they run."""

    name = "tests"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.counter = TestCounter()
        self.addLogObserver("stdio", self.counter)
        self.addLogObserver("trace", logobserver.OutputProgressObserver("trace"))
        self.progressMetrics += ("tests", "trace")

    async def run(self):
        results = await super().run()
        self.setStatistic("tests", self.counter.run)
        self.setStatistic("failed", self.counter.failed)
        return util.FAILURE if self.counter.failed else results

    def getCurrentSummary(self):
        return {"step": f"{self.counter.run} tests run"}

    def getResultSummary(self):
        return {"step": f"{self.counter.run} tests, {self.counter.failed} failed"}


class CountingBuild(build.Build):
    """Tells in its text how many tests all of its steps have run."""

    def allStepsDone(self):
        self.text.append(f"{self.getSummaryStatistic('tests', operator.add, 0)} tests")
        return super().allStepsDone()


class Compare(buildstep.ShellMixin, buildstep.BuildStep):
    """Looks at its output with a generator, and keeps some of it."""

    name = "compare"

    def __init__(self, **kwargs):
        super().__init__(**self.setupShellMixin(kwargs))
        self.last = None
        self.repeated = 0
        self.errors = logobserver.BufferLogObserver(wantStdout=False, wantStderr=True)
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self.compare))
        self.addLogObserver("stdio", self.errors)

    def compare(self):
        previous = None
        while True:
            stream, line = yield
            if stream == "o":
                self.repeated += line == previous
                previous = line

    async def run(self):
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()  # the last line is whole now
        self.setProperty("repeated", self.repeated, "Compare")
        self.setProperty("errors", self.errors.getStderr(), "Compare")
        return command.results()


TESTS = """
echo "one ... ok"; echo "two ... ok"; echo "three ... FAIL"
echo "details: http://example.org/three" >&2
echo "12345" > trace.log
"""

factory = util.BuildFactory(
    [
        Tests(command=TESTS, logfiles={"trace": "trace.log"}),
        Tests(command=["echo", "four ... ok"], logfiles={"nothing": "not-there.log"}, lazylogfiles=True),
        Compare(command="echo a; echo a; echo b >&2; printf a"),
    ]
)
factory.buildClass = CountingBuild

builders = {"observe": factory}
