"""The steps of the text's examples, made ready to run: what an example leaves to its reader is filled in here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from twisted.internet import defer

import buildmaster  # noqa: F401  # isort: skip  from here on "buildbot" means buildmaster
from buildbot.plugins import steps, util
from buildbot.process import buildstep
from buildbot.process.buildstep import BuildStep, LoggingBuildStep, RemoteCommand, ShellMixin
from buildbot.process.remotecommand import RemoteShellCommand
from buildbot.steps.shell import ShellCommand

from tests.support.seeds import execute

SHELL = {"workdir": "build", "want_stdout": 1, "want_stderr": 1, "logEnviron": False}
"""Arguments of the worker's command ``shell``, without the command."""


def method(name: str, repairs: dict[str, str] | None = None, **names: Any) -> Any:
    """The ``run`` that an example defines, which returns no result: the step that calls it does."""
    return execute(name, repairs, defer=defer, RemoteCommand=RemoteCommand, util=util, **names)["run"]


class Part(BuildStep):
    """A step whose work is an example's ``run``."""

    def __init__(self, part: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part

    @defer.inlineCallbacks
    def run(self) -> Iterator[Any]:
        yield self.part(self)
        return util.SUCCESS


class Lint(Part):
    """A step that has found something."""

    lint_results = {"W0612": 3, "E1101": 1}


class Printing(ShellMixin, BuildStep):
    """Prints a text on the worker."""

    name = "printing"

    def __init__(self, text: str = "", **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.text = text

    @defer.inlineCallbacks
    def run(self) -> Iterator[Any]:
        command = yield self.makeRemoteShellCommand(command=["printf", "%s", self.text], logEnviron=False)
        yield self.runCommand(command)
        return command.results()


# -- constructors --------------------------------------------------------------------------------------------------


class MyStep(BuildStep):
    """What the text calls so: it remembers which objects ran."""

    name = "mine"
    ran: list[MyStep] = []

    def __init__(self, someopt: str = "", anotheropt: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.someopt, self.anotheropt = someopt, anotheropt

    async def run(self) -> int:
        self.ran.append(self)
        return util.SUCCESS


class Parent(LoggingBuildStep):
    """A parent with the option that the example overrides."""

    def __init__(self, parentOpt: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parentOpt = parentOpt


def frobnify() -> dict[str, Any]:
    """The classes of the example."""
    return execute(
        "steps_frobnify.py",
        {"self.frob_how_many = how_many": "self.frob_how_many = frob_how_many"},
        LoggingBuildStep=Parent,
    )


def frobnifying(**kwargs: Any) -> Any:
    """A step of the example's subclass that runs a command by ``startCommand``."""

    class Frobnifying(frobnify()["FastFrobnify"]):  # type: ignore[misc]
        name = "frobnify"

        def start(self) -> None:
            words = ["echo", self.frob_what, str(self.frob_how_many), self.parentOpt, str(self.speed)]
            self.startCommand(RemoteShellCommand(workdir="build", command=words))

    return Frobnifying(**kwargs)


# -- commands and logs ---------------------------------------------------------------------------------------------


def run_command(step: Any) -> Any:
    """The fragment that runs a command."""
    repairs = {"cmd = RemoteCommand(args)": "cmd = RemoteCommand('mkdir', args)"}
    return execute("steps_run_command.py", repairs, self=step, RemoteCommand=RemoteCommand, args={"dir": "made"})["d"]


def run_cleanup() -> Any:
    """The class that tries again by force."""
    return execute("steps_run_cleanup.py", buildstep=buildstep, defer=defer)["RunCleanup"]


def log_of_another_name() -> Any:
    return method(
        "steps_log_of_another_name.py",
        {"cmd = RemoteCommand(args)": "cmd = RemoteCommand('shell', args, stdioLogName='output')"},
        args={**SHELL, "command": ["echo", "into another log"]},
    )


def use_log() -> Any:
    return method(
        "steps_use_log.py",
        {
            "cmd.useLog(log, closeWhenFinished=True, 'stdio')": (
                "cmd.useLog(log, closeWhenFinished=True, logfileName='stdio')"
            )
        },
        cmd=RemoteCommand("shell", {**SHELL, "command": ["echo", "into stdio"]}),
    )


@defer.inlineCallbacks
def get_log(step: Any) -> Iterator[Any]:
    """The fragment that finds a log again."""
    yield step.addLog("stdio")
    found = execute("steps_get_log.py", self=step)["stdioLog"]
    yield found.addStdout("found again\n")


def line_by_line() -> Any:
    updates = iter(["first\n", "second\n"])
    return method(
        "steps_log_line_by_line.py",
        {"while True:": "while (some_update := next_update()) is not None:"},
        next_update=lambda: next(updates, None),
    )


# -- observers -----------------------------------------------------------------------------------------------------

TRIAL = """\
buildbot.test.test_config.ConfigTest.testDebugPassword ... [OK]
buildbot.test.test_config.ConfigTest.testEmpty ... [OK]
buildbot.test.test_config.ConfigTest.testIRC ... [FAIL]
something else
buildbot.test.test_config.ConfigTest.testLocks ... [OK]
===============================================================================
after.the.end ... [OK]
"""

POUDRIERE = """\
[00:00:00] Creating the reference jail... done
[00:00:01] Logs: /usr/local/poudriere/data/logs/bulk/103amd64-2018Q4/2018-10-03_05h47m30s
[00:00:02] Logs: /usr/local/poudriere/data/logs/bulk/not-this-one
"""


class Trial(Printing):
    """Prints what Trial does, with the counter that the text gives to Trial."""

    name = "trial"
    ran: list[Trial] = []

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(text=TRIAL, **kwargs)
        counter = execute("observers_trial.py", re=re)["TrialTestCaseCounter"]
        execute("observers_trial_init.py", self=self, TrialTestCaseCounter=counter)
        self.ran.append(self)


class Poudriere(Printing):
    """Prints what poudriere does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(text=POUDRIERE, **kwargs)
        observer = execute("observers_poudriere.py", re=re, util=util)["PoudriereLogLinkObserver"]
        self.addLogObserver("stdio", observer())


# -- properties, links, files --------------------------------------------------------------------------------------


def make_tarball() -> Any:
    """The step that has another command on Windows; the commands are filled in."""
    tarball = execute(
        "steps_make_tarball.py",
        {
            "self.setCommand([ ... ]) # windows-only command": "self.setCommand(['echo', 'zip', '-r', 'out.zip'])",
            "self.setCommand([ ... ]) # equivalent for other systems": "self.setCommand(['echo', 'tar', 'cf', 'out'])",
        },
        ShellCommand=ShellCommand,
    )["MakeTarball"]
    return tarball(command=["set by start()"], name="tarball", logEnviron=False)


def add_url() -> Any:
    return method("steps_add_url.py", reportname="r-7")


def stat_and_glob() -> Any:
    """The step that looks for compiled files."""
    return execute("steps_stat_and_glob.py", buildstep=buildstep)["MyBuildStep"]


def put(path: str) -> Any:
    """A step that makes a file on the worker."""
    return steps.StringDownload("text", workerdest=path, workdir="build")
