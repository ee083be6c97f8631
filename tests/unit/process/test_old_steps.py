"""Steps written for releases before 0.9 and 3.0: they run as they are, and are warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer

import buildmaster  # noqa: F401  # isort: skip  from here on "buildbot" means buildmaster
from buildbot.process.buildstep import LoggingBuildStep

from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.process import kept_log, old_steps
from buildmaster.process.buildstep import BuildStep, RemoteCommand, RemoteShellCommand
from buildmaster.process.old_commands import hooks_of
from buildmaster.properties import Interpolate
from buildmaster.steps.shell import Compile, SetPropertyFromCommand, ShellCommand, Test
from tests.support.one_step import Done, run_steps

pytestmark = pytest.mark.filterwarnings("ignore:.*is the way of releases before:DeprecationWarning")


async def talk(command: Any) -> None:
    """Says something on all channels and in a log file, and fails."""
    command.header("head\n")
    command.out("one\ntwo\n")
    command.err("bad\n")
    if "logfiles" in command.args and "extra" in command.args["logfiles"]:
        command.log("extra", "more\n")
    command.rc(int(command.args["command"][-1]) if command.args["command"][-1].isdigit() else 0)


@pytest.fixture
def run(tmp_path: Path):
    """``run(step)``: what came of a build of this step."""
    return lambda *steps, **more: run_steps(tmp_path, *steps, script=more.pop("script", talk), **more)


def outcome(done: Done) -> tuple[int, str]:
    return done.results, done.text


# -- which steps these are -----------------------------------------------------------------------------------------


class Old(ShellCommand):
    def start(self) -> None:
        super().start()


class OldAgain(Old):
    pass


class NewAgain(Old):
    async def run(self) -> int:
        return SUCCESS


class WithHelper(NewAgain):
    def start(self) -> None:
        """Means something else: the class has a run() of its own."""


class NeverHadOne(SetPropertyFromCommand):
    def start(self) -> None:
        """Means something else: there is no start() that super() would find."""


class Plain(BuildStep):
    def start(self) -> None:
        """As it was."""


@pytest.mark.parametrize(
    ("step_class", "old"),
    [
        (BuildStep, False),
        (ShellCommand, False),
        (Plain, True),
        (Old, True),
        (OldAgain, True),
        (NewAgain, False),
        (WithHelper, False),
        (NeverHadOne, False),
    ],
)
def test_what_is_defined_nearer_to_the_class_counts(step_class, old):
    assert old_steps.begins_with_start(step_class) is old


def test_finished_is_not_for_todays_steps(run):
    class Mixed(BuildStep):
        def run(self) -> Any:
            self.finished(SUCCESS)

    done = run(Mixed())
    assert done.results == EXCEPTION
    assert "Mixed has a run(), which returns the result: finished() is for start()" in done.logs["err.text"]


def test_the_log_of_the_master_is_told_once_for_each_class(run, monkeypatch):
    monkeypatch.setattr(old_steps, "_told", set())
    with pytest.warns(DeprecationWarning, match=r"^Old.start\(\) is the way of releases before 0.9; write run\(\)"):
        run(Old(command=["x"]), Old(command=["x"]))
    assert [text.partition(".start")[0].rpartition(".")[2] for text in old_steps._told] == ["Old"]


# -- start() -------------------------------------------------------------------------------------------------------


def test_start_may_end_the_step_at_once_or_skip_it(run):
    class Quick(BuildStep):
        def start(self) -> Any:
            self.step_status.setText(["all", "done"])
            self.step_status.setText2(["a word for the build"])
            self.finished(SUCCESS)

    class Unwanted(BuildStep):
        def start(self) -> Any:
            return SKIPPED

    done = run(Quick(name="q"), Unwanted(name="u"))
    assert [(step["name"], step["results"], step["state_string"]) for step in done.steps] == [
        ("q", SUCCESS, "all done"),
        ("u", SKIPPED, "finished (skipped)"),
    ]
    assert done.build["state_string"] == "build successful a word for the build"


@pytest.mark.parametrize("how", ["raises", "errback"])
def test_an_error_in_start_is_an_exception(run, how):
    class Bad(BuildStep):
        def start(self) -> Any:
            if how == "raises":
                raise ValueError("it broke")
            d = defer.fail(ValueError("it broke"))
            return d.addErrback(self.failed)

    done = run(Bad())
    assert done.results == EXCEPTION
    assert "ValueError: it broke" in done.logs["err.text"]


def test_logs_of_an_old_step_are_there_at_once_and_can_be_read(run):
    seen: dict[str, Any] = {}

    class Logging(BuildStep):
        def start(self) -> Any:
            log = self.addLog("notes")
            log.addStdout("a\nb\n")
            log.addStderr("c\n")
            log.addHeader("d\n")
            seen.update(
                text=log.getText(),
                lines=log.readlines(),
                errors=log.readlines(kept_log.STDERR),
                all=log.getTextWithHeaders(),
                chunks=log.getChunks([kept_log.HEADER]),
                some=log.hasContents(),
                logs=[each.getName() for each in self.step_status.getLogs()],
            )
            log.finish()
            self.finished(SUCCESS)

    assert run(Logging()).results == SUCCESS
    assert seen == {
        "text": "a\nb\nc\n",
        "lines": ["a\n", "b\n"],
        "errors": ["c\n"],
        "all": "a\nb\nc\nd\n",
        "chunks": [(kept_log.HEADER, "d\n")],
        "some": True,
        "logs": ["notes"],
    }


def test_the_text_of_other_logs_is_not_kept(run):
    class New(BuildStep):
        async def run(self) -> int:
            (await self.addLog("notes")).getText()
            return SUCCESS

    assert "the text of the log 'notes' is not kept" in run(New()).logs["err.text"]


def test_not_more_than_a_limit_is_kept(monkeypatch):
    monkeypatch.setattr(kept_log, "LIMIT", 5)
    kept = kept_log.KeptText("l")
    for text in ("abc", "def", "ghi", None):
        kept.take("o", text)
    assert kept.chunks == [(kept_log.STDOUT, "abc"), (kept_log.STDOUT, "de")]


def test_an_old_step_is_stopped(run):
    class Endless(BuildStep):
        def start(self) -> Any:
            d = self.runCommand(RemoteShellCommand("wkdir", ["sleep"]))
            d.addCallbacks(lambda _: self.finished(SUCCESS), self.failed)

    async def hang(command: Any) -> None:
        await command.stall()

    def stop(kit: Any, _: Any) -> None:
        kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))

    assert run(Endless(), script=hang, meanwhile=stop).results == CANCELLED


def test_a_lost_worker_ends_an_old_step(run):
    async def hang(command: Any) -> None:
        await command.stall()

    assert run(Old(command=["x"]), script=hang, meanwhile=lambda _, worker: worker.drop()).results == RETRY


# -- startCommand() and the hooks around it ------------------------------------------------------------------------


class Tool(LoggingBuildStep):
    """As such steps were written."""

    name = "tool"
    code = "0"

    def start(self) -> None:
        cmd = RemoteShellCommand(
            workdir="wkdir", command=["tool", self.code], logfiles={name: name for name in self.logfiles}
        )
        self.startCommand(cmd, ["a message"])


@pytest.mark.parametrize("lazy", [False, True])
def test_a_command_with_logs(run, lazy):
    done = run(Tool(logfiles={"extra": "extra.log", "none": "none.log"}, lazylogfiles=lazy))
    assert outcome(done) == (SUCCESS, "finished")
    assert done.logs["stdio"].startswith("ha message\nhhead\noone\notwo\nebad\n")
    assert done.logs["extra"] == "omore\n"
    assert ("none" in done.logs) is not lazy


def test_a_function_may_judge_the_command(run):
    def judge(cmd: Any, status: Any) -> int:
        assert (cmd.rc, status.getName()) == (0, "tool")
        return WARNINGS

    assert run(Tool(log_eval_func=judge)).results == WARNINGS


def test_the_hooks_are_asked_in_their_order(run):
    calls: list[Any] = []

    class Hooked(Tool):
        code = "3"

        def commandComplete(self, cmd: Any) -> None:
            calls.append(("complete", cmd.rc, cmd.logs["stdio"].readlines()))

        def createSummary(self, log: Any) -> Any:
            calls.append(("summary", log.getText()))
            return self.addCompleteLog("summary", "made of it\n")

        def evaluateCommand(self, cmd: Any) -> int:
            calls.append("evaluate")
            return WARNINGS

        def getText(self, cmd: Any, results: int) -> list[str]:
            return [*super().getText(cmd, results), "with", str(results)]

        def getText2(self, cmd: Any, results: int) -> list[str]:
            return ["for the build"]

    done = run(Hooked(warnOnWarnings=True, description="tooling", descriptionSuffix="here"))
    assert calls == [("complete", 3, ["one\n", "two\n"]), ("summary", "one\ntwo\nbad\n"), "evaluate"]
    assert outcome(done) == (WARNINGS, "tooling here with 1 here (warnings)")
    assert done.logs["summary"] == "made of it\n"
    assert done.build["state_string"] == "warnings for the build"


def test_the_hooks_of_a_shell_command_are_asked_without_a_start(run):
    class Judging(ShellCommand):
        def describe(self, done: bool = False) -> list[str]:
            return ["judged" if done else "judging", *super().describe(done)]

        def createSummary(self, log: Any) -> None:
            self.setStatistic("lines", len(log.readlines()))

        def evaluateCommand(self, cmd: Any) -> int:
            if "two" in cmd.logs["stdio"].getText():
                return WARNINGS
            return super().evaluateCommand(cmd)

    assert hooks_of(Judging) == ("createSummary", "evaluateCommand", "describe")
    assert hooks_of(ShellCommand) == ()
    with pytest.warns(DeprecationWarning, match=r"Judging.evaluateCommand\(\) is the way of releases before 3.0"):
        done = run(Judging(command=["x", "1"]))
    assert outcome(done) == (WARNINGS, "judged 'x 1' (warnings)")


def test_methods_that_only_have_the_name_of_a_hook_are_left_alone(run):
    class Helpful(ShellCommand):
        def getText(self) -> str:
            return "its own business"

        def setStatus(self, status: str) -> None:
            raise AssertionError("nobody called this")

        describe = "a word"

    assert hooks_of(Helpful) == ()
    assert outcome(run(Helpful(command=["x"]))) == (SUCCESS, "'x'")


def test_hooks_of_warning_counting_steps_are_todays(run, recwarn):
    class Counting(Compile):
        def createSummary(self) -> Any:
            self.setProperty("counted", self.warnCount, "here")
            return super().createSummary()

        def evaluateCommand(self, cmd: Any) -> int:
            return FAILURE if self.warnCount else super().evaluateCommand(cmd)

    async def warn(command: Any) -> None:
        command.out("x.c:1: warning: y\n")
        command.rc(0)

    done = run(Counting(), script=warn)
    assert (done.results, done.property("counted"), done.property("warnings-count")) == (FAILURE, 1, 1)
    assert [str(each.message) for each in recwarn if each.category is DeprecationWarning] == []


def test_an_older_create_summary_of_these_gets_the_log(run):
    class Counting(Compile):
        def createSummary(self, log: Any) -> Any:
            self.setProperty("lines", len(log.readlines()), "here")
            return Compile.createSummary(self, log)

    assert run(Counting()).property("lines") == 2


def test_describe_of_tests_has_their_numbers(run):
    class Mine(Test):
        def evaluateCommand(self, cmd: Any) -> int:
            self.setTestResults(total=3, failed=1)
            return SUCCESS

        def describe(self, done: bool = False) -> list[str]:
            return [*Test.describe(self, done), "in all"]

    assert run(Mine()).text == "test 3 tests 2 passed 1 failed in all"


def test_start_may_change_the_command_of_a_shell_command(run):
    class Choosing(ShellCommand):
        def start(self) -> None:
            self.setCommand(["make", Interpolate("%(prop:target)s")])
            super().start()

    done = run(Choosing(command=["replaced"]), properties={"target": "all"})
    assert done.commands[0][1]["command"] == ["make", "all"]
    assert outcome(done) == (SUCCESS, "'make all'")


def test_start_of_a_compile_counts_warnings(run):
    class Choosing(Compile):
        def start(self) -> None:
            self.setCommand(["cc"])
            super().start()

    async def warn(command: Any) -> None:
        command.out("x.c:1: warning: y\n")
        command.rc(0)

    done = run(Choosing(), script=warn)
    assert (done.results, done.property("warnings-count")) == (WARNINGS, 1)


def test_an_old_step_can_use_remote_commands_of_today(run):
    class Asking(BuildStep):
        def start(self) -> None:
            cmd = RemoteCommand("stat", {"file": "x"})
            d = self.runCommand(cmd)
            d.addCallback(lambda _: self.finished(FAILURE if cmd.didFail() else SUCCESS))
            d.addErrback(self.failed)

    async def fails(command: Any) -> None:
        command.rc(2)

    assert run(Asking(), script=fails).results == FAILURE
