"""Text 002, "Custom Build Classes" to "Discovering files": every example in a build of its own on a real worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import buildmaster  # noqa: F401  # isort: skip  from here on "buildbot" means buildmaster
from buildbot.plugins import steps, util
from buildbot.process import factory
from buildbot.process.build import Build

from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from tests.support import seed_steps as examples
from tests.support.git_repo import GitRepo
from tests.support.seed_run import BuildOutcome, SeedRun
from tests.support.seeds import execute

pytestmark = [
    pytest.mark.needs("buildbot-worker", "git"),
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore:.*is the way of releases before:DeprecationWarning"),
]

CLEANUP = '#!/bin/sh\necho "cleaning $1"\n[ "$1" = --force ]\n'


def dynamic() -> Any:
    """The skeleton of a class of builds, with a step filled in."""
    return execute(
        "build_class_dynamic.py",
        {"f.addStep(...)": "f.addStep(steps.ShellCommand(command=['true']))"},
        Build=Build,
        factory=factory,
        steps=steps,
    )


def old_git(mode: str) -> Any:
    """``Git`` of the text: it took the repository from the source stamp and called "incremental" "update"."""
    assert mode == "update"
    return steps.Git(repourl=util.Interpolate("%(src::repository)s"), mode="incremental")


def workdirs() -> list[dict[str, Any]]:
    """The builder that has a directory for each repository."""
    builders: list[dict[str, Any]] = []
    execute(
        "build_workdir_per_repository.py",
        {
            "return hashlib.md5(source_stamps[0].repository).hexdigest()[:8]": (
                "return hashlib.md5(source_stamps[0].repository.encode()).hexdigest()[:8]"
            )
        },
        hashlib=hashlib,
        factory=factory,
        Git=old_git,
        builders=builders,
    )
    return builders


def in_a_factory() -> Any:
    f = util.BuildFactory()
    execute("steps_in_a_factory.py", f=f, MyStep=examples.MyStep)
    return f


def builders() -> dict[str, Any]:
    """The builders by the names of the examples."""
    cleanup = steps.StringDownload(CLEANUP, workerdest="cleanup.sh", workdir="build", mode=0o755)
    stat = examples.stat_and_glob()
    return {
        "dynamic": dynamic()["f"],
        "in a factory": in_a_factory(),
        "frobnify": [examples.frobnifying(frob_how_many=2, speed=7)],
        "run command": [examples.Part(examples.run_command), steps.RemoveDirectory("made")],
        "run cleanup": [cleanup, examples.run_cleanup()(name="cleanup", logEnviron=False)],
        "log of another name": [steps.MakeDirectory("build"), examples.Part(examples.log_of_another_name())],
        "use log": [steps.MakeDirectory("build"), examples.Part(examples.use_log())],
        "get log": [examples.Part(examples.get_log)],
        "complete log": [examples.Lint(examples.method("steps_complete_log.py"))],
        "line by line": [examples.Part(examples.line_by_line())],
        "trial": [examples.Trial()],
        "poudriere": [examples.Poudriere()],
        "tarball": [examples.make_tarball()],
        "add url": [examples.Part(examples.add_url())],
        "no such path": [stat("build/nowhere")],
        "no directory": [examples.put("a.file"), stat("build/a.file")],
        "compiled": [examples.put("there/a.pyc"), examples.put("there/b.py"), stat("build/there")],
        "not compiled": [examples.put("other/b.py"), stat("build/other")],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeedRun]:
    made = SeedRun(tmp_path_factory.mktemp("seeds"), builders(), workdirs()).start()
    yield made
    made.stop()


@pytest.fixture
def build(run: SeedRun) -> Callable[..., BuildOutcome]:
    """``build(builder, **properties)``: what came of it."""
    return lambda name, **properties: run.build((name, properties))[0]


def test_a_class_of_builds_of_ones_own(build: Callable[..., BuildOutcome]) -> None:
    assert issubclass(dynamic()["DynamicBuild"], Build)
    assert dynamic()["f"].buildClass.__name__ == "DynamicBuild"
    assert build("dynamic").results == SUCCESS


def test_a_directory_for_each_repository(run: SeedRun, tmp_path: Path) -> None:
    repositories = [GitRepo(tmp_path / name) for name in ("one", "two")]
    for repository in repositories:
        repository.commit("first", {repository.path.name: "here"})
    names = [str(repository.path) for repository in repositories]
    outcomes = run.build(*[("mybuilder", {"repository": name}) for name in names])
    assert [outcome.results for outcome in outcomes] == [SUCCESS, SUCCESS]
    base = run.site.workers[0].directory / "mybuilder"
    found = {path.parent.name: path.name for path in base.glob("*/[ot]*")}
    assert found == {hashlib.md5(name.encode()).hexdigest()[:8]: Path(name).name for name in names}


def test_a_step_of_the_configuration_makes_one_for_each_build(run: SeedRun) -> None:
    examples.MyStep.ran.clear()
    assert [each.results for each in run.build(("in a factory", {}), ("in a factory", {}))] == [SUCCESS, SUCCESS]
    one, other = examples.MyStep.ran
    assert one is not other
    assert [(each.someopt, each.anotheropt) for each in (one, other)] == [("stuff", 1)] * 2


def test_a_constructor_checks_and_stores(build: Callable[..., BuildOutcome]) -> None:
    with pytest.raises(TypeError, match="how_many is required"):
        examples.frobnify()["Frobnify"]()
    done = build("frobnify")
    assert done.results == SUCCESS
    assert "ofrobee 2 xyz 7\n" in done.last.logs["stdio"]


def test_running_a_command(build: Callable[..., BuildOutcome]) -> None:
    assert build("run command").results == SUCCESS


def test_a_second_command_by_force(build: Callable[..., BuildOutcome]) -> None:
    done = build("run cleanup")
    assert done.results == SUCCESS
    lines = [line for line in done.last.logs["stdio"].splitlines() if line.startswith("o")]
    assert lines == ["ocleaning ", "ocleaning --force"]


@pytest.mark.parametrize(
    ("builder", "log", "line"),
    [
        ("log of another name", "output", "ointo another log"),
        ("use log", "stdio", "ointo stdio"),
        ("get log", "stdio", "ofound again"),
        ("complete log", "summary", "W0612: 3\nE1101: 1\n"),
        ("line by line", "updates", "ofirst\nosecond\n"),
    ],
)
def test_logs(build: Callable[..., BuildOutcome], builder: str, log: str, line: str) -> None:
    done = build(builder)
    assert done.results == SUCCESS
    assert list(done.last.logs) == [log]
    assert line in done.last.logs[log]


def test_an_observer_counts_tests(build: Callable[..., BuildOutcome]) -> None:
    assert build("trial").results == SUCCESS
    step = examples.Trial.ran[-1]
    assert step.progress.metrics["tests"] == 4
    assert step.progress.metric_names == ("output", "tests")


def test_an_observer_adds_links(build: Callable[..., BuildOutcome]) -> None:
    place = "https://my-buildbot.example.com/poudriere/logs/103amd64-2018Q4/2018-10-03_05h47m30s"
    assert build("poudriere").last.urls == [
        ("Poudriere build web interface", place),
        ("Poudriere logs", place + "/logs/"),
    ]


@pytest.mark.parametrize(("os", "words"), [("win", "zip -r out.zip"), ("linux", "tar cf out")])
def test_a_property_decides_on_the_command(build: Callable[..., BuildOutcome], os: str, words: str) -> None:
    done = build("tarball", os=os)
    assert done.results == SUCCESS
    assert f"o{words}\n" in done.last.logs["stdio"]


def test_a_step_adds_a_link(build: Callable[..., BuildOutcome]) -> None:
    assert build("add url").last.urls == [("coverage", "http://coverage.example.com/reports/r-7")]


@pytest.mark.parametrize(
    ("builder", "results", "text"),
    [
        ("no such path", FAILURE, "File not found. (failure)"),
        ("no directory", WARNINGS, "'tis not a directory (warnings)"),
        ("compiled", SUCCESS, "Found pycs build/there/a.pyc"),
        ("not compiled", SUCCESS, "No pycs found"),
    ],
)
def test_discovering_files(run: SeedRun, builder: str, results: int, text: str) -> None:
    [done] = run.build((builder, {}))
    place = f"{run.site.workers[0].directory / builder}/"  # glob tells whole paths
    assert (done.last.results, done.last.text.replace(place, "")) == (results, text)
