"""Text 002, "Customizing SVNPoller": real repositories of both layouts, under the addresses that the text prints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildmaster.plugins import schedulers, util, worker
from tests.support.live_master import LiveMaster
from tests.support.seeds import execute, text_of
from tests.support.svn_network import write_svn
from tests.support.svn_repo import SvnRepo

AMANDA = "https://svn.amanda.sourceforge.net/svnroot/amanda"
TWISTED = "svn://svn.twistedmatrix.com/svn/Twisted"
DIVMOD = "http://divmod.org/svn/Divmod"

Split = Callable[[str], Any]


@pytest.fixture(scope="module")
def repos(tmp_path_factory, request) -> dict[str, SvnRepo]:
    """A repository for each address, filled as the text draws it."""
    base = tmp_path_factory.mktemp("svn")
    made = {url: SvnRepo(base / name) for name, url in (("amanda", AMANDA), ("tx", TWISTED), ("divmod", DIVMOD))}
    amanda = {f"amanda/{where}/README": "-" for where in ("trunk", "branches/3_2", "branches/3_3", "tags/3_2_1")}
    made[AMANDA].commit(
        "layout", {**amanda, "amanda/branches/3_3/common-src/amanda.h": "-", "zmanda/trunk/README": "-"}
    )
    made[TWISTED].commit("layout", {"trunk/setup.py": "-", "branches/1.5.x/setup.py": "-"})
    nevow = {f"{where}/Nevow/formless/webform.py": "-" for where in ("trunk", "branches/1.5.x")}
    quotient = {f"{where}/Quotient/setup.py": "-" for where in ("trunk", "branches/1.5.x")}
    made[DIVMOD].commit("layout", {**nevow, **quotient})
    return made


@pytest.fixture
def network(tmp_path, repos, monkeypatch, tool):
    """The program ``svn`` finds the repositories under the addresses of the text."""
    write_svn(tmp_path / "bin", tool("svn"), {url: repo.url for url, repo in repos.items()})
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def source(name: str, **names: Any) -> Any:
    """The change source that an example configures."""
    c: dict[str, Any] = {}
    execute(name, c=c, **names)
    return c["change_source"]


def my_file_splitter() -> Split:
    return execute("svn_my_file_splitter.py")["my_file_splitter"]


def splitter_for_all(tmp_path: Path) -> Split:
    """The function of the text whose last three lines are replaced as it says."""
    lines = text_of("svn_my_file_splitter.py").splitlines()[:-3]
    last = text_of("svn_my_file_splitter_for_all.py").splitlines()[-1]
    space: dict[str, Any] = {}
    exec("\n".join([*lines, f"    {last}"]), space)
    return space["my_file_splitter"]


def config(sources: list[Any]) -> dict[str, Any]:
    return {
        "change_source": sources,
        "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
        "workers": [worker.Worker("w", "secret")],
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=util.BuildFactory())],
        "schedulers": [schedulers.Triggerable(name="t", builderNames=["b"])],
    }


class Pollers:
    """A master with pollers, each known by its ``repourl``."""

    def __init__(self, live: LiveMaster) -> None:
        self.live = live

    def look(self, url: str) -> list[tuple[Any, ...]]:
        """Look once; the new changes as (branch, project, files)."""
        (poller,) = [one for one in self.live.master.change_svc if one.repourl == url]
        before = len(self.live.get("changes"))
        self.live.call(poller.poll)
        new = self.live.get("changes", order=["changeid"])[before:]
        assert {change["repository"] for change in new} <= {url}
        return sorted(((c["branch"], c["project"], c["files"]) for c in new), key=str)


@pytest.mark.needs("svn", "svnadmin")
def test_pollers_on_repositories_of_both_layouts(tmp_path, repos, network):
    sources: list[Any] = []

    def configuration() -> dict[str, Any]:
        sources[:] = [
            source("svn_trunk_of_project.py"),
            source("svn_branches_of_project.py"),
            source("svn_projects.py"),
            source("svn_project_of_trunk.py"),
            source("svn_project_of_branches.py", my_file_splitter=splitter[0]),
        ]
        return config(sources)

    splitter = [my_file_splitter()]
    with LiveMaster(tmp_path / "master", configuration) as live:
        pollers = Pollers(live)
        for one in sources:
            assert pollers.look(one.repourl) == []

        change_all(repos[AMANDA], "amanda/trunk/a.c", "amanda/branches/3_3/common-src/amanda.h", "zmanda/trunk/z.c")
        assert pollers.look(f"{AMANDA}/amanda/trunk") == [(None, "", ["a.c"])]
        assert pollers.look(AMANDA) == [
            ("branches/3_3", "amanda", ["common-src/amanda.h"]),
            (None, "amanda", ["a.c"]),
            (None, "zmanda", ["z.c"]),
        ]

        change_all(repos[TWISTED], "trunk/setup.py", "branches/1.5.x/setup.py", "tags/x/setup.py")
        assert pollers.look(TWISTED) == [("branches/1.5.x", "", ["setup.py"]), (None, "", ["setup.py"])]

        both = [
            f"{where}/{what}" for where in ("trunk", "branches/1.5.x") for what in ("Nevow/new.py", "Quotient/new.py")
        ]
        change_all(repos[DIVMOD], *both)
        assert pollers.look(f"{DIVMOD}/trunk/Nevow") == [(None, "", ["new.py"])]
        assert pollers.look(DIVMOD) == [("branches/1.5.x", "", ["new.py"]), (None, "", ["new.py"])]

        splitter[0] = splitter_for_all(tmp_path)
        live.call(live.master.reconfig)
        change_all(repos[DIVMOD], *both)
        assert pollers.look(DIVMOD) == [
            ("branches/1.5.x", "Nevow", ["new.py"]),
            ("branches/1.5.x", "Quotient", ["new.py"]),
            (None, "Nevow", ["new.py"]),
            (None, "Quotient", ["new.py"]),
        ]


def change_all(repo: SvnRepo, *files: str) -> None:
    """One revision that changes all these."""
    repo.commit("one revision", {name: os.urandom(8).hex() for name in files})


PATHS = [
    "trunk/setup.py",
    "trunk",
    "trunk/",
    "branches/1.5.x/setup.py",
    "branches/1.5.x/",
    "branches/1.5.x",
    "branches",
    "tags/x/setup.py",
    "README",
    "",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_functions_of_the_text_are_those_that_are_provided(path):
    printed = execute("svn_split_file_branches.py")["split_file_branches"]
    assert util.svn.split_file_branches(path) == printed(path)
    projects = execute("svn_split_file_projects_branches.py")["split_file_projects_branches"]
    for whole in (path, f"amanda/{path}"):
        assert util.svn.split_file_projects_branches(whole) == projects(whole)
    assert util.svn.split_file_alwaystrunk(path) == {"path": path}
