"""Build factories for common kinds of projects: the steps that they make."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.factory import (
    CPAN,
    BasicBuildFactory,
    BasicSVN,
    Distutils,
    GNUAutoconf,
    QuickBuildFactory,
    Trial,
    s,
)
from buildmaster.steps.python_twisted import Trial as TrialStep
from buildmaster.steps.shell import Compile, Configure, PerlModuleTest, ShellCommand, Test
from buildmaster.steps.source.cvs import CVS
from buildmaster.steps.source.svn import SVN

SOURCE = BuildStep(name="source")


def made(factory: Any) -> list[tuple[type, Any]]:
    """The steps after the first: class and command."""
    assert factory.steps[0].kwargs == {"name": "source"}
    return [(step.step_class, step.kwargs["command"]) for step in factory.steps[1:]]


MAKE = [(Compile, ["make", "all"]), (Test, ["make", "check"]), (Test, ["make", "distcheck"])]

EXAMPLES = [
    (GNUAutoconf(SOURCE), [(Configure, "./configure"), *MAKE]),
    (GNUAutoconf(SOURCE, configure=None, compile=None, test=None, distcheck=None), []),
    (
        GNUAutoconf(SOURCE, reconf=True, configureFlags=["--with x"]),
        [(ShellCommand, ["autoreconf", "-si"]), (Configure, ["./configure", "--with x"]), *MAKE],
    ),
    (
        GNUAutoconf(SOURCE, "./configure -q", reconf="./autogen.sh", compile="make it", test=["t"], distcheck=None),
        [(ShellCommand, "./autogen.sh"), (Configure, "./configure -q"), (Compile, "make it"), (Test, ["t"])],
    ),
    (
        GNUAutoconf(SOURCE, configure=["./conf", "a"], configureFlags=["b"], distcheck=None),
        [(Configure, ["./conf", "a", "b"]), *MAKE[:2]],
    ),
    (
        CPAN(SOURCE, perl=["perl5", "-w"]),
        [(Configure, ["perl5", "-w", "Makefile.PL"]), (Compile, ["make"]), (PerlModuleTest, ["make", "test"])],
    ),
    (Distutils(SOURCE), [(Compile, ["python", "./setup.py", "build"])]),
    (Distutils(SOURCE, python="py", test="t"), [(Compile, ["py", "./setup.py", "build"]), (Test, "t")]),
]


@pytest.mark.parametrize(("factory", "steps"), EXAMPLES)
def test_it_makes_these_steps(factory, steps):
    assert made(factory) == steps


SOURCES = [
    (BasicBuildFactory("root", "m"), CVS, {"cvsroot": "root", "cvsmodule": "m", "mode": "full", "method": "clobber"}),
    (
        BasicBuildFactory("root", "m", cvsCopy=True),
        CVS,
        {"cvsroot": "root", "cvsmodule": "m", "mode": "full", "method": "copy"},
    ),
    (QuickBuildFactory("root", "m"), CVS, {"cvsroot": "root", "cvsmodule": "m", "mode": "incremental"}),
    (BasicSVN("svn://x"), SVN, {"repourl": "svn://x", "mode": "incremental"}),
]


@pytest.mark.parametrize(("factory", "step", "arguments"), SOURCES)
def test_it_gets_the_sources_itself(factory, step, arguments):
    source, *rest = factory.steps
    assert (source.step_class, source.kwargs) == (step, arguments)
    assert [one.kwargs["command"] for one in rest] == ["make all", "make check", ["make", "distcheck"]]
    assert factory.useProgress is not isinstance(factory, QuickBuildFactory)


def test_what_is_quick_does_not_copy():
    with pytest.raises(ConfigErrors, match="QuickBuildFactory updates the sources where they are built"):
        QuickBuildFactory("root", "m", cvsCopy=True)


def test_trial_is_told_what_to_test():
    python = {"buildpython": ["py", "-W"], "trialpython": "py", "trial": "bin/trial"}
    factory = Trial(SOURCE, **python, tests="package", env={"A": "b"}, recurse=True)
    assert factory.steps[1].kwargs == {"command": ["py", "-W", "./setup.py", "build"], "env": {"A": "b"}}
    assert factory.steps[2].step_class is TrialStep
    step = factory.steps[2].buildStep()
    assert (step.python, step.trial, step.tests) == (["py"], "bin/trial", ["package"])
    assert (step.testChanges, step.recurse, step.randomly) == (False, True, False)
    with pytest.raises(ConfigErrors, match="Trial: name the tests, or let useTestCaseNames=True find them"):
        Trial(SOURCE)


def test_the_environment_is_that_of_all_commands():
    factory = GNUAutoconf(SOURCE, configureEnv={"CC": "clang"}, reconf=True)
    assert [step.kwargs["env"] for step in factory.steps[1:]] == [{"CC": "clang"}] * 5


def test_flags_are_not_glued_to_a_command_line():
    with pytest.raises(ConfigErrors, match=r"configure='\./configure -q' takes no configureFlags: give it as a list"):
        GNUAutoconf(SOURCE, configure="./configure -q", configureFlags=["-x"])


def test_a_step_as_old_factories_wanted_it():
    assert s(ShellCommand, command="x").buildStep().command == "x"
