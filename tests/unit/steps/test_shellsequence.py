"""Several commands in one step."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS, WARNINGS
from buildmaster.properties import Interpolate, Property, renderer
from buildmaster.steps.shellsequence import ShellArg, ShellSequence
from tests.support.one_step import run_steps


async def script(command):
    command.out(f"{command.args['command']}\n")
    command.rc(1 if "bad" in command.args["command"] else 0)


def ran(done):
    return [args["command"] for _, args in done.commands]


def test_all_commands_run_each_with_its_log(tmp_path):
    done = run_steps(
        tmp_path,
        ShellSequence(
            commands=[ShellArg("one"), ShellArg("two", logname="second"), ShellArg("three", logname="stdio x")]
        ),
        script=script,
    )
    assert (done.results, done.text, ran(done)) == (SUCCESS, "'three'", ["one", "two", "three"])
    assert sorted(done.logs) == ["stdio", "stdio second", "stdio x"]
    assert "otwo\n" in done.logs["stdio second"]


def test_a_failure_goes_on_unless_it_halts(tmp_path):
    commands = [ShellArg("bad 1"), ShellArg("bad 2", haltOnFailure=True), ShellArg("never")]
    done = run_steps(tmp_path, ShellSequence(commands=commands), script=script)
    assert (done.results, ran(done)) == (FAILURE, ["bad 1", "bad 2"])


def test_flags_say_what_a_failure_means(tmp_path):
    commands = [ShellArg("bad", flunkOnFailure=False, warnOnFailure=True), ShellArg("fine")]
    assert run_steps(tmp_path, ShellSequence(commands=commands), script=script).results == WARNINGS


def test_empty_commands_are_passed_over(tmp_path):
    done = run_steps(tmp_path, ShellSequence(commands=[ShellArg(""), ShellArg([]), ShellArg("one")]), script=script)
    assert (done.results, ran(done)) == (SUCCESS, ["one"])


def test_the_list_and_its_parts_may_be_renderables(tmp_path):
    @renderer
    def commands(props):
        return [ShellArg(Interpolate("make %(prop:goal)s"), logname=Property("goal"))]

    done = run_steps(tmp_path, ShellSequence(commands=commands), script=script, properties={"goal": "all"})
    assert (ran(done), list(done.logs)) == (["make all"], ["stdio all"])


def test_what_is_no_shellarg_is_an_exception(tmp_path):
    assert run_steps(tmp_path, ShellSequence(commands=["make"]), script=script).results == EXCEPTION


def test_a_subclass_decides_what_runs_and_what_is_said(tmp_path):
    class Mine(ShellSequence):
        def shouldRunTheCommand(self, cmd):
            return cmd != "no"

        def getFinalState(self):
            return ["all", "said"]

    done = run_steps(tmp_path, Mine(commands=[ShellArg("yes"), ShellArg("no")]), script=script)
    assert (ran(done), done.text) == (["yes"], "all said")


@pytest.mark.parametrize("kwargs", [{"command": 5}, {"command": None}, {"command": "x", "haltOnFailre": True}])
def test_mistakes_in_an_argument_are_told(kwargs):
    with pytest.raises(ConfigErrors):
        ShellArg(**kwargs)


def test_an_argument_under_its_former_name():
    with pytest.deprecated_call(match="logfile is called logname"):
        assert ShellArg("x", logfile="second").logname == "second"
