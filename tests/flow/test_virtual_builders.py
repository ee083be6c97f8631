"""Builds that are shown under virtual builders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import SUCCESS
from buildmaster.db.builders import VirtualBuilder
from buildmaster.plugins import schedulers, steps, util
from buildmaster.process.virtual import virtual_builder
from tests.support.path import BuildPath, configuration


def one_builder(**options: Any) -> Any:
    """A builder that any change is built on."""
    return configuration(
        lambda: [schedulers.AnyBranchScheduler(name="each", builderNames=["b"])],
        {"b": [steps.ShellCommand(command=["make", util.Interpolate("%(prop:builderid)s")])]},
        builder_options={"collapseRequests": False, **options},
    )


def path_of(tmp_path: Path, **options: Any) -> BuildPath:
    path = BuildPath(tmp_path, one_builder(**options))
    path.attach()
    return path


def shown(path: BuildPath, name: str) -> dict[str, Any]:
    """What is said of a builder."""
    (builder,) = [one for one in path.kit.get("builders") if one["name"] == name]
    return builder


def test_builds_of_triggered_variants_have_builders_of_their_own(tmp_path: Path) -> None:
    """As a Trigger step would ask for them: with properties that name the virtual builder."""
    triggers = [schedulers.Triggerable(name="variants", builderNames=["b"])]
    variant = {
        "virtual_builder_name": util.Interpolate("test-%(src::branch)s"),
        "virtual_builder_description": "of the branch",
        "virtual_builder_project": "thing",
        "virtual_builder_tags": ["fast"],
    }
    start = [steps.Trigger(schedulerNames=["variants"], set_properties=variant, waitForFinish=True)]
    path = BuildPath(
        tmp_path,
        configuration(
            lambda: [*triggers, schedulers.AnyBranchScheduler(name="each", builderNames=["start"])],
            {"start": start, "b": []},
            builder_options={"collapseRequests": False},
        ),
    )
    path.attach()
    for branch in ("x", "y", "x"):
        path.change("r", branch=branch)
        path.kit.pump()
    built = [build for build in path.builds() if build[0] != "start"]
    assert built == [("test-x", 1, SUCCESS), ("test-y", 1, SUCCESS), ("test-x", 2, SUCCESS)]
    builder = shown(path, "test-x")
    assert builder["tags"] == ["fast", "_virtual_"]
    assert builder["description"] == "of the branch"
    assert path.kit.get("projects", builder["projectid"])["name"] == "thing"
    assert [build["number"] for build in path.kit.get("builders", builder["builderid"], "builds")] == [1, 2]
    path.kit.stop()


def test_the_builder_that_runs_them_stays_itself(tmp_path: Path) -> None:
    path = path_of(tmp_path, properties={"virtual_builder_name": "other"})
    path.change("r1")
    path.kit.pump()
    assert path.builds() == [("other", 1, SUCCESS)]
    (request,) = path.kit.get("buildrequests")
    assert request["builderid"] == shown(path, "b")["builderid"]
    properties = path.kit.get("builds", 1, "properties")
    assert properties["buildername"] == ("b", "Builder")
    path.kit.stop()


def test_its_name_is_text() -> None:
    name = util.Interpolate("%(prop:branch)s")
    with pytest.raises(ConfigErrors, match="the property virtual_builder_name must be text, known before the build"):
        util.BuilderConfig("b", "w", properties={"virtual_builder_name": name}, factory=util.BuildFactory())


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, None),
        ({"virtual_builder_name": ""}, None),
        ({"virtual_builder_name": 3}, None),
        ({"virtual_builder_name": "v"}, VirtualBuilder("v")),
        (
            {"virtual_builder_name": "v", "virtual_builder_tags": "a, b,", "virtual_builder_project": "p"},
            VirtualBuilder("v", None, "p", ("a", "b")),
        ),
    ],
)
def test_properties_tell_of_it(properties, expected):
    assert virtual_builder(properties) == expected
