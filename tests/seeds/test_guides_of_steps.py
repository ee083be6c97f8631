"""The programs of the guides on steps, observers and builds, on a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS, WARNINGS
from buildmaster.plugins import util
from buildmaster.process import logobserver
from buildmaster.steps.shell import ShellCommand
from tests.support.one_step import run_steps
from tests.support.seed_run import BuildOutcome, SeedRun, program_of

pytestmark = [pytest.mark.needs("buildbot-worker"), pytest.mark.timeout(240)]


PROGRAMS = {name: program_of(name) for name in ("own_steps", "observing", "own_builds", "found_files")}


# -- every chunk once and in order -------------------------------------------------------------------------------------

LINES = 4000
TALK = f"""
echo "begun 0" >> a.log; sleep 2.5; i=0
while [ $i -lt {LINES} ]; do echo "o $i"; echo "e $i" >&2; echo "a $i" >> a.log; echo "b $i" >> b.log; i=$((i+1)); done
"""


class Collect(logobserver.LogLineObserver):
    """Keeps the numbers of all lines, by what stands before them."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, list[int]] = {}

    def outLineReceived(self, line: str) -> None:
        kind, number = line.split()
        self.numbers.setdefault(kind, []).append(int(number))

    errLineReceived = outLineReceived


class Talk(ShellCommand):
    """Writes to four places at once, each of which is watched, one of them by two."""

    observers: dict[str, list[Collect]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("stdio", "stdio", "a", "b"):
            observer = Collect()
            self.addLogObserver(name, observer)
            Talk.observers.setdefault(name, []).append(observer)


def talk() -> Any:
    before = ShellCommand(command="echo 'old 0' > a.log; echo 'old 0' > b.log")
    files = {"a": {"filename": "a.log", "follow": True}, "b": "b.log"}
    return util.BuildFactory([before, Talk(command=TALK, logfiles=files, lazylogfiles=True, logEnviron=False)])


def test_observers_see_all_once_and_in_order(build: Callable[..., BuildOutcome]) -> None:
    Talk.observers.clear()
    assert build("talk").results == SUCCESS
    one, other = Talk.observers["stdio"]
    assert one.numbers == other.numbers == {"o": list(range(LINES)), "e": list(range(LINES))}
    [a], [b] = Talk.observers["a"], Talk.observers["b"]
    assert a.numbers == {"a": list(range(LINES))}  # followed from where it ended when the worker first saw it grow
    assert b.numbers == {"old": [0], "b": list(range(LINES))}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeedRun]:
    builders = {name: each for module in PROGRAMS.values() for name, each in module.builders.items()}
    made = SeedRun(tmp_path_factory.mktemp("guides"), {**builders, "talk": talk()}).start()
    yield made
    made.stop()


@pytest.fixture
def build(run: SeedRun) -> Callable[..., BuildOutcome]:
    """``build(builder, **properties)``: what came of it."""
    return lambda name, **properties: run.build((name, properties))[0]


Builds = Callable[..., BuildOutcome]


def told(done: BuildOutcome) -> list[tuple[str, int, str]]:
    return [(step.name, step.results, step.text) for step in done.steps]


# -- write a build step --------------------------------------------------------------------------------------------


def test_run_in_its_three_ways(build: Builds) -> None:
    done = build("greet", whom="Ann")
    assert told(done) == [
        ("greet", SUCCESS, "finished"),
        ("generic", SUCCESS, "finished"),
        ("generic_1", SUCCESS, "finished"),
    ]
    assert done.steps[0].logs == {"greetings": "oHello, Ann!\noHello, Ann!\n"}
    assert done.properties["greeted"] == "Ann"


def test_a_mistake_in_an_argument_is_one_of_the_configuration() -> None:
    from buildmaster.base.errors import ConfigErrors

    with pytest.raises(ConfigErrors, match="times must be positive, not 0"):
        PROGRAMS["own_steps"].Greet(times=0)


def test_a_shell_command_whose_output_is_looked_at(build: Builds) -> None:
    done = build("version")
    assert [step.results for step in done.steps][1] == FAILURE
    assert "version of no-such-program" not in done.properties


