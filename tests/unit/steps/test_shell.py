"""Steps that run a command and judge it."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from buildmaster.steps import shell
from tests.support.one_step import run_steps


def says(stdout="", stderr="", rc=0):
    async def script(command):
        if stdout:
            command.out(stdout)
        if stderr:
            command.err(stderr)
        command.rc(rc)

    return script


def test_a_command_that_exits_with_zero_is_a_success(tmp_path):
    done = run_steps(tmp_path, shell.ShellCommand(command=["make", "all"]))
    assert (done.results, done.text) == (SUCCESS, "'make all'")
    ((name, args),) = done.commands
    assert (name, args["command"], args["workdir"], args["timeout"]) == ("shell", ["make", "all"], "build", 1200)


def test_a_command_that_exits_otherwise_is_a_failure(tmp_path):
    done = run_steps(tmp_path, shell.ShellCommand(command="false"), script=says(rc=1))
    assert (done.results, done.text, done.build["results"]) == (FAILURE, "'false' (failure)", FAILURE)


def test_exit_codes_can_be_decoded(tmp_path):
    step = shell.ShellCommand(command="x", decodeRC={0: SUCCESS, 3: WARNINGS})
    assert run_steps(tmp_path, step, script=says(rc=3)).results == WARNINGS


def test_a_shell_command_needs_a_command():
    with pytest.raises(ConfigErrors) as caught:
        shell.ShellCommand()
    assert caught.value.errors == ["ShellCommand's `command' argument is not specified"]


def test_output_becomes_a_property(tmp_path):
    step = shell.SetPropertyFromCommand(command="uname", property="os")
    done = run_steps(tmp_path, step, script=says(" Linux \n", "noise\n"))
    assert done.properties["os"] == ("Linux", "SetPropertyFromCommand Step")
    assert (done.text, done.logs["property changes"]) == ("property 'os' set", "os: 'Linux'\n")


class PerCodebase(shell.SetPropertyFromCommand):
    """Overrides what stores the value, with the three arguments that it always had."""

    def setProperty(self, propname, value, source):
        return super().setProperty(propname, {"zfs": value}, source)


def test_a_subclass_may_store_the_value_in_its_own_way(tmp_path):
    step = PerCodebase(command="uname", property="got_revision")
    done = run_steps(tmp_path, step, script=says("Linux\n"))
    assert done.properties["got_revision"] == ({"zfs": "Linux"}, "SetPropertyFromCommand Step")


def test_output_of_a_failed_command_becomes_no_property(tmp_path):
    step = shell.SetPropertyFromCommand(command="uname", property="os")
    done = run_steps(tmp_path, step, script=says("Linux", rc=2))
    assert done.results == FAILURE
    assert "os" not in done.properties


def test_a_function_extracts_several_properties_even_after_a_failure(tmp_path):
    step = shell.SetPropertyFromCommand(command="x", extract_fn=lambda rc, out, err: {"rc": rc, "both": out + err})
    done = run_steps(tmp_path, step, script=says("a\n", "b\n", rc=7))
    assert (done.results, done.property("rc"), done.property("both")) == (FAILURE, 7, "a\nb\n")
    assert done.text == "2 properties set (failure)"


def test_exactly_one_way_to_name_properties_is_allowed():
    for kwargs in ({}, {"property": "p", "extract_fn": lambda *a: {}}):
        with pytest.raises(ConfigErrors, match="exactly one of property and extract_fn must be set"):
            shell.SetPropertyFromCommand(command="x", **kwargs)


def test_the_size_of_the_tree_is_kept(tmp_path):
    done = run_steps(tmp_path, shell.TreeSize(), script=says("292  .\n"))
    assert (done.property("tree-size-KiB"), done.text) == (292, "treesize 292 KiB")


OUTPUT = """\
normal: line
a.c:10: warning: unused
make[1]: Entering directory `sub'
b.c:20: Warning: odd
make[1]: Leaving directory `sub'
"""


def test_warnings_are_counted_over_the_steps_of_a_build(tmp_path):
    steps = shell.Compile(command="make"), shell.Compile(command="make")
    done = run_steps(tmp_path, *steps, script=says(OUTPUT))
    assert (done.results, done.text) == (WARNINGS, "compile (warnings)")
    assert done.logs["warnings (2)"] == "a.c:10: warning: unused\nb.c:20: Warning: odd\n"
    assert done.properties["warnings-count"] == (4, "WarningCountingShellCommand")


def test_what_is_said_about_the_command_is_no_warning(tmp_path):
    async def script(command):
        command.header("cc -Wno-warning: x\n")
        command.rc(0)

    assert run_steps(tmp_path, shell.Compile(command="cc"), script=script).results == SUCCESS


def test_too_many_warnings_are_a_failure(tmp_path):
    done = run_steps(tmp_path, shell.Compile(command="make", maxWarnCount=1), script=says(OUTPUT))
    assert done.results == FAILURE


def test_a_failed_command_stays_a_failure(tmp_path):
    assert run_steps(tmp_path, shell.Compile(command="make"), script=says(OUTPUT, rc=2)).results == FAILURE


PATTERN = r"(.*?):([0-9]+): [Ww]arning: (.*)$"


@pytest.mark.parametrize(
    ("suppression", "left"),
    [
        ((None, "unused", None, None), 1),
        (("b.c", None, None, None), 1),
        (("^b.c", None, None, None), 2),
        (("^sub/b.c", None, None, None), 1),
        (("b.c", "odd", 15, 25), 1),
        (("b.c", "odd", 21, 25), 2),
        ((None, None, None, None), 0),
    ],
)
def test_suppressions_match_file_text_and_line(tmp_path, suppression, left):
    step = shell.Compile(
        command="make",
        warningPattern=PATTERN,
        warningExtractor=shell.Compile.warnExtractFromRegexpGroups,
        suppressionList=[suppression],
    )
    done = run_steps(tmp_path, step, script=says(OUTPUT))
    assert done.property("warnings-count") == left


def test_suppressions_are_read_from_a_file_on_the_worker(tmp_path):
    async def script(command):
        if command.name == "uploadFile":
            await command.write(b"# comment\n\na.c : unused : 5-15\n")
        else:
            command.out(OUTPUT)
        command.rc(0)

    step = shell.Compile(
        command="make",
        warningPattern=PATTERN,
        warningExtractor=shell.Compile.warnExtractFromRegexpGroups,
        suppressionFile="supp",
    )
    done = run_steps(tmp_path, step, script=script)
    assert done.logs["warnings (1)"] == "b.c:20: Warning: odd\n"


def test_tests_report_their_numbers(tmp_path):
    class MyTest(shell.Test):
        def createSummary(self):
            self.setTestResults(total=5, failed=1, passed=3, warnings=1)

    done = run_steps(tmp_path, MyTest(command="t"))
    assert done.text == "test 5 tests 3 passed 1 warnings 1 failed"


@pytest.mark.parametrize(
    ("output", "text", "results"),
    [
        ("t/1..ok\nAll tests successful.\nFiles=1, Tests=5,  0 secs\n", "test 5 tests 5 passed", SUCCESS),
        (
            "Test Summary Report\nt/1 (Wstat: 0 Tests: 5 Failed: 2)\nFiles=1, Tests=5\nResult: FAIL\n",
            "test 5 tests 3 passed 2 failed (failure)",
            FAILURE,
        ),
        ("Failed 1/1 test programs. 3/5 subtests failed.\n", "test 5 tests 2 passed 3 failed (failure)", FAILURE),
    ],
)
def test_perl_tests_are_counted(tmp_path, output, text, results):
    done = run_steps(tmp_path, shell.PerlModuleTest(command="prove"), script=says(output))
    assert (done.text, done.results) == (text, results)


def test_a_stopped_command_is_cancelled(tmp_path):
    async def script(command):
        await command.stall()

    def stop(kit, worker):
        kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))

    done = run_steps(tmp_path, shell.ShellCommand(command="x"), script=script, meanwhile=stop)
    assert (done.results, done.build["results"]) == (CANCELLED, CANCELLED)
