"""The kit for testing steps without trial: what it says when a step is not as expected."""

from __future__ import annotations

import importlib

import pytest

from buildmaster.plugins import steps
from buildmaster.process.results import SUCCESS
from buildmaster.test.reactor import TestReactorMixin
from buildmaster.test.steps import Expect, ExpectRmdir, ExpectShell, TestBuildStepMixin
from tests.trial.steps_kit import Odd


@pytest.fixture
def case():
    """The kit without a test case around it."""

    class Case(TestBuildStepMixin, TestReactorMixin):
        pass

    made = Case()
    made.setup_test_reactor()
    made.setup_test_build_step()
    yield made
    made.tear_down_test_build_step()
    made.tear_down_test_reactor()


def complaint(case):
    with pytest.raises(AssertionError) as caught:
        case.run_step()
    return str(caught.value)


def test_a_mismatch_tells_what_was_expected_and_what_was_run(case):
    case.setup_step(steps.ShellCommand(command=["a"], env={"X": "1"}))
    case.expect_commands(ExpectShell(workdir="wkdir", command=["b"], timeout=5))
    assert complaint(case).splitlines()[:10] == [
        "command 1 is not as expected:",
        "    env.X",
        "      expected: (not given)",
        "      run:      '1'",
        "    command",
        "      expected: ['b']",
        "      run:      ['a']",
        "    timeout",
        "      expected: 5",
        "      run:      1200",
    ]


def test_other_kinds_of_mismatch(case):
    case.setup_step(steps.ShellCommand(command=["a"]))
    case.expect_commands(ExpectRmdir(dir="d"), Expect("own", {"x": 1}))
    case.expect_outcome(SUCCESS)
    case.expect_property("p", 1)
    case.expect_no_property("buildername")
    case.expect_log_file("nolog", "")
    text = complaint(case)
    assert "    expected: ExpectRmdir('rmdir', {'dir': 'd'})\n    run:      shell {'workdir': 'wkdir'" in text
    assert "expected, but not run: Expect('own', {'x': 1})" in text
    assert "expected 0 (success), got 4 (exception)" in text
    assert "the property 'p' was not set; expected: 1" in text
    assert "the property 'buildername' was not to be set; it is 'builder'" in text
    assert "has no log 'nolog'; it has" in text
    assert "commands that were run:\n    1. shell {'workdir': 'wkdir'" in text


def test_a_command_too_many(case):
    case.setup_step(steps.ShellCommand(command=["a"]))
    assert "expected: no more than 0 commands" in complaint(case)


def test_the_worker_is_as_the_test_says(case):
    case.setup_build(worker_version={"shell": "2.9"}, worker_env={"HOME": "/h"}, build_files=["x.c"])
    step = case.setup_step(steps.ShellCommand(command=["a"]), want_default_work_dir=False)
    assert (step.workerVersion("shell"), step.workerVersion("mkdir"), step.workdir) == ("2.9", None, "build")
    assert (case.worker.worker_environ, case.build.allFiles()) == ({"HOME": "/h"}, ["x.c"])
    case.change_worker_system("win32")
    assert case.build.path_module.join("a", "b") == "a\\b"
    assert case.get_nth_step(0) is step
    with pytest.raises(ValueError, match="give these to setup_build"):
        case.setup_step(steps.ShellCommand(command=["b"]), worker_env={})


def test_the_kit_is_reached_under_both_names():
    for name in ("steps", "reactor"):
        ours = importlib.import_module(f"buildmaster.test.{name}")
        assert importlib.import_module(f"buildbot.test.{name}") is ours


def test_a_test_that_gives_up_leaves_nothing(case):
    case.setup_step(Odd())
    case.build.setProperty("mine", "", "test")
    assert not case.run_step().called
    case.tear_down_test_build_step()
    assert case.reactor.getDelayedCalls() == []
