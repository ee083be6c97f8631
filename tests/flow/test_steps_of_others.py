"""Steps that other code adds to a running build by ``master.data.updates.addStep``."""

from __future__ import annotations

from pathlib import Path

from buildmaster.base.aio import deferred
from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps
from buildmaster.process.buildstep import BuildStep
from tests.support.path import BuildPath, configuration


class Told(BuildStep):
    """Has some other work of the build told as a step."""

    name = "told"

    @deferred
    async def run(self) -> int:
        updates = self.master.data.updates
        for _ in range(2):
            stepid, *_ = await updates.addStep(self.build.buildid, "last")
            await updates.finishStep(stepid, SUCCESS, False)
        return SUCCESS


def test_a_step_of_others_takes_neither_number_nor_name_of_the_builds_own(tmp_path: Path) -> None:
    forced = schedulers.ForceScheduler(name="force", builderNames=["b"])
    mine = [Told(), steps.SetProperty(property="p", value="v", name="last")]
    path = BuildPath(tmp_path, configuration(lambda: [forced], {"b": mine}))
    path.attach()
    path.force()
    path.kit.pump()
    assert path.builds() == [("b", 1, SUCCESS)]
    stored = path.kit.get("builds", 1, "steps", order=["number"])
    names = ["worker_preparation", "told", "last", "last_1", "last_2"]
    assert sorted((step["number"], step["results"]) for step in stored) == [(n, SUCCESS) for n in range(5)]
    assert sorted(step["name"] for step in stored) == sorted(names)
