"""A whole master in memory whose web server the tests talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.plugins import schedulers, util, worker
from buildmaster.testing.master import MemoryMaster
from tests.support.http import Client

URL = "http://ci.example:8010/"


def config(**www: Any) -> dict[str, Any]:
    """A configuration with two builders."""
    names = ["b1", "b 2/ü"]
    factory = util.BuildFactory()
    return {
        "title": "Test & Co",
        "buildbotURL": URL,
        "workers": [worker.Worker("w1", "pw")],
        "protocols": {"pb": {"port": 9989}},
        "builders": [
            util.BuilderConfig(name=name, workernames=["w1"], factory=factory, tags=["t"] if name == "b1" else [])
            for name in names
        ],
        "schedulers": [schedulers.AnyBranchScheduler(name="any", builderNames=names)],
        "www": {"port": 8010, **www},
    }


class Web:
    """A master, a client, and short ways to fill the database."""

    def __init__(self, basedir: Path, www: dict[str, Any]) -> None:
        self.basedir = basedir
        self.www = www
        self.kit = MemoryMaster(basedir, lambda: config(**self.www)).start()
        self.client = Client(self.kit)

    @property
    def master(self) -> Any:
        return self.kit.master

    def update(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.kit.call(getattr(self.master.data.updates, method), *args, **kwargs)

    def add_request(self, builder: str = "b1", owner: str | None = None) -> int:
        """A request of one builder; returns its id."""
        builderid = self.update("findBuilderId", builder)
        properties = {"owner": (owner, "test")} if owner else {}
        sources = [{"codebase": "", "repository": "git://r", "branch": "main", "revision": "abc", "project": "p"}]
        _, requests = self.update(
            "addBuildset",
            waited_for=False,
            scheduler="any",
            sourcestamps=sources,
            reason="because <b>",
            properties=properties,
            builderids=[builderid],
        )
        return requests[builderid]

    def add_build(self, builder: str = "b1", owner: str | None = None) -> dict[str, Any]:
        """A running build; returns it."""
        request = self.add_request(builder, owner)
        builderid = self.update("findBuilderId", builder)
        assert self.update("claimBuildRequests", [request])
        workerid = self.update("findWorkerId", "w1")
        buildid, _ = self.update("addBuild", builderid, request, workerid)
        return self.kit.get("builds", buildid)

    def add_step(self, buildid: int, name: str = "compile") -> int:
        stepid = self.update("addStep", buildid, name)[0]
        self.update("startStep", stepid)
        return stepid

    def add_log(self, stepid: int, content: str = "", name: str = "stdio", type: str = "s") -> int:
        logid = self.update("addLog", stepid, name, type)
        if content:
            self.update("appendLog", logid, content)
        return logid


@pytest.fixture
def make_web(tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """``make_web(**www)`` starts a master with these settings of ``c['www']``."""
    made: list[Web] = []

    def make(**www: Any) -> Web:
        basedir = tmp_path / str(len(made))
        basedir.mkdir()
        made.append(Web(basedir, www))
        return made[-1]

    yield make
    for web in made:
        web.kit.stop()


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    """A master with a web server that everybody may use."""
    return make_web()
