"""Many builders, one real master, one real worker, one run: what came of each builder's build."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from buildmaster.base.aio import as_deferred, with_deadline
from buildmaster.plugins import schedulers, util, worker
from tests.support.commands import ROOT
from tests.support.real_workers import PORT, Site

WORKER = "myworker"


@attrs.frozen
class StepOutcome:
    """A step as the data API shows it, with the texts of its logs by name."""

    name: str
    results: int
    text: str
    urls: list[tuple[str, str]]
    logs: dict[str, str]


@attrs.frozen
class BuildOutcome:
    """A build, its properties' values, and its steps without the worker's preparation."""

    results: int
    text: str
    properties: dict[str, Any]
    steps: list[StepOutcome]

    @property
    def last(self) -> StepOutcome:
        """The last step."""
        return self.steps[-1]


def program_of(guide: str) -> Any:
    """A program of a guide, as a module."""
    spec = importlib.util.spec_from_file_location(guide, ROOT / "docs" / "howto" / f"{guide}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class SeedRun:
    """``builders`` maps names to factories, or to lists of steps; ``more`` are builders as dictionaries.

    ``config`` replaces parts of the configuration.
    :meth:`build` asks for builds; the worker runs several at a time.
    """

    def __init__(
        self,
        path: Path,
        builders: Mapping[str, Any],
        more: list[dict[str, Any]] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        def factory(steps: Any) -> Any:
            return steps if hasattr(steps, "newBuild") else util.BuildFactory(steps)

        def make() -> dict[str, Any]:
            made = [
                util.BuilderConfig(name=name, workernames=[WORKER], factory=factory(steps), collapseRequests=False)
                for name, steps in builders.items()
            ]
            names = [each.name for each in made] + [each["name"] for each in more or []]
            return {
                "workers": [worker.Worker(WORKER, "pw", max_builds=3)],
                "protocols": {"pb": {"port": PORT}},
                "builders": [*made, *(more or [])],
                "schedulers": [schedulers.Triggerable(name="all", builderNames=names)],
                **(config or {}),
            }

        self.site = Site(path, make)

    def start(self) -> SeedRun:
        """Start the master and the worker."""

        async def go() -> None:
            await self.site.start()
            self.site.worker(WORKER).process.start()
            await self.site.attached(WORKER)

        self.site.run(go())
        return self

    def start_master(self) -> None:
        """Start the master alone."""
        self.site.run(self.site.start())

    def stop(self) -> None:
        """Stop both.  Doing this again does nothing."""
        self.site.run(self.site.stop())

    def build(self, *asked: tuple[str, dict[str, Any]]) -> list[BuildOutcome]:
        """Build these, pairs of builder and properties; ``repository`` among them is the source stamp's."""
        return self.site.run(self._build_all(asked), 120)

    async def _build_all(self, asked: tuple[tuple[str, dict[str, Any]], ...]) -> list[BuildOutcome]:
        asking = [self._ask(name, dict(properties)) for name, properties in asked]
        requests = [await with_deadline(one, 30, self.site.reactor, "the request for a build") for one in asking]
        ended: set[int] = set()

        def note(_: Any, message: Any) -> None:
            ended.add(message["buildrequestid"])

        watch = await as_deferred(self.site.master.mq.startConsuming(note, ("builds", None, "finished")))
        for build in await self.site.get("builds"):
            if build["complete"]:
                ended.add(build["buildrequestid"])
        await self.site.until(lambda: ended >= set(requests), "the builds end", 60)
        await as_deferred(watch.stopConsuming())
        looking = [self._outcome(request) for request in requests]
        return [await with_deadline(one, 30, self.site.reactor, "what came of a build") for one in looking]

    async def _ask(self, name: str, properties: dict[str, Any]) -> int:
        updates = self.site.master.data.updates
        builderid = await updates.findBuilderId(name)
        stamp = {"codebase": "", "project": "", "branch": None, "revision": None}
        _, requests = await updates.addBuildset(
            waited_for=False,
            builderids=[builderid],
            sourcestamps=[{**stamp, "repository": properties.pop("repository", "")}],
            reason="an example",
            properties={name: (value, "test") for name, value in properties.items()},
        )
        return requests[builderid]

    async def _outcome(self, request: int) -> BuildOutcome:
        builds = await self.site.get("buildrequests", request, "builds")
        build = builds[-1]
        steps = await self.site.get("builds", build["buildid"], "steps", order=("number",))
        properties = await self.site.get("builds", build["buildid"], "properties")
        return BuildOutcome(
            build["results"],
            build["state_string"],
            {name: value for name, (value, _) in properties.items()},
            [await self._step(step) for step in steps if step["name"] != "worker_preparation"],
        )

    async def _step(self, step: Mapping[str, Any]) -> StepOutcome:
        logs = await self.site.get("steps", step["stepid"], "logs")
        texts = {log["name"]: (await self.site.get("logs", log["logid"], "contents"))["content"] for log in logs}
        urls = [(url["name"], url["url"]) for url in step["urls"]]
        return StepOutcome(step["name"], step["results"], step["state_string"], urls, texts)
