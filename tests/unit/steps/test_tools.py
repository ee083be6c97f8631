"""Steps that run a tool and judge its output: what is run, and what comes of what the tool prints."""

from __future__ import annotations

import json

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from buildmaster.properties import Property
from buildmaster.steps import cmake, cppcheck, gitdiffinfo, maxq, mswin, python, python_twisted, subunit
from buildmaster.steps.package.deb import lintian
from buildmaster.steps.package.rpm import mock, rpmbuild, rpmlint
from tests.support.one_step import run_steps


def says(stdout="", stderr="", rc=0):
    """A worker whose commands print this."""

    async def script(command):
        if stdout:
            command.out(stdout)
        if stderr:
            command.err(stderr)
        command.rc(rc)

    return script


def lines(done):
    """The command lines that were run."""
    return [args["command"] for name, args in done.commands if name == "shell"]


def test_cmake(tmp_path):
    step = cmake.CMake(
        path="src", generator="Ninja", definitions={"A": 1, "B": Property("who")}, options=["-Wno-dev"], cmake="cmake3"
    )
    done = run_steps(tmp_path, step, properties={"who": "me"})
    assert lines(done) == [["cmake3", "-G", "Ninja", "-DA=1", "-DB=me", "-Wno-dev", "src"]]
    assert done.text == "cmake"


SPHINX = "a.rst:1: WARNING: one\nb.rst:2: ERROR: two\nbuild succeeded, 2 warnings.\n"
PYLINT = """\
************* Module m
m.py:1:0: C0114: Missing module docstring (missing-module-docstring)
m.py:2:4: E0602: Undefined variable 'x' (undefined-variable)
m.py:3: [W0611(unused-import), ] Unused import os
"""
PYFLAKES = """\
m.py:1:1: 'os' imported but unused
m.py:2: undefined name 'x'
m.py:3:1 redefinition of unused 'y' from line 1
m.py:4:1: from a import *; unable to detect undefined names
m.py:5:1: f-string is missing placeholders
"""
CPPCHECK = "[a.c:3]: (error) Null pointer\nb.c:4:5: style: Unused [unused]\nchecked\n[b.c:1]: (what) ever\n"
LINTIAN = "N: Starting\nW: p: a-tag\nE: p: b-tag\nW: p: c-tag\n"
SUBUNIT = """\
test: a
success: a
failure: b [
Traceback: x
]
skip: c [ multipart
...
]
"""


