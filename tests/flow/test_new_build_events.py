"""What whoever is told of a new build finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildmaster.plugins import schedulers, util
from buildmaster.reporters.utils import getDetailsForBuild
from tests.support.path import BuildPath, configuration


def test_a_new_build_has_its_properties_when_it_is_told(tmp_path: Path) -> None:
    """A service that consumes ``builds.*.new`` and asks for details finds the properties that the build begins with."""
    forced = schedulers.ForceScheduler(
        name="force", builderNames=["b"], properties=[util.StringParameter("release", default="1.2")]
    )
    path = BuildPath(tmp_path, configuration(lambda: [forced]))
    seen: list[dict[str, Any]] = []

    async def told(key: Any, build: dict[str, Any]) -> None:
        await getDetailsForBuild(path.master, build, wantProperties=True)
        seen.append(build["properties"])

    path.master.mq.startConsuming(told, ("builds", None, "new"))
    path.attach()
    path.force()
    path.kit.advance(1)
    (properties,) = seen
    told_of = {name: properties[name][0] for name in ("release", "buildername", "buildnumber", "scheduler")}
    assert told_of == {"release": "1.2", "buildername": "b", "buildnumber": 1, "scheduler": "force"}
    path.kit.stop()
