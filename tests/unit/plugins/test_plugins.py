"""The plugin namespaces, made of entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

import pytest

from buildmaster.base.errors import PluginDBError
from buildmaster.plugins import Namespace, PluginNotFound, Registry, get_plugins


class Package(NamedTuple):
    """What is read of an installed distribution."""

    name: str
    version: str


def entry(group: str, name: str, value: str, package: str = "ours", version: str = "1.0") -> EntryPoint:
    """An entry point of an installed package."""
    found = EntryPoint(name, value, group)
    return found._for(Package(package, version))  # type: ignore[attr-defined]


def namespace(name: str, *entries: EntryPoint) -> Namespace:
    return get_plugins(name, registry=Registry(lambda: entries))


def test_a_plugin_is_what_its_entry_point_names():
    import json

    steps = namespace("steps", entry("buildmaster.steps", "Dump", "json:dumps"))
    assert steps.Dump is json.dumps
    assert steps.get("Dump") is json.dumps
    assert dir(steps) == steps.names == list(steps) == ["Dump"]
    assert "Dump" in steps
    assert repr(steps) == "<plugins steps>"


def test_groups_of_both_names_are_read():
    steps = namespace(
        "steps", entry("buildmaster.steps", "A", "json:dumps"), entry("buildbot.steps", "B", "json:loads")
    )
    assert steps.names == ["A", "B"]


def test_what_buildbot_itself_offers_is_skipped():
    for distribution in ("buildbot", "Buildbot"):
        steps = namespace("steps", entry("buildbot.steps", "A", "buildbot.nonesuch:A", distribution))
        assert steps.names == []
    assert namespace("steps", entry("buildbot.steps", "A", "x:A", "buildbot-www")).names == ["A"]


def test_other_groups_are_not():
    assert namespace("steps", entry("console_scripts", "A", "x:y"), entry("buildmaster.util", "B", "x:y")).names == []


def test_a_name_with_dots_lies_in_a_namespace_of_its_own():
    import json

    util = namespace(
        "util",
        entry("buildmaster.util", "svn.split.dump", "json:dumps"),
        entry("buildmaster.util", "svn.load", "json:loads"),
    )
    assert util.svn.load is json.loads
    assert util.svn.split.dump is json.dumps
    assert util.get("svn.split.dump") is json.dumps
    assert dir(util) == ["svn"]
    assert dir(util.svn) == ["load", "split"]
    with pytest.raises(PluginNotFound, match=r"no plugin util\.svn\.lode; did you mean load\?"):
        _ = util.svn.lode


def test_a_plugin_that_is_not_there():
    steps = namespace("steps", entry("buildmaster.steps", "ShellCommand", "json:dumps"))
    with pytest.raises(PluginNotFound, match=r"^no plugin steps.ShelCommand; did you mean ShellCommand\?$"):
        _ = steps.ShelCommand
    with pytest.raises(PluginNotFound, match="is the package that offers it installed here"):
        _ = steps.Zzz
    assert not hasattr(steps, "Zzz")
    assert not hasattr(steps, "__wrapped__")


def test_a_plugin_that_is_broken():
    steps = namespace("steps", entry("buildmaster.steps", "A", "nonesuch_module:A", "thing", "2.1"))
    with pytest.raises(PluginDBError) as raised:
        _ = steps.A
    assert str(raised.value) == (
        "plugin steps.A (nonesuch_module:A of the package thing 2.1) can't be imported: ModuleNotFoundError: "
        "No module named 'nonesuch_module'"
    )
    assert not isinstance(raised.value, AttributeError)


def test_a_name_that_two_packages_claim():
    steps = namespace(
        "steps",
        entry("buildmaster.steps", "A", "json:dumps", "one"),
        entry("buildbot.steps", "A", "json:loads", "two"),
        entry("buildmaster.steps", "B", "json:loads", "one"),
    )
    with pytest.raises(PluginDBError, match=r"offered by several packages: one 1.0 \(json:dumps\), two 1.0"):
        _ = steps.A
    assert steps.B is not None


def test_a_package_may_register_under_both_names():
    steps = namespace(
        "steps", entry("buildmaster.steps", "A", "json:dumps", "one"), entry("buildbot.steps", "A", "json:loads", "one")
    )
    import json

    assert steps.A is json.dumps


def test_the_same_object_of_two_packages_is_one():
    steps = namespace(
        "steps", entry("buildmaster.steps", "A", "json:dumps", "one"), entry("buildbot.steps", "A", "json:dumps", "two")
    )
    assert steps.A is not None


def test_nothing_is_imported_before_it_is_asked_for():
    import sys

    steps = namespace("steps", entry("buildmaster.steps", "A", "this:s"))
    assert steps.info("A").value == "this:s"
    assert "this" not in sys.modules


def test_the_installed_packages_are_read_once():
    calls: list[Any] = []

    def find() -> list[EntryPoint]:
        calls.append(None)
        return []

    registry = Registry(find)
    for name in ("steps", "util"):
        assert get_plugins(name, registry=registry).names == []
    assert len(calls) == 1