CASES = [
    (
        lambda: python.Sphinx(
            sphinx_builddir="out",
            sphinx_builder="html",
            tags=["t"],
            defines={"b": True, "a": None, "c": "x"},
            strict_warnings=True,
            mode="full",
        ),
        says(SPHINX),
        ["sphinx-build", "-b", "html", "-t", "t", "-D", "a", "-D", "b=1", "-D", "c=x", "-E", "-W", ".", "out"],
        WARNINGS,
        "sphinx 1 warnings errors=1 (warnings)",
        {},
    ),
    (
        lambda: python.Sphinx(sphinx_builddir="o", sphinx=["py", "-m", "sphinx"]),
        says("build succeeded.\n"),
        ["py", "-m", "sphinx", ".", "o"],
        SUCCESS,
        "sphinx",
        {},
    ),
    (
        lambda: python.PyLint(command=["pylint", "m"]),
        says(PYLINT, rc=2 | 4 | 16),
        ["pylint", "m"],
        FAILURE,
        "pylint convention=1 warning=1 error=1 (failure)",
        {"pylint-convention": 1, "pylint-error": 1, "pylint-warning": 1, "pylint-fatal": 0, "pylint-total": 3},
    ),
    (
        lambda: python.PyLint(command=["pylint", "m"]),
        says(rc=4),
        ["pylint", "m"],
        WARNINGS,
        "pylint (warnings)",
        {},
    ),
    (lambda: python.PyLint(command=["pylint"]), says(rc=32), ["pylint"], FAILURE, "pylint (failure)", {}),
    (
        python.PyFlakes,
        says(PYFLAKES, rc=1),
        ["make", "pyflakes"],
        FAILURE,
        "pyflakes unused=1 undefined=1 redefs=1 import*=1 misc=1 (failure)",
        {"pyflakes-unused": 1, "pyflakes-total": 5},
    ),
    (
        lambda: python.PyFlakes(command=["pyflakes", "."]),
        says("a.py:1:1: 'os' imported but unused\n", rc=1),
        ["pyflakes", "."],
        WARNINGS,
        "pyflakes unused=1 (warnings)",
        {},
    ),
    (python.PyFlakes, says(stderr="a.py:1:2: invalid syntax\n", rc=1), ["make", "pyflakes"], FAILURE, None, {}),
    (python.PyFlakes, says(stderr="make: nothing", rc=2), ["make", "pyflakes"], FAILURE, "pyflakes (failure)", {}),
    (
        python.BuildEPYDoc,
        says("Warning: x\nError importing y\n"),
        ["make", "epydocs"],
        WARNINGS,
        "epydoc import=1 warnings=1 (warnings)",
        {},
    ),
    (
        lambda: cppcheck.Cppcheck(enable=["all"], inconclusive=True, source=["src"], extra_args=["-j2"]),
        says(stderr=CPPCHECK),
        ["cppcheck", "--enable=all", "--inconclusive", "-j2", "src"],
        FAILURE,
        "cppcheck error=1 style=1 (failure)",
        {"cppcheck-error": 1, "cppcheck-style": 1, "cppcheck-warning": 0, "cppcheck-total": 2},
    ),
    (
        lambda: maxq.MaxQ(testdir="t"),
        says("TEST FAILURE: x\n"),
        ["run_maxq.py", "t"],
        FAILURE,
        "1 maxq failures",
        {},
    ),
    (
        lambda: subunit.SubunitShellCommand(command=["t"]),
        says(SUBUNIT),
        ["t"],
        FAILURE,
        "shell 3 tests 1 failure 1 skip (failure)",
        {},
    ),
    (
        lambda: subunit.SubunitShellCommand(command=["t"], failureOnNoTests=True, name="none"),
        says(),
        ["t"],
        FAILURE,
        "none no tests run (failure)",
        {},
    ),
    (
        lambda: subunit.SubunitShellCommand(command=["t"], name="one"),
        says("success: a\n"),
        ["t"],
        SUCCESS,
        "one 1 test passed",
        {},
    ),
    (
        lambda: lintian.DebLintian(fileloc="x.changes", suppressTags=["a", "b"]),
        says(LINTIAN),
        ["lintian", "-v", "x.changes", "--suppress-tags", "a,b"],
        FAILURE,
        "Lintian (failure)",
        {},
    ),
    (
        python_twisted.RemovePYCs,
        says(),
        ["find", ".", "-name", "*.pyc", "-exec", "rm", "{}", ";"],
        SUCCESS,
        "remove .pycs",
        {},
    ),
]
"""(step, what its command does, the command line, result, description or None for any, properties)"""
CASES.sort(key=lambda case: bool(case[-1]))  # a property is what the last of a kind has made it


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """All of them, one after the other in one build."""
    scripts = iter([script for _, script, *_ in CASES])
    steps = [make() for make, *_ in CASES]
    for step in steps:
        step.set_step_arg("alwaysRun", True)

    async def script(command):
        await next(scripts)(command)

    return run_steps(tmp_path_factory.mktemp("tools") / "master", *steps, script=script)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_is_run_and_what_comes_of_it(ran, number):
    _, _, command, results, text, properties = CASES[number]
    step = ran.steps[number]
    assert lines(ran)[number] == command
    assert (step["results"], step["state_string"]) == (results, step["state_string"] if text is None else text)
    assert {name: ran.property(name) for name in properties} == properties


def test_pylints_messages_are_kept_as_test_results(tmp_path):
    found = {}

    def look(kit, worker):
        (one,) = kit.get("builds", 1, "test_result_sets")
        found["set"] = (one["description"], one["category"], one["value_unit"])
        results = kit.get("test_result_sets", one["test_result_setid"], "results")
        found["places"] = [(each["test_code_path"], each["line"]) for each in results]

    run_steps(tmp_path, python.PyLint(command=["pylint"]), script=says(PYLINT, rc=4), meanwhile=look)
    assert found == {
        "set": ("Pylint warnings", "code_issue", "message"),
        "places": [("m.py", 1), ("m.py", 2), ("m.py", 3)],
    }


TRIAL = """\
pkg.test.C.test_a ... [OK]
pkg.test.C.test_b ... [FAIL]
m.py:1: DeprecationWarning: old

===============================================================================
[FAIL]
Traceback

-------------------------------------------------------------------------------
Ran 2 tests in 0.1s

FAILED (failures=1, successes=1)
"""


