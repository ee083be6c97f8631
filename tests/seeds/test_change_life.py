"""Texts 001 and 003: what a Change says, and what becomes of it, from the source to the version that is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps
from buildmaster.testing.worker import Command
from tests.support.farm import Farm
from tests.support.git_repo import GitRepo
from tests.support.path import BuildPath, configuration
from tests.support.seeds import execute

HAS_C_FILES = {
    'def has_C_files(change): for name in change.files: if name.endswith(".c"): return True return False': (
        'def has_C_files(change):\n    for name in change.files:\n        if name.endswith(".c"):\n'
        "            return True\n    return False"
    )
}


def has_C_files() -> Callable[[Any], bool]:
    """The function of the text, whose line breaks were lost in print."""
    return execute("change_has_c_files.py", HAS_C_FILES)["has_C_files"]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Callable[..., BuildPath]]:
    made: list[BuildPath] = []

    def make(*args: Any, **more: Any) -> BuildPath:
        made.append(BuildPath(tmp_path, configuration(*args, **more)))
        return made[0]

    yield make
    for each in made:
        each.kit.stop()


def test_what_a_change_says(path):
    """All its attributes, as the functions of a configuration, the steps of a build and the data API see them."""
    important: list[Any] = []
    built: list[Any] = []

    class Look(steps.BuildStep):
        async def run(self) -> int:
            built.extend(self.build.allChanges())
            assert self.build.allFiles() == ["README", "src/a.c"]
            assert self.build.blamelist() == ["ann <ann@example.org>"]
            return SUCCESS

    def note(change: Any) -> bool:
        important.append(change)
        return True

    it = path(
        lambda: [
            schedulers.AnyBranchScheduler(
                name="s", builderNames=["b"], fileIsImportant=note, codebases={"kernel": {"repository": ""}}
            )
        ],
        {"b": [Look()]},
        codebaseGenerator=lambda chdict: "kernel" if chdict["repository"].endswith("linux") else "",
        revlink=lambda revision, repository: f"{repository}/commit/{revision}",
    )
    it.attach()
    said = {
        "author": "ann <ann@example.org>",
        "comments": "Mend it\n\nas it was",
        "files": ["src/a.c", "README"],
        "revision": "r7",
        "branch": "branches/x",
        "project": "server",
        "repository": "https://example.org/linux",
        "category": "nightly",
        "properties": {"speed": "fast"},
        "when_timestamp": 1_400_000_000,
    }
    it.kit.call(it.master.data.updates.addChange, **said)
    (shown,) = it.kit.get("changes")
    it.kit.pump()
    expected = {**said, "codebase": "kernel", "revlink": "https://example.org/linux/commit/r7"}
    assert {name: shown[name] for name in expected} == {**expected, "properties": {"speed": ("fast", "Change")}}
    for change in (*important, *built):
        assert (change.who, change.getShortAuthor(), change.number) == (said["author"], said["author"], 1)
        assert (change.when, change.links) == (1_400_000_000, [])
        assert change.properties.getProperty("speed") == "fast"
        assert change.files == ["README", "src/a.c"]  # in order
        names = ("comments", "revision", "branch", "project", "repository", "category", "codebase", "revlink")
        assert {name: getattr(change, name) for name in names} == {name: expected[name] for name in names}
    assert (len(important), len(built)) == (1, 1)
    properties = it.kit.get("builds", 1, "properties")
    wanted = {"branch": "branches/x", "revision": "r7", "project": "server", "speed": "fast"}
    assert {name: properties[name][0] for name in wanted} == wanted


def test_a_change_says_little_if_little_is_known(path):
    it = path(lambda: [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])])
    it.attach()
    it.kit.call(it.master.data.updates.addChange, author="ann", comments="")
    it.kit.pump()
    (change,) = it.kit.get("changes")
    names = ("files", "revision", "branch", "project", "repository", "category", "codebase", "properties")
    assert [change[name] for name in names] == [[], None, None, "", "", None, "", {}]
    assert it.builds() == [("b", 1, SUCCESS)]


def test_schedulers_tell_projects_apart_and_what_matters(tmp_path):
    """The example of the how-to: a project has its own steps, and a change matters if a C file was changed."""
    ran: list[list[str]] = []

    async def script(command: Command) -> None:
        ran.append(command.args["command"])
        command.rc(0)

    def config() -> dict[str, Any]:
        made = {**configuration(list)(), "builders": [], "schedulers": []}
        execute("change_projects.py", c=made, has_C_files=has_C_files())
        return made

    it = BuildPath(tmp_path, config)
    it.attach(script=script)

    def change(revision: str, project: str, *files: str) -> None:
        it.change(revision, project=project, files=list(files), branch=None, repository=f"svn://{project}")

    change("r1", "server", "README", "test_doc.py")
    it.kit.advance(1000)
    assert ran == []
    change("r2", "server", "net.c", "test_net.py")
    it.kit.advance(30)
    change("r3", "win-client", "gui.c")
    it.kit.advance(100)
    assert ran == [["pytest", "test_doc.py", "test_net.py"], ["nmake", "check"]]
    assert (it.changes_of(1), it.changes_of(2)) == (["r1", "r2"], ["r3"])
    it.kit.stop()


# -- source stamps -----------------------------------------------------------------------------------------------------


def test_the_changes_of_merged_requests_are_built_together(path):
    """Each builder has a request of its own; those that wait are merged, the changes of all are in the build."""
    seen: dict[str, list[Any]] = {"b": [], "c": []}

    class Look(steps.BuildStep):
        async def run(self) -> int:
            (request,) = self.build.requests
            (stamp,) = self.build.getAllSourceStamps()
            revisions = [change.revision for change in self.build.allChanges()]
            version = (stamp.branch, stamp.revision, stamp.patch)
            seen[self.build.builder.name].append((revisions, version, request.source.branch))
            return SUCCESS

    it = path(
        lambda: [schedulers.AnyBranchScheduler(name="s", builderNames=["b", "c"])], {"b": [Look()], "c": [Look()]}
    )
    for revision in ("r1", "r2", "r3"):
        it.change(revision, branch="x")
    it.change("m1")
    assert len(it.kit.get("buildsets")) == 4
    it.attach()
    it.kit.pump()
    built = {number: it.changes_of(number) for number in range(1, 5)}
    assert sorted(built.values()) == [["m1"], ["m1"], ["r1", "r2", "r3"], ["r1", "r2", "r3"]]
    newest_of_x = (["r1", "r2", "r3"], ("x", "r3", None), "x")
    assert seen == {name: [newest_of_x, (["m1"], ("main", "m1", None), "main")] for name in ("b", "c")}


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ({"revision": None}, {"revision": None}, True),
        ({"revision": "r1"}, {"revision": "r1"}, True),
        ({"revision": "r1"}, {"revision": "r2"}, False),
        ({"revision": "r1"}, {"revision": None}, False),
        ({"branch": "x"}, {"branch": "y"}, False),
        ({"repository": "x"}, {"repository": "y"}, False),
        ({"project": "x"}, {"project": "y"}, False),
        ({"patch_body": b"-", "patch_level": 1}, {"patch_body": b"-", "patch_level": 1}, False),
    ],
)
def test_which_source_stamps_can_be_merged(path, first, second, merged):
    it = path(lambda: [schedulers.Triggerable(name="t", builderNames=["b"])])
    plain = {"codebase": "", "repository": "r", "project": "", "branch": "main", "revision": None}
    for stamp in (first, second):
        it.kit.call(
            it.master.data.updates.addBuildset,
            waited_for=False,
            builderids=[1],
            sourcestamps=[{**plain, **stamp}],
        )
    it.attach()
    it.kit.pump()
    assert len(it.builds()) == (1 if merged else 2)


@pytest.mark.needs("git", "buildbot-worker")
def test_only_the_source_step_tells_what_was_built(tmp_path):
    """Without a revision the newest is checked out, though no change has told of it yet: ``got_revision`` is it."""
    repo = GitRepo(tmp_path / "upstream")
    first, told = repo.commit("one"), repo.commit("two")
    newest = repo.commit("three")
    farm = Farm(tmp_path / "farm")
    farm.directory = "b"
    with farm.live:
        step = steps.Git(repourl=f"file://{repo.path}", mode="incremental")
        built = farm.build(step, branch="main")
        assert (built["properties"]["got_revision"], built["properties"].get("revision")) == (newest, None)
        built = farm.build(step, branch="main", revision=told)
        assert (built["properties"]["got_revision"], built["properties"]["revision"]) == (told, told)
        built = farm.build(step, branch="main", revision=first[:10])
        assert built["properties"]["got_revision"] == first
