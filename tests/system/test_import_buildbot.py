"""A master goes on from where a Buildbot master was killed, with a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.aio import sleep
from buildmaster.cli.import_buildbot import class_here
from buildmaster.db import importing
from buildmaster.plugins import changes, schedulers, steps, util, worker
from tests.support import real_reactor
from tests.support.buildbot_database import buildbot, in_file
from tests.support.connections import worker_program
from tests.support.real_workers import PORT, Site

pytestmark = pytest.mark.needs("lz4", "brotli")


def config() -> dict[str, Any]:
    """The builders and schedulers of the sample, whose steps end at once."""
    factory = util.BuildFactory([steps.ShellCommand(command=["true"])])
    return {
        "workers": [worker.Worker("w", "pw")],
        "protocols": {"pb": {"port": PORT}},
        "change_source": [changes.PBChangeSource()],
        "builders": [
            util.BuilderConfig(name=n, workernames=["w"], factory=factory) for n in ["main", "kid", "long", "parent"]
        ],
        "schedulers": [
            schedulers.AnyBranchScheduler(name="slow", builderNames=["main"], treeStableTimer=36000),
            schedulers.Triggerable(name="child", builderNames=["kid", "long", "parent"]),
            schedulers.Periodic(name="per", builderNames=["kid"], periodicBuildTimer=10**9),
        ],
    }


def test_a_master_goes_on_where_buildbot_was_killed(tmp_path: Path, tool: Callable[[str], str]) -> None:
    if worker_program() is None:
        tool("buildbot-worker")
    site = Site(tmp_path, config)
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    now = real_reactor.reactor.seconds()
    importing.import_history(old, in_file(tmp_path / "master" / "state.sqlite"), lambda line: None, now, class_here)

    async def story() -> None:
        await site.start()
        get = site.master.data.get
        site.worker("w").process.start()
        while await get(("buildrequests",), filters=incomplete()) or await get(("buildsets",), filters=incomplete()):
            await sleep(site.reactor, 0.05)
        built = [build for build in await get(("builds",)) if build["buildid"] > 19]
        named = {row["builderid"]: row["name"] for row in await get(("builders",))}
        assert sorted((named[build["builderid"]], build["number"], build["results"]) for build in built) == [
            ("long", 2, 0),
            ("main", 8, 0),
            ("main", 9, 0),
            ("parent", 2, 0),
        ]
        kept = {build["buildid"] for build in built if named[build["builderid"]] == "main"}
        found = [len(await get(("builds", buildid, "changes"))) for buildid in sorted(kept)]
        assert sorted(found) == [1, 2]
        (log,) = await get(("builds", 2, "steps", "sh", "logs"))
        assert "out ü 39" in (await get(("logs", log["logid"], "contents")))["content"]

    try:
        site.run(story())
    finally:
        site.run(site.stop())


def incomplete() -> list[Any]:
    from buildmaster.data.resultspec import Filter

    return [Filter("complete", "eq", [False])]