def test_trial(tmp_path):
    step = python_twisted.Trial(
        python=["python3", "-W"],
        trial="bin/trial",
        tests="pkg",
        recurse=True,
        randomly=True,
        reactor="poll",
        testpath="src",
    )
    done = run_steps(tmp_path, step, script=says(TRIAL, rc=1))
    ((_, args),) = done.commands
    assert args["command"] == [
        *("python3", "-W", "bin/trial", "--reporter=bwverbose", "--recurse", "--reactor=poll", "--random=0", "pkg")
    ]
    assert (args["env"], args["logfiles"]) == ({"PYTHONPATH": ["src"]}, {"test.log": "_trial_temp/test.log"})
    assert (done.results, done.text) == (FAILURE, "2 tests 1 failure (failure)")
    assert done.logs["problems"].startswith("=" * 79)
    assert "DeprecationWarning: old" in done.logs["warnings"]


def test_trial_in_several_jobs_has_a_log_for_each(tmp_path):
    passed = "Ran 3 tests in 0.1s\n\nPASSED (skips=1, successes=2)\n"
    done = run_steps(tmp_path, python_twisted.Trial(tests=["a", "b"], jobs=2), script=says(passed))
    ((_, args),) = done.commands
    assert args["command"] == ["trial", "--reporter=bwverbose", "--jobs=2", "a", "b"]
    assert args["logfiles"] == {"test.0.log": "_trial_temp/0/test.log", "test.1.log": "_trial_temp/1/test.log"}
    assert (done.results, done.text) == (SUCCESS, "3 tests passed 1 skip")


def test_trial_without_a_word_about_tests_is_a_failure(tmp_path):
    done = run_steps(tmp_path, python_twisted.Trial(tests="a"), script=says("nothing"))
    assert (done.results, done.text) == (FAILURE, "testlog (failure)")


def test_hlint_has_nothing_to_do_without_changed_pages(tmp_path):
    done = run_steps(tmp_path, python_twisted.HLint())
    assert (done.results, done.commands) == (SKIPPED, [])


@pytest.mark.parametrize(
    ("rc", "results"),
    [(0, SUCCESS), (1, SUCCESS), (2, WARNINGS), (3, WARNINGS), (8, FAILURE), (17, FAILURE), (32, EXCEPTION)],
)
def test_robocopys_exit_code_has_flags(tmp_path, rc, results):
    step = mswin.Robocopy(source="a", destination="b", mirror=True, exclude_dirs=["x"], custom_opts=["/R:1"])
    done = run_steps(tmp_path, step, script=says(rc=rc))
    assert lines(done) == [["robocopy", "a", "b", "/MIR", "/XD", "x", "/R:1", "/TEE", "/NP"]]
    assert done.results == results


def test_rpmbuild_defines_macros_and_counts_releases(tmp_path):
    step = rpmbuild.RpmBuild(
        specfile="p.spec", dist=".el9", define={"x": "y; $(z)"}, autoRelease=True, vcsRevision=True
    )
    wrote = "Wrote: /w/p-1-8.rpm\nother\n"

    async def script(command):
        command.out("8\n" if ".release" in command.args["command"] else wrote)
        command.rc(0)

    done = run_steps(tmp_path, step, script=script, properties={"got_revision": "r7"})
    release, build = lines(done)
    assert "p.release" in release
    assert build.startswith('rpmbuild --define "_topdir `pwd`" --define "_builddir `pwd`" ')
    assert build.endswith(
        "--define 'dist .el9' --define 'x y; $(z)' --define '_revision r7' --define '_release 8' -ba p.spec"
    )
    assert "Wrote: /w/p-1-8.rpm" in done.logs["RPM Command Log"]


@pytest.mark.parametrize(
    ("version", "options"),
    [("rpmlint version 1.11", ["-i", "-f", "c"]), ("2.4.0", ["--config", "c"])],
)
def test_rpmlints_options_depend_on_its_version(tmp_path, version, options):
    texts = iter([version + "\n", "x.spec: warning: y\n"])

    async def script(command):
        command.out(next(texts))
        command.rc(0)

    done = run_steps(tmp_path, rpmlint.RpmLint(fileloc="x.spec", config="c"), script=script)
    assert lines(done) == [["rpmlint", "--version"], ["rpmlint", *options, "x.spec"]]
    assert (done.results, done.text) == (WARNINGS, "Finished checking RPM/SPEC issues (warnings)")
    assert done.property("warnings-count") == 1


