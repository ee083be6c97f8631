"""From a change to a build, for tests of the path: short ways to say what is configured and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from buildmaster.plugins import util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker

Factories = dict[str, Sequence[Any]]


def configuration(
    schedulers: Callable[[], Iterable[Any]],
    builders: Factories | None = None,
    workers: Iterable[str] = ("w",),
    builder_options: dict[str, Any] | None = None,
    **more: Any,
) -> Callable[[], dict[str, Any]]:
    """What a master.cfg would say; ``builders`` maps names to steps, by default ``b`` with none."""
    names = list(workers)

    def make() -> dict[str, Any]:
        return {
            "workers": [worker.Worker(name, "pw") for name in names],
            "builders": [
                util.BuilderConfig(
                    name=name, workernames=names, factory=util.BuildFactory(list(steps)), **(builder_options or {})
                )
                for name, steps in (builders or {"b": []}).items()
            ],
            "schedulers": list(schedulers()),
            "protocols": {"pb": {"port": 9989}},
            **more,
        }

    return make


class BuildPath:
    """A master in memory, asked in few words."""

    def __init__(self, basedir: Path, config: Callable[[], dict[str, Any]], now: float | None = None) -> None:
        self.basedir = basedir
        self.kit = MemoryMaster(basedir, config) if now is None else MemoryMaster(basedir, config, now=now)
        self.kit.start()
        self.master = self.kit.master

    def change(self, revision: str, **fields: Any) -> int:
        """A change comes; returns its id."""
        values = {"author": "me", "branch": "main", "files": ["f.c"], "comments": revision, "repository": "repo"}
        return self.kit.call(self.master.data.updates.addChange, revision=revision, **{**values, **fields})

    def attach(self, name: str = "w", script: Callable[[Command], Any] | None = None) -> ScriptedWorker:
        """A worker connects."""
        scripted = ScriptedWorker(self.master, name, *([script] if script is not None else []))
        self.kit.wait_for(scripted.connect())
        return scripted

    def force(self, scheduler: str = "force", **args: Any) -> tuple[int, dict[int, int]]:
        """Somebody presses a button; the ids in the answer are numbers."""
        answer = self.kit.call(
            self.master.data.control, "force", {"owner": "me@x.org", **args}, ("forceschedulers", scheduler)
        )
        return answer[0], {int(builderid): requestid for builderid, requestid in answer[1].items()}

    def buildsets(self) -> list[list[str | None]]:
        """The revisions of each buildset's source stamps."""
        return [[stamp["revision"] for stamp in b["sourcestamps"]] for b in self.kit.get("buildsets", order=["bsid"])]

    def requests(self) -> list[tuple[bool, int]]:
        """(complete, results) of each request."""
        found = self.kit.get("buildrequests", order=["buildrequestid"])
        return [(request["complete"], request["results"]) for request in found]

    def builds(self) -> list[tuple[str, int, int | None]]:
        """(builder, number, results) of each build."""
        names = {builder["builderid"]: builder["name"] for builder in self.kit.get("builders")}
        found = self.kit.get("builds", order=["buildid"])
        return [(names[build["builderid"]], build["number"], build["results"]) for build in found]

    def changes_of(self, buildid: int) -> list[str]:
        """The revisions of the changes that a build includes."""
        found = self.kit.get("builds", buildid, "changes", order=["changeid"])
        return [change["revision"] for change in found]

    def crash_and_restart(self, config: Callable[[], dict[str, Any]], after: float = 0) -> BuildPath:
        """The process is killed; another one starts on the same files ``after`` so many seconds."""
        now = self.kit.crash()
        return BuildPath(self.basedir, config, now=now + after)
