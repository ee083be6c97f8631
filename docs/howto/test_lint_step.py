"""A step that runs a linter and counts what it says."""

import buildmaster  # noqa: F401  # isort: skip - from here on "buildbot" means buildmaster

from buildbot.process import buildstep, logobserver
from buildbot.process.results import FAILURE, SUCCESS, WARNINGS
from buildbot.test.reactor import TestReactorMixin
from buildbot.test.steps import ExpectShell, ExpectStat, TestBuildStepMixin
from twisted.internet import defer
from twisted.trial import unittest


class Lint(buildstep.ShellMixin, buildstep.BuildStep):
    """Runs the linter, if the tree has a configuration for it."""

    name = "lint"

    def __init__(self, **kwargs):
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.observer = logobserver.BufferLogObserver()
        self.addLogObserver("stdio", self.observer)

    @defer.inlineCallbacks
    def run(self):
        stat = buildstep.RemoteCommand("stat", {"file": "build/lint.ini"})
        yield self.runCommand(stat)
        if stat.didFail():
            return WARNINGS
        command = yield self.makeRemoteShellCommand(command=["lint", "."])
        yield self.runCommand(command)
        self.setProperty("complaints", len(self.observer.getStdout().splitlines()), "lint")
        return command.results()


class TestLint(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    def setUp(self):
        self.setup_test_reactor()
        return self.setup_test_build_step()

    def test_complaints_are_counted(self):
        self.setup_step(Lint())
        self.expect_commands(
            ExpectStat(file="build/lint.ini").stat_file().exit(0),
            ExpectShell(workdir="wkdir", command=["lint", "."]).stdout("a.py: bad\nb.py: bad\n").exit(1),
        )
        self.expect_outcome(result=FAILURE, state_string="finished (failure)")
        self.expect_property("complaints", 2, "lint")
        self.expect_log_file("stdio", "a.py: bad\nb.py: bad\n")
        return self.run_step()

    def test_a_clean_tree(self):
        self.setup_step(Lint())
        self.expect_commands(
            ExpectStat(file="build/lint.ini").stat_file().exit(0),
            ExpectShell(workdir="wkdir", command=["lint", "."]).exit(0),
        )
        self.expect_outcome(result=SUCCESS)
        self.expect_property("complaints", 0)
        return self.run_step()

    def test_without_a_configuration_nothing_is_run(self):
        self.setup_step(Lint())
        self.expect_commands(ExpectStat(file="build/lint.ini").exit(2))
        self.expect_outcome(result=WARNINGS)
        self.expect_no_property("complaints")
        return self.run_step()