def test_mock_shows_its_own_logs(tmp_path):
    step = mock.MockBuildSRPM(root="r", resultdir="res", spec="p.spec")
    done = run_steps(tmp_path, step, script=says("Wrote: /builddir/p-1.src.rpm\n"))
    assert [(name, args.get("dir", args.get("command"))) for name, args in done.commands] == [
        ("rmdir", "build/res/build.log"),
        ("rmdir", "build/res/root.log"),
        ("rmdir", "build/res/state.log"),
        (
            "shell",
            ["mock", "--root", "r", "--resultdir", "res", "--buildsrpm", "--spec", "p.spec", "--sources", "."],
        ),
    ]
    assert done.commands[-1][1]["logfiles"] == {
        "build.log": "res/build.log",
        "root.log": "res/root.log",
        "state.log": "res/state.log",
    }
    assert (done.property("srpm"), done.text) == ("p-1.src.rpm", "mock buildsrpm")
    assert lines(run_steps(tmp_path / "2", mock.MockRebuild(root="r", srpm="p.src.rpm"))) == [
        ["mock", "--root", "r", "--rebuild", "p.src.rpm"]
    ]


DIFF = """\
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1,2 +0,0 @@
---- a/tricky
-x
diff --git a/changed b/changed
--- a/changed
+++ b/changed
@@ -4,0 +5 @@ def f():
+++ b/tricky
@@ -15 +19,3 @@
-a
+a
+b
+c
\\ No newline at end of file
diff --git a/pic b/pic
Binary files a/pic and b/pic differ
diff --git a/old name b/new
similarity index 100%
rename from old name
rename to new
diff --git "a/\\303\\251" "b/\\303\\251"
new file mode 100644
--- /dev/null
+++ "b/\\303\\251"
@@ -0,0 +1 @@
+x
"""


def test_a_difference_becomes_data(tmp_path):
    found = {}

    def look(kit, worker):
        found.update(kit.get("builds", 1, "data", "diffinfo-master", "value"))

    ancestor = "a" * 40

    async def script(command):
        command.out(ancestor + "\n" if "merge-base" in command.args["command"] else DIFF)
        command.rc(0)

    done = run_steps(tmp_path, gitdiffinfo.GitDiffInfo(compareToRef="main"), script=script, meanwhile=look)
    assert lines(done) == [
        ["git", "merge-base", "main", "HEAD"],
        ["git", "diff", "--no-color", "--no-ext-diff", "--find-renames", "-U0", ancestor, "HEAD"],
    ]
    nowhere = "/dev/null"

    def file(source, target, *hunks, binary=False, rename=False):
        shown = [dict(zip(("ss", "sl", "ts", "tl"), hunk, strict=True)) for hunk in hunks]
        return {"source_file": source, "target_file": target, "is_binary": binary, "is_rename": rename, "hunks": shown}

    assert json.loads(found["raw"]) == [
        file("gone", nowhere, (1, 2, 0, 0)),
        file("changed", "changed", (4, 0, 5, 1), (15, 1, 19, 3)),
        file("pic", "pic", binary=True),
        file("old name", "new", rename=True),
        file(nowhere, "\u00e9", (0, 0, 1, 1)),
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cmake.CMake(definitions=["a"]), "CMake: definitions must be a dictionary or a renderable of one"),
        (lambda: cmake.CMake(options="a"), "CMake: options must be a list or a tuple, or a renderable of one"),
        (lambda: python.Sphinx(), "Sphinx argument sphinx_builddir is required"),
        (lambda: python.PyLint(), "PyLint: there is no default command; give one, such as command=['pylint', 'src']"),
        (lambda: maxq.MaxQ(), "MaxQ: please pass testdir, the directory of the tests"),
        (lambda: python_twisted.Trial(), "Trial: say which tests to run, by tests= or testChanges=True"),
        (
            lambda: python_twisted.Trial(tests="a", python="py"),
            "Trial: with python=, trial= must be a path, for example ./bin/trial",
        ),
        (lambda: rpmbuild.RpmBuild(), "RpmBuild: you must specify a specfile"),
        (
            lambda: rpmbuild.RpmBuild(specfile="a; rm"),
            "RpmBuild: specfile 'a; rm' would be read as more than a name by the shell",
        ),
        (lambda: mock.MockRebuild(root="r"), "MockRebuild: you must specify a srpm"),
        (lambda: mock.MockBuildSRPM(spec="s"), "MockBuildSRPM: you must specify a mock root"),
        (lambda: lintian.DebLintian(), "DebLintian: you must specify a fileloc"),
        (
            lambda: cppcheck.Cppcheck(command="x"),
            "invalid Cppcheck argument 'command': the step sets it itself",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert caught.value.errors == [message]
