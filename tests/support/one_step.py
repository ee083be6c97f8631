"""Run one step in a build of a master in memory, on a scripted worker, and see everything that came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker, succeed
from buildmaster.worker.base import Worker

STAMP = {"codebase": "", "repository": "repo", "project": "", "branch": "main", "revision": "r1"}


class Done:
    """What came of a build: ``steps`` and ``logs`` of all of them, of the first step ``step``, the ``commands`` run."""

    def __init__(self, kit: MemoryMaster, worker: ScriptedWorker, buildid: int) -> None:
        self.kit = kit
        self.commands = [(command.name, command.args) for command in worker.commands]
        self.build = dict(kit.get("builds", buildid))
        steps = kit.get("builds", buildid, "steps", order=("number",))
        self.steps = [step for step in steps if step["name"] != "worker_preparation"]
        self.step = self.steps[0]
        self.results = self.step["results"]
        self.text = self.step["state_string"]
        self.urls = [(url["name"], url["url"]) for url in self.step["urls"]]
        self.properties = {name: tuple(value) for name, value in kit.get("builds", buildid, "properties").items()}
        self.logs = self.logs_of(self.step)
        self.builds = [dict(build) for build in kit.get("builds", order=("buildid",))]
        self.buildsets = [dict(buildset) for buildset in kit.get("buildsets", order=("bsid",))]
        self.buildset_properties = [
            {n: v for n, (v, _) in kit.get("buildsets", b["bsid"], "properties").items()} for b in self.buildsets
        ]

    def logs_of(self, step: Mapping[str, Any]) -> dict[str, str]:
        """The text of a step's logs by name; lines of channels begin with their letter."""
        logs = self.kit.get("steps", step["stepid"], "logs")
        return {log["name"]: self.kit.get("logs", log["logid"], "contents")["content"] for log in logs}

    def property(self, name: str) -> Any:
        """A property's value."""
        return self.properties[name][0]


def run_steps(
    tmp_path: Path,
    *steps: Any,
    script: Callable[[Command], Any] = succeed,
    properties: Mapping[str, Any] | None = None,
    sourcestamps: list[dict[str, Any]] | None = None,
    info: dict[str, Any] | None = None,
    others: Mapping[str, BuildFactory] | None = None,
    meanwhile: Callable[[MemoryMaster, ScriptedWorker], Any] | None = None,
    seconds: float = 200,
) -> Done:
    """Build these steps once.  ``others`` are builders by name, each with a Triggerable of its name.

    ``meanwhile`` is called when everything has happened that happens by itself; then ``seconds`` pass.
    """
    factories = {"b": BuildFactory(list(steps)), **(others or {})}

    def config() -> dict[str, Any]:
        return {
            "protocols": {"pb": {"port": "tcp:0"}},
            "workers": [Worker("w", "secret")],
            "collapseRequests": False,
            "builders": [BuilderConfig(name=n, workernames=["w"], factory=f) for n, f in factories.items()],
            "schedulers": [Triggerable(name=name, builderNames=[name]) for name in factories],
        }

    tmp_path.mkdir(exist_ok=True)
    kit = MemoryMaster(tmp_path, config).start()
    try:
        worker = ScriptedWorker(kit.master, "w", script, info)
        kit.wait_for(worker.connect())
        builderid = kit.get("builders", "b")["builderid"]
        kit.call(
            kit.master.data.updates.addBuildset,
            waited_for=False,
            builderids=[builderid],
            sourcestamps=sourcestamps or [STAMP],
            reason="a test",
            properties={name: (value, "test") for name, value in (properties or {}).items()},
        )
        kit.pump()
        if meanwhile is not None:
            meanwhile(kit, worker)
        kit.advance(seconds)
        return Done(kit, worker, 1)
    finally:
        kit.stop()
