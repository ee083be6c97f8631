"""One builder, one scripted worker, and the means to run builds of given steps in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from buildmaster.config.builder import BuilderConfig
from buildmaster.db import logs
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker
from buildmaster.worker.base import Worker


async def answer(command: Command) -> None:
    """``["exit", N, text]`` prints the text and exits with N; everything else goes well."""
    words = command.args.get("command")
    if isinstance(words, list) and words and words[0] == "exit":
        if len(words) > 2:
            command.out(words[2])
        command.rc(int(words[1]))
    elif isinstance(words, list) and words and words[0] == "hang":
        await command.stall()
    else:
        command.rc(0)


class BuildKit:
    """A master with the builder ``b`` and its worker ``w``, which is connected.

    ``steps`` is a list of steps or a factory; other arguments are the builder's, or the master's in ``config``.
    """

    def __init__(
        self,
        basedir: Path,
        steps: Sequence[Any] | BuildFactory,
        script: Callable[[Command], Any] = answer,
        config: dict[str, Any] | None = None,
        worker: dict[str, Any] | None = None,
        **builder: Any,
    ) -> None:
        factory = steps if isinstance(steps, BuildFactory) else BuildFactory(steps)

        def make() -> dict[str, Any]:
            return {
                "workers": [Worker("w", "pw", **(worker or {}))],
                "protocols": {"pb": {"port": 9989}},
                "schedulers": [Triggerable(name="t", builderNames=["b"])],
                "builders": [BuilderConfig(name="b", workernames=["w"], factory=factory, **builder)],
                **(config or {}),
            }

        self.kit = MemoryMaster(basedir, make).start()
        self.master: Any = self.kit.master
        self.advance = self.kit.advance
        self.get = self.kit.get
        self.worker = ScriptedWorker(self.master, "w", script)
        self.kit.wait_for(self.worker.connect())

    def stop(self) -> None:
        """Stop the master."""
        self.kit.stop()

    def request(self, **properties: Any) -> int:
        """Ask for a build; returns the id of the request."""
        builderid = self.kit.call(self.master.data.updates.findBuilderId, "b")
        _, requests = self.kit.call(
            self.master.data.updates.addBuildset,
            waited_for=False,
            sourcestamps=[{"codebase": "", "repository": "r", "branch": "main", "revision": None, "project": "p"}],
            reason="because",
            properties={name: (value, "test") for name, value in properties.items()},
            builderids=[builderid],
        )
        self.kit.pump()
        return requests[builderid]

    def build(self, seconds: float = 2.0, **properties: Any) -> Any:
        """Ask for a build and let it run; returns it as the data API shows it."""
        self.request(**properties)
        self.advance(seconds)
        return self.last()

    def last(self) -> Any:
        """The newest build."""
        return self.get("builds")[-1]

    @property
    def running(self) -> Any:
        """The Build object that runs."""
        builder = self.master.botmaster.builders["b"]
        return builder.building[-1]

    def steps(self, build: Any = None) -> list[Any]:
        """The configured steps of the newest build, or of this, as far as they were run."""
        return [step for step in self.all_steps(build) if step["name"] != "worker_preparation"]

    def all_steps(self, build: Any = None) -> list[Any]:
        """The same with the worker's preparation."""
        return self.get("builds", (build or self.last())["buildid"], "steps")

    def log(self, step: str, name: str = "stdio") -> str:
        """The text of a log of the newest build, in the documented form."""
        stepid = next(each["stepid"] for each in self.all_steps() if each["name"] == step)
        log = next(each for each in self.get("steps", stepid, "logs") if each["name"] == name)
        return self.kit.wait_for(self.master.db.read(logs.read_lines, log["logid"], 0, 10**9))

    def log_names(self, step: str) -> list[str]:
        """The names of a step's logs."""
        stepid = next(each["stepid"] for each in self.all_steps() if each["name"] == step)
        return [log["name"] for log in self.get("steps", stepid, "logs")]

    def properties(self) -> dict[str, Any]:
        """The properties of the newest build: name → value."""
        found = self.get("builds", self.last()["buildid"], "properties")
        return {name: value for name, (value, _) in found.items()}
