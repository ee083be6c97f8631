"""What the base classes of schedulers promise to those who subclass them."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors, capture_config_errors
from buildmaster.plugins import schedulers, util
from buildmaster.properties import Interpolate, is_plain
from buildmaster.schedulers.base import BaseScheduler, ReconfigurableBaseScheduler
from buildmaster.schedulers.composing import Wish, newest_by_codebase, stamp_from_dict
from buildmaster.testing.sync import result_of


def test_the_documented_attributes() -> None:
    made = BaseScheduler("s", ["a", "b"], properties={"p": 1}, codebases={"c": {"branch": "m"}}, priority=3)
    assert (made.name, made.builderNames, made.priority, made.enabled) == ("s", ["a", "b"], 3, True)
    assert made.listBuilderNames() == ["a", "b"]
    assert made.properties.asDict() == {"p": (1, "Scheduler"), "scheduler": ("s", "Scheduler")}
    assert made.codebases == {"c": {"branch": "m"}}
    assert result_of(made.getCodebaseDict("c")) == {"branch": "m"}
    assert BaseScheduler("s", []).codebases == {"": {}}


def test_codebases_may_be_a_list_of_names() -> None:
    assert ReconfigurableBaseScheduler(name="s", builderNames=[], codebases=["a", "b"]).codebases == {"a": {}, "b": {}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"builderNames": "b"}, "builderNames must be a list of builder names"),
        ({"builderNames": [3]}, "3 in builderNames is not the name of a builder"),
        ({"properties": [1]}, "properties must be a dictionary"),
        ({"codebases": 3}, "codebases must be a dictionary or a list of names"),
        ({"codebases": {"a": 3}}, "codebase 'a' must be a dictionary"),
        ({"priority": "high"}, "priority must be a number or a function"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        ReconfigurableBaseScheduler(name="s", **{"builderNames": ["b"], **arguments})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "it needs branch='…' or change_filter="),
        (
            {"branch": "m", "change_filter": util.ChangeFilter(branch="m")},
            "cannot specify both change_filter and branch",
        ),
        ({"branch": "m", "fileIsImportant": 3}, "fileIsImportant must be a function of a change, not 3"),
        ({"branch": "m", "treeStableTimer": "1"}, "treeStableTimer must be a number of seconds or None"),
        ({"change_filter": "m"}, "change_filter must be a util.ChangeFilter"),
        ({"branch": "m", "builderNames": None}, "it needs builderNames=[…]"),
    ],
)
def test_wrong_arguments_of_a_scheduler_of_changes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        schedulers.SingleBranchScheduler(**{"name": "s", "builderNames": ["b"], **arguments})
    assert message in str(raised.value)


def test_all_mistakes_are_told_at_once() -> None:
    with capture_config_errors() as errors:
        schedulers.AnyBranchScheduler("s", builderNames="b", branch="m", fileIsImportant=3, codebases=3)
    assert len(errors.errors) == 4


def test_the_reason_names_the_scheduler() -> None:
    made = schedulers.AnyBranchScheduler(name="s", builderNames=["b"])
    assert made.reason == "The AnyBranchScheduler scheduler named 's' triggered this build"
    assert schedulers.AnyBranchScheduler(name="s", builderNames=["b"], reason="%(name)s!").reason == "s!"


def test_a_source_stamp_of_a_dictionary() -> None:
    stamp = stamp_from_dict({"codebase": "c", "branch": "m", "patch_body": "diff", "patch_level": "1"})
    assert (stamp.codebase, stamp.branch, stamp.revision, stamp.repository) == ("c", "m", None, "")
    assert stamp.patch is not None
    assert (stamp.patch.body, stamp.patch.level, stamp.patch.subdir) == (b"diff", 1, ".")


def test_only_what_could_be_renderable_is_rendered() -> None:
    assert is_plain(["a", {"b": (1, None)}])
    assert not is_plain(["a", {"b": Interpolate("%(prop:x)s")}])


def test_the_newest_change_of_each_codebase() -> None:
    class One:
        def __init__(self, number: int, codebase: str) -> None:
            self.number, self.codebase = number, codebase

    changes: Any = [One(3, "a"), One(1, "a"), One(2, "b")]
    assert {name: change.number for name, change in newest_by_codebase(changes).items()} == {"a": 3, "b": 2}
    assert Wish([]).changes == ()
