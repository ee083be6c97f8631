"""``c['validation']``: what users enter in a force form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildmaster.plugins import schedulers, util
from buildmaster.schedulers.forcesched import CollectedValidationError
from tests.support.path import BuildPath, configuration


def path_of(tmp_path: Path, codebase: Any = None, **more: Any) -> BuildPath:
    def force() -> list[Any]:
        fields = [util.CodebaseParameter("") if codebase is None else codebase()]
        any_property = util.AnyPropertyParameter("any")
        return [
            schedulers.ForceScheduler("force", builderNames=["b"], codebases=fields, properties=[any_property]),
        ]

    return BuildPath(tmp_path, configuration(force, **more))


@pytest.mark.parametrize(
    ("entered", "error"),
    [
        (
            {"branch": "a b"},
            {"branch": r"Branch: 'a b' does not match the pattern of c['validation']['branch'], ^[\w.+/~-]*$"},
        ),
        (
            {"revision": "#1"},
            {"revision": r"Revision: '#1' does not match the pattern of c['validation']['revision'], ^[ \w\.\-/]*$"},
        ),
        (
            {"any_name": "a b", "any_value": "c"},
            {
                "any": "bad property name='a b', value='c': 'a b' does not match the pattern of "
                r"c['validation']['property_name'], ^[\w\.\-/~:]*$"
            },
        ),
        (
            {"any_name": "a", "any_value": "c d"},
            {
                "any": "bad property name='a', value='c d': 'c d' does not match the pattern of "
                r"c['validation']['property_value'], ^[\w\.\-/~:]*$"
            },
        ),
    ],
)
def test_free_text_that_does_not_match_is_refused_with_the_pattern(
    tmp_path: Path, entered: dict[str, str], error: dict[str, str]
) -> None:
    path = path_of(tmp_path)
    with pytest.raises(CollectedValidationError) as raised:
        path.force(**entered)
    assert raised.value.errors == error
    assert path.buildsets() == []
    path.kit.stop()


def test_the_configuration_has_its_own_patterns(tmp_path: Path) -> None:
    path = path_of(tmp_path, validation={"branch": r"^release #\d$", "property_value": "^c d$"})
    path.force(branch="release #3", any_name="a", any_value="c d", revision="1 2")
    assert path.buildsets() == [["1 2"]]
    with pytest.raises(CollectedValidationError):
        path.force(branch="main")
    path.kit.stop()


@pytest.mark.parametrize(
    "field",
    [
        lambda: util.StringParameter("branch", regex="^a b$"),
        lambda: util.StringParameter("branch", default="a b"),
        lambda: util.ChoiceStringParameter("branch", choices=["a b"]),
        lambda: "a b",
    ],
    ids=["pattern of its own", "default", "choice", "fixed"],
)
def test_what_the_configuration_itself_says_of_a_field_is_not_checked(tmp_path: Path, field: Any) -> None:
    path = path_of(tmp_path, lambda: util.CodebaseParameter("", branch=field()))
    path.force(branch="a b")
    assert path.kit.get("buildsets")[0]["sourcestamps"][0]["branch"] == "a b"
    path.kit.stop()
