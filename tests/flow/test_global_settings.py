"""Settings for the whole master, from a change to its build: codebaseGenerator, revlink, properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers, steps, util
from tests.support.path import BuildPath, configuration

CODEBASES = {"https://x.org/app.git": "app", "https://x.org/lib.git": "lib"}


def one_builder() -> Any:
    """Two codebases, one builder, whose step shows what it knows."""
    each = {"app": {"repository": "https://x.org/app.git"}, "lib": {"repository": "https://x.org/lib.git"}}
    show = util.Interpolate("%(src:app:revision)s %(src:lib:branch)s %(prop:site)s %(prop:level)s")
    return configuration(
        lambda: [schedulers.AnyBranchScheduler(name="s", builderNames=["b"], codebases=each, properties={"level": 2})],
        {"b": [steps.SetProperty(property="shown", value=show)]},
        codebaseGenerator=lambda change: CODEBASES[change["repository"]],
        revlink=util.RevlinkMatch([r"https://x\.org/(.*)\.git"], r"https://x.org/show/\1/%s"),
        properties={"site": "here", "level": 1},
    )


def test_from_a_change_to_its_build(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, one_builder())
    path.attach()
    changeid = path.change("abc", repository="https://x.org/app.git", branch="main")
    change = path.kit.get("changes", changeid)
    assert (change["codebase"], change["revlink"]) == ("app", "https://x.org/show/app/abc")
    path.kit.pump()
    assert path.builds() == [("b", 1, SUCCESS)]
    properties = path.kit.get("builds", 1, "properties")
    assert properties["shown"] == ("abc  here 2", "SetProperty")
    assert properties["site"][0] == "here"
    (buildset,) = path.kit.get("buildsets")
    stamps = {stamp["codebase"]: (stamp["repository"], stamp["revision"]) for stamp in buildset["sourcestamps"]}
    assert stamps == {"app": ("https://x.org/app.git", "abc"), "lib": ("https://x.org/lib.git", None)}
    path.kit.stop()