def test_summaries(build: Builds) -> None:
    done = build("parts", parts=["x", "y", "z"])
    assert (done.last.text, done.text) == ("3 parts made", "build successful made x, y, z")
    assert list(done.last.logs) == ["part x", "part y", "part z"]


def test_files_of_the_worker(build: Builds) -> None:
    done = build("tidy")
    assert done.properties["tidied"] == [True, ["a.old"]]
    assert done.properties["files"] == ["a.old"]
    assert [step.results for step in done.steps] == [SUCCESS] * 3


def test_a_worker_that_is_too_old(tmp_path: Path) -> None:
    old = {"worker_commands": {"shell": "3.3", "stat": "3.3"}}
    one = run_steps(tmp_path / "one", PROGRAMS["own_steps"].Files(), info=old)
    other = run_steps(tmp_path / "other", PROGRAMS["found_files"].FindCompiled("x"), info=old)
    assert (one.results, other.results) == (EXCEPTION, EXCEPTION)
    assert "does not know the command 'listdir'" in one.logs["err.text"]
    assert "WorkerTooOldError: need stat and glob" in other.logs["err.text"]


def test_what_a_step_leaves_behind(run: SeedRun, build: Builds) -> None:
    done = build("report")
    assert done.last.logs["summary"] == "fast: 1 s\nslow: 90 s\n"
    assert done.last.logs["table"].startswith("<table>")

    async def look() -> Any:
        [build] = await run.site.get("builders", "report", "builds")
        data = await run.site.get("builds", build["buildid"], "data", "times.json", "value")
        [results] = await run.site.get("builds", build["buildid"], "test_result_sets")
        rows = await run.site.get("test_result_sets", results["test_result_setid"], "results")
        return data["raw"], results["category"], results["complete"], [(r["test_name"], r["value"]) for r in rows]

    assert run.site.run(look()) == (
        b'{"fast": 1, "slow": 90}',
        "duration",
        True,
        [("fast", "1000000000"), ("slow", "90000000000")],
    )


def test_several_commands_in_one_step(build: Builds) -> None:
    done = build("several")
    assert done.last.results == WARNINGS
    assert list(done.last.logs) == ["stdio first", "stdio second", "stdio third"]


# -- watch a log ---------------------------------------------------------------------------------------------------


def test_observers(build: Builds) -> None:
    done = build("observe")
    assert told(done)[:2] == [
        ("tests", FAILURE, "3 tests, 1 failed"),
        ("tests_1", SUCCESS, "1 tests, 0 failed"),
    ]
    assert done.steps[0].urls == [("details", "http://example.org/three")]
    assert done.steps[0].logs["trace"] == "o12345\n"
    assert list(done.steps[1].logs) == ["stdio"]
    assert done.text.endswith("4 tests")
    assert (done.properties["repeated"], done.properties["errors"]) == (2, "b\n")


# -- decide in the build what is done ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names", "text"),
    [
        ("nightly", ["test"], "build successful"),
        ("release", ["test", "package"], "build successful"),
        ("broken", ["test"], "failed 'test broken ...' (failure) (on call: ann)"),
    ],
)
def test_a_build_decides_on_its_steps(build: Builds, kind: str, names: list[str], text: str) -> None:
    done = build("release", kind=kind)
    assert ([step.name for step in done.steps], done.text) == (names, text)


def test_a_step_adds_steps(build: Builds) -> None:
    done = build("found")
    assert [step.name for step in done.steps] == ["targets", "docs", "tests", "planned", "clean up"]


def test_workdirs(run: SeedRun) -> None:
    base = run.site.workers[0].directory
    function, renderable = run.build(("by function", {"repository": "http://h/one"}), ("by renderable", {"kind": "k"}))
    assert f"o{base}/by_function/of-one\n" in function.last.logs["stdio"]
    assert f"o{base}/by_renderable/for-k\n" in renderable.last.logs["stdio"]


# -- find files on the worker --------------------------------------------------------------------------------------


def test_files_are_found(build: Builds) -> None:
    assert told(build("find"))[3:] == [
        ("find compiled files", SUCCESS, "Found pycs a.pyc b.pyc"),
        ("find compiled files_1", WARNINGS, "'tis not a directory (warnings)"),
        ("find compiled files_2", FAILURE, "File not found. (failure)"),
    ]
