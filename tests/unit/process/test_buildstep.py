"""Steps: what they are made from, how they run, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from buildmaster.locks import MasterLock
from buildmaster.process.buildstep import (
    BuildStep,
    BuildStepFailed,
    CommandMixin,
    ShellMixin,
    create_step_from_step_or_factory,
    get_factory_from_step_or_factory,
)
from buildmaster.process.logobserver import (
    BufferLogObserver,
    LineConsumerLogObserver,
    LogLineObserver,
    OutputProgressObserver,
)
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.properties import Interpolate, Property, renderer
from buildmaster.testing.sync import result_of
from tests.support.buildkit import BuildKit


class Shell(ShellMixin, BuildStep):
    """Runs a command."""

    name = "shell"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)

    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        return command.results()


class Answer(BuildStep):
    """Ends with what a function of the step says."""

    name = "answer"

    def __init__(self, function: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def run(self) -> Any:
        return self.function(self)


@pytest.fixture
def run(tmp_path: Path):
    """``run(step, …)`` runs a build of these steps; gives the kit."""
    kits: list[BuildKit] = []

    def go(*steps: Any, seconds: float = 2.0, script: Any = None, **kwargs: Any) -> BuildKit:
        more = {"script": script} if script is not None else {}
        kit = BuildKit(tmp_path, steps, **more, **kwargs)
        kits.append(kit)
        kit.build(seconds)
        return kit

    yield go
    for kit in kits:
        kit.stop()


def ended(kit: BuildKit) -> list[tuple[str, int, str]]:
    return [(step["name"], step["results"], step["state_string"]) for step in kit.steps()]


# -- a step as a factory -------------------------------------------------------------------------------------------


def test_a_step_remembers_how_it_was_made():
    step = Shell(command=["make"], name="compile", haltOnFailure=True)
    again = create_step_from_step_or_factory(step)
    assert type(again) is Shell and again is not step
    assert (again.command, again.name, again.haltOnFailure) == (["make"], "compile", True)
    assert again == step and again != Shell(command=["make"])
    assert get_factory_from_step_or_factory(step.get_step_factory()) is step.get_step_factory()


def test_arguments_of_the_steps_to_be_made_can_be_changed():
    step = Shell(command=["make"])
    step.set_step_arg("name", "other")
    assert create_step_from_step_or_factory(step).name == "other"


def test_is_exact_step_class():
    class More(Shell):
        pass

    assert More(command="x").is_exact_step_class(More) and not More(command="x").is_exact_step_class(Shell)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BuildStep(nonesuch=1), "unexpected keyword argument(s) ['nonesuch']"),
        (lambda: BuildStep(name=5), "the name must be a string"),
        (lambda: BuildStep(name="x" * 51), "exceeds maximum length of 50"),
        (lambda: BuildStep(description=5), "description must be a string or a list"),
        (lambda: BuildStep(updateBuildSummaryPolicy="x"), "must be a list of results or a boolean"),
        (lambda: Shell(comand="x"), "invalid Shell argument 'comand'"),
    ],
)
def test_mistakes_in_arguments_are_told(make, words):
    with pytest.raises(ConfigErrors) as info:
        make()
    assert words in str(info.value)


def test_setup_shell_mixin_refuses_what_the_step_sets_itself():
    class Fixed(ShellMixin, BuildStep):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))

    with pytest.raises(ConfigErrors, match="'command'"):
        Fixed(command="x")
    assert Fixed(timeout=5).timeout == 5


# -- running -------------------------------------------------------------------------------------------------------


def test_a_step_may_answer_at_once_or_with_a_deferred_or_as_a_coroutine(run):
    async def coroutine(step):
        return WARNINGS

    kit = run(Answer(lambda s: SUCCESS), Answer(lambda s: defer.succeed(FAILURE)), Answer(coroutine))
    assert [results for _, results, _ in ended(kit)] == [SUCCESS, FAILURE, WARNINGS]


def test_steps_of_one_name_are_told_apart(run):
    kit = run(
        *[Answer(lambda s: SUCCESS) for _ in range(3)],
        Answer(lambda s: SUCCESS, name=Interpolate("n %(prop:buildnumber)s")),
    )
    assert [name for name, _, _ in ended(kit)] == ["answer", "answer_1", "answer_2", "n 1"]
    assert [step["number"] for step in kit.steps()] == [1, 2, 3, 4]


def test_an_exception_leaves_its_traceback_and_the_build_goes_on(run):
    kit = run(Answer(lambda s: 1 / 0), Answer(lambda s: SUCCESS, alwaysRun=True), Answer(lambda s: SUCCESS))
    assert [results for _, results, _ in ended(kit)] == [EXCEPTION, SUCCESS]
    assert "ZeroDivisionError" in kit.log("answer", "err.text")
    assert kit.last()["results"] == EXCEPTION
    assert kit.last()["state_string"] == "exception finished (exception)"


def test_a_step_can_fail_without_a_traceback(run):
    def fail(step):
        raise BuildStepFailed

    kit = run(Answer(fail))
    assert ended(kit) == [("answer", FAILURE, "finished (failure)")] and kit.log_names("answer") == []


def test_what_is_no_result_is_an_exception(run):
    kit = run(Answer(lambda s: "done"))
    assert ended(kit)[0][1] == EXCEPTION
    assert "must return a result like SUCCESS, not 'done'" in kit.log("answer", "err.text")


def test_renderables_are_rendered_before_the_step_runs(run):
    class Rendered(Shell):
        renderables = ["extra"]

        def __init__(self, extra: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.extra = extra

    step = Rendered(
        command=["echo", Property("branch"), Interpolate("%(prop:buildername)s")],
        extra=[Property("x", "default")],
        workdir=Interpolate("dir-%(prop:branch)s"),
        env={"A": Property("branch")},
        description=Property("branch"),
    )
    kit = run(step, env={"B": Property("buildername"), "A": "below"})
    args = kit.worker.commands[0].args
    assert args["command"] == ["echo", "main", "b"] and args["workdir"] == "dir-main"
    assert args["env"] == {"A": "main", "B": "b"}
    assert ended(kit)[0][2] == "'echo main ...'"


def test_a_renderable_that_raises_is_an_exception(run):
    kit = run(Shell(command=renderer(lambda p: 1 / 0)))
    assert ended(kit)[0][1] == EXCEPTION and "ZeroDivisionError" in kit.log("shell", "err.text")


@pytest.mark.parametrize("condition", [False, lambda step: False, lambda step: defer.succeed(0), Property("no", "")])
def test_a_step_that_is_not_wanted_is_skipped_and_not_rendered(run, condition):
    kit = run(Shell(command=renderer(lambda p: 1 / 0), doStepIf=condition))
    assert ended(kit) == [("shell", SKIPPED, "finished (skipped)")]
    assert kit.last()["results"] == SUCCESS


def test_a_condition_may_be_a_comparison_of_renderables(run):
    kit = run(
        Answer(lambda s: SUCCESS, doStepIf=Property("branch") == "main"),
        Answer(lambda s: SUCCESS, doStepIf=Property("branch") == "other"),
    )
    assert [results for _, results, _ in ended(kit)] == [SUCCESS, SKIPPED]


def test_a_step_can_be_hidden_by_its_result(run):
    kit = run(
        Answer(lambda s: SUCCESS, hideStepIf=lambda results, step: results == SUCCESS),
        Answer(lambda s: SUCCESS, hideStepIf=True),
        Answer(lambda s: FAILURE, hideStepIf=lambda results, step: results == SUCCESS),
        Answer(lambda s: SUCCESS, hideStepIf=lambda results, step: 1 / 0),
    )
    assert [(step["hidden"], step["results"]) for step in kit.steps()] == [
        (True, SUCCESS),
        (True, SUCCESS),
        (False, FAILURE),
        (False, EXCEPTION),
    ]


def test_an_old_step_works_and_is_warned_of(run):
    class Old(BuildStep):
        name = "old"

        def start(self) -> None:
            self.step_status.setText(["did", "it"])
            self.finished(WARNINGS)

    with pytest.warns(DeprecationWarning, match=r"Old.start\(\) is the way of releases before 0.9"):
        kit = run(Old())
    assert ended(kit) == [("old", WARNINGS, "did it (warnings)")]


def test_an_old_step_can_fail(run):
    class Old(BuildStep):
        name = "old"

        def start(self) -> Any:
            d = self.runCommand(RemoteCommand("nosuchcommand", {}))
            d.addErrback(self.failed)

    with pytest.warns(DeprecationWarning):
        kit = run(Old())
    assert ended(kit)[0][1] == EXCEPTION


# -- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rc", "decode", "expected"),
    [(0, None, SUCCESS), (1, None, FAILURE), (3, {0: SUCCESS, 3: WARNINGS}, WARNINGS), (4, {3: WARNINGS}, FAILURE)],
)
def test_the_exit_code_decides(run, rc, decode, expected):
    more = {"decodeRC": decode} if decode else {}
    kit = run(Shell(command=["exit", str(rc), "some text\n"], **more))
    assert ended(kit)[0][1] == expected
    assert kit.log("shell") == f"osome text\nhprogram finished with exit code {rc}\n"


def test_the_summary_is_the_commands_first_words(run):
    kit = run(
        Shell(command="make all -j 4"),
        Shell(command=["exit", "1"]),
        Shell(command=["x", ("obfuscated", "secret", "XXX")], descriptionSuffix="here"),
        Shell(command=["make"], description="making", descriptionDone=["made", "it"]),
    )
    assert [text for _, _, text in ended(kit)] == ["'make all ...'", "'exit 1' (failure)", "'x XXX'", "made it"]


def test_output_is_collected_if_asked_for(run):
    async def collect(step):
        step.remote_command = command = RemoteCommand(
            "shell", {"command": ["exit", "0", "abc\n"]}, collectStdout=True, collectStderr=True
        )
        await step.runCommand(command)
        return SUCCESS if (command.stdout, command.stderr, command.rc) == ("abc\n", "", 0) else FAILURE

    assert ended(run(Answer(collect)))[0][1] == SUCCESS


def test_log_files_of_a_command(run):
    async def script(command):
        command.log("errors", "one\n")
        command.log("errors", "two\n")
        command.rc(0)

    eager = Shell(command="x", logfiles={"errors": "e.txt", "never": "n.txt"})
    lazy = Shell(command="x", logfiles={"errors": "e.txt", "never": "n.txt"}, lazylogfiles=True)
    kit = run(eager, lazy, script=script)
    assert kit.log_names("shell") == ["stdio", "errors", "never"]
    assert kit.log_names("shell_1") == ["stdio", "errors"]
    assert kit.log("shell", "errors") == kit.log("shell_1", "errors") == "oone\notwo\n"


def test_short_cuts_to_worker_commands(run):
    class Files(CommandMixin, BuildStep):
        name = "files"

        async def run(self) -> int:
            found = await self.runGlob("*.c")
            good = [await self.runMkdir("d"), await self.runRmdir("d"), await self.pathExists("d")]
            return SUCCESS if (found, good) == (["a.c"], [True, True, False]) else FAILURE

    async def script(command):
        if command.name == "glob":
            command.send(files=["a.c"])
        command.rc(1 if command.name == "stat" else 0)

    kit = run(Files(), script=script)
    assert ended(kit)[0][1] == SUCCESS
    assert [(each.name, each.args.get("dir")) for each in kit.worker.commands] == [
        ("glob", None),
        ("mkdir", "d"),
        ("rmdir", "d"),
        ("stat", None),
    ]


def test_a_failed_short_cut_ends_the_step(run):
    class Files(CommandMixin, BuildStep):
        name = "files"

        async def run(self) -> int:
            await self.runMkdir("d")
            return SUCCESS

    async def script(command):
        command.rc(1)

    assert ended(run(Files(), script=script))[0][1] == FAILURE


def test_versions_of_the_workers_commands(run):
    def look(step):
        assert step.workerVersion("shell") == "3.3" and step.workerVersion("nosuch") is None
        assert step.workerVersionIsOlderThan("shell", "3.10") and not step.workerVersionIsOlderThan("shell", "3.3")
        assert step.workerVersionIsOlderThan("nosuch", "0.1")
        step.checkWorkerHasCommand("nosuch")

    kit = run(Answer(look))
    assert "worker w is too old, it does not know the command 'nosuch'" in kit.log("answer", "err.text")


# -- logs and observers --------------------------------------------------------------------------------------------


def test_logs_of_a_step(run):
    async def write(step):
        log = await step.addLog("my log")
        log.addStdout("text\n")
        await step.addCompleteLog("summary", "short")
        await step.addHTMLLog("page", "<b>")
        assert step.getLog("my log") is log
        with pytest.raises(KeyError):
            step.getLog("nosuch")
        return SUCCESS

    kit = run(Answer(write))
    logs = kit.get("steps", 2, "logs")
    assert [(log["name"], log["slug"], log["type"], log["complete"]) for log in logs] == [
        ("my log", "my_log", "s", True),
        ("summary", "summary", "t", True),
        ("page", "page", "h", True),
    ]
    assert kit.log("answer", "summary") == "short\n"


def test_observers_see_the_output(run):
    class Count(LogLineObserver):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[str] = []

        def outLineReceived(self, line: str) -> None:
            self.lines.append(line)
            self.step.setProgress("tests", len(self.lines))

    fed: list[tuple[str, str]] = []

    def consume():
        while True:
            fed.append((yield))

    class Observed(Shell):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.count, self.buffer = Count(), BufferLogObserver(wantStderr=True)
            self.addLogObserver("stdio", self.count)
            self.addLogObserver("stdio", self.buffer)
            self.addLogObserver("stdio", LineConsumerLogObserver(consume))
            self.addLogObserver("stdio", OutputProgressObserver("output"))
            self.progressMetrics += ("tests",)

        async def run(self) -> int:
            await super().run()
            await self.getLog("stdio").finish()
            self.setProperty("seen", [self.count.lines, self.buffer.getStdout(), self.buffer.getStderr()], "me")
            self.setProperty("metrics", self.progress.metrics, "me")
            return SUCCESS

    async def script(command):
        command.out("on")
        command.out("e\ntwo\n")
        command.err("bad\n")
        command.rc(0)

    kit = run(Observed(command="x"), script=script)
    assert kit.properties()["seen"] == [["one", "two"], "one\ntwo\n", "bad\n"]
    assert kit.properties()["metrics"]["tests"] == 2
    assert fed == [("o", "one"), ("o", "two"), ("e", "bad"), ("h", "program finished with exit code 0")]


def test_an_observer_may_take_its_time_for_each_line(run):
    seen: list[str] = []

    class Slow(LogLineObserver):
        async def outLineReceived(self, line: str) -> None:
            await task.deferLater(self.step.master.reactor, 5, lambda: None)
            seen.append(line)
            await self.step.addURL(line, f"http://here/{line}")

    def lines(step: Any) -> Any:
        step.addLogObserver("l", Slow())
        log = result_of(step.addLog("l"))
        log.addStdout("a\nb\n")
        log.addStdout("c\n")
        return SUCCESS

    kit = run(Answer(lines), seconds=20)
    assert seen == ["a", "b", "c"]
    assert [url["name"] for url in kit.steps()[0]["urls"]] == ["a", "b", "c"]


def test_a_step_whose_observer_hangs_can_be_stopped(run):
    class Hanging(LogLineObserver):
        def outLineReceived(self, line: str) -> Any:
            return defer.Deferred()

    def lines(step: Any) -> Any:
        step.addLogObserver("l", Hanging())
        result_of(step.addLog("l")).addStdout("a\n")
        return SUCCESS

    kit = run(Answer(lines))
    assert not kit.last()["complete"]
    kit.running.stopBuild("enough")
    kit.advance(120)
    assert kit.last()["results"] == CANCELLED


def test_an_observer_that_raises_makes_the_step_an_exception(run):
    class Wrong(LogLineObserver):
        def outLineReceived(self, line: str) -> None:
            raise ValueError(line)

    class Observed(Shell):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.addLogObserver("stdio", Wrong())

    kit = run(Observed(command=["exit", "0", "x\n"]))
    assert ended(kit)[0][1] == EXCEPTION and kit.log("shell").startswith("ox\n")


# -- other results -------------------------------------------------------------------------------------------------


def test_links_statistics_and_properties(run):
    async def work(step):
        await step.addURL("docs", "http://docs")
        await step.addURL("docs", "http://docs")
        step.setStatistic("warnings", step.getStatistic("warnings", 0) + 2)
        assert step.hasStatistic("warnings") and step.getStatistics() == {"warnings": 2}
        step.setProperty("got_revision", "abc", "me")
        step.setProperty("total", step.build.getSummaryStatistic("warnings", lambda a, b: a + b, 0), "me")
        return SUCCESS

    kit = run(Answer(work), Answer(work))
    assert kit.steps()[0]["urls"] == [{"name": "docs", "url": "http://docs"}]
    assert (kit.properties()["got_revision"], kit.properties()["total"]) == ("abc", 4)


def test_summaries_are_asked_for_again_but_not_too_often(run):
    asked: list[float] = []

    class Busy(Shell):
        counter = 0

        def getCurrentSummary(self) -> Any:
            asked.append(self.master.reactor.seconds())
            return {"step": f"file {self.counter}"}

        async def run(self) -> int:
            for self.counter in range(100):
                self.updateSummary()
                await defer.succeed(None)
            return await super().run()

    async def script(command):
        await command.sleep(3)
        command.rc(0)

    kit = run(Busy(command="x"), script=script, seconds=2)
    assert kit.steps()[0]["state_string"] == "file 99" and len(asked) == 2


def test_a_summary_may_have_a_part_for_the_build(run):
    class Summed(Answer):
        def getResultSummary(self) -> Any:
            return defer.succeed({"step": "3 tests", "build": "tests: 3"})

    kit = run(Summed(lambda s: SUCCESS), Answer(lambda s: FAILURE, updateBuildSummaryPolicy=False))
    assert kit.steps()[0]["state_string"] == "3 tests"
    assert kit.last()["state_string"] == "failed tests: 3"


def test_a_secret_is_hidden_in_the_texts_of_steps_and_builds(run):
    @renderer
    def secret(props):
        props.useSecret("hunter2", "pw")
        return "hunter2"

    kit = run(Shell(command=["exit", secret], decodeRC={0: FAILURE}), script=_print_command)
    assert ended(kit)[0][2] == "'exit <pw>' (failure)"
    assert kit.last()["state_string"] == "failed 'exit <pw>' (failure)"
    assert "hunter2" not in kit.log("shell") and "<pw>" in kit.log("shell")


async def _print_command(command):
    command.header(f"argv: {command.args['command']}\n")
    command.rc(0)


# -- being stopped -------------------------------------------------------------------------------------------------


def test_a_command_is_interrupted_when_the_build_is_stopped(run):
    kit = run(Shell(command=["hang"]), Answer(lambda s: SUCCESS), Answer(lambda s: SUCCESS, alwaysRun=True))
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(1)
    assert [(name, results) for name, results, _ in ended(kit)] == [
        ("shell", CANCELLED),
        ("answer", SUCCESS),
    ]
    assert kit.worker.commands[0].interrupted == "enough"
    assert (kit.last()["results"], kit.log("shell", "cancelled")) == (CANCELLED, "enough\n")


def test_a_worker_that_does_not_react_can_not_keep_a_step_from_ending(run):
    kit = run(Shell(command=["hang"]))
    kit.worker.deaf = True
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(9)
    assert kit.last()["complete"] is False
    kit.advance(2)
    assert kit.last()["results"] == CANCELLED


def test_a_step_that_ignores_the_stop_is_left_behind(run):
    kit = run(Answer(lambda s: defer.Deferred()))
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(14)
    assert kit.last()["complete"] is False
    kit.advance(2)
    assert (kit.last()["results"], ended(kit)[0][1]) == (CANCELLED, CANCELLED)


def test_what_a_step_does_after_it_was_left_behind_is_void(run):
    late: defer.Deferred[None] = defer.Deferred()
    happened: list[Any] = []

    async def ignore_the_stop(step):
        log = await step.addLog("log")
        log.addStdout("before\n")
        while not late.called:
            try:
                await late
            except defer.CancelledError:
                break
        log.addStdout("after\n")
        happened.append(await step.runCommand(RemoteCommand("mkdir", {"dir": "x"})))
        try:
            await step.addLog("other")
        except RuntimeError as e:
            happened.append(str(e))
        return SUCCESS

    kit = run(Answer(ignore_the_stop))
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(70)
    assert ended(kit)[0][1] == CANCELLED and kit.log("answer", "log") == "obefore\n"
    assert happened == [CANCELLED, "step 'answer' has ended, it can't have the log 'other' any more"]
    assert kit.worker.commands == []


def test_a_command_that_is_silent_far_beyond_its_limits_is_given_up(run):
    kit = run(Shell(command=["hang"], timeout=100, maxTime=None))
    kit.advance(217)
    assert kit.last()["complete"] is False
    kit.advance(5)
    assert kit.last()["results"] == EXCEPTION
    assert "was silent for 220 s" in kit.log("shell", "err.text")


# -- locks ---------------------------------------------------------------------------------------------------------


def test_a_step_waits_for_its_lock(run):
    lock = MasterLock("l")
    kit = run(Shell(command=["exit", "0"], locks=[lock.access("exclusive")]), seconds=0)
    assert ended(kit)[0][1] == SUCCESS
    real, access = kit.master.locks.resolve([lock.access("exclusive")], "w", 0)[0]
    real.claim(kit, access)
    kit.build(5)
    step = kit.steps()[0]
    assert (step["state_string"], step["locks_acquired_at"]) == ("waiting for locks", None)
    real.release(kit, access)
    kit.advance(1)
    assert kit.last()["results"] == SUCCESS and kit.last()["locks_duration_s"] == 5
    assert real.owners == []


def test_a_step_that_waits_for_a_lock_can_be_stopped(run):
    access = MasterLock("l").access("exclusive")
    kit = run(Shell(command=["exit", "0"], locks=[access]), seconds=0)
    real, _ = kit.master.locks.resolve([access], "w", 0)[0]
    real.claim(kit, access)
    kit.build(5)
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(1)
    assert kit.last()["results"] == CANCELLED
    assert kit.log("shell", "cancelled while waiting for locks") == "enough\n"
    real.release(kit, access)
    assert real.isAvailable("anybody", access)


def test_a_step_may_not_want_a_lock_that_its_build_holds(run):
    access = MasterLock("l").access("exclusive")
    kit = run(Shell(command=["exit", "0"], locks=[access]), locks=[access])
    assert ended(kit)[0][1] == EXCEPTION and "which its build holds" in kit.log("shell", "err.text")
