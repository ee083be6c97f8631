"""Every documented plugin is there under both import names, with its parameters, defaults and renderables.

``data/plugins.tsv`` holds the facts, ``data/owed.txt`` names what is not there yet: whoever adds a plugin deletes its
line, or lets ``python -m tests.support.owed`` do it.
"""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.plugins import PluginNotFound, get_plugins
from tests.support.facts import OPAQUE, OWED, PluginFact, default_of, listed, plugin_facts, resolve
from tests.support.owed import come_plugins
from tests.support.signatures import REQUIRED, Taken, renderables

FACTS = plugin_facts()
THERE = [fact for fact in FACTS if fact.full_name not in listed(OWED)]

NOT_TAKEN: dict[str, set[str]] = {
    "reporters.BuildRequestGenerator": {"add_logs", "mode", "subject"},
    "reporters.BuildStartEndStatusGenerator": {"mode", "subject"},
    "reporters.BuildStatusGenerator": {"subject"},
    "reporters.ZulipStatusPush": {"generators"},
    "util.AuthorizedKeysManhole": {"checker"},
    "util.BasicBuildFactory": {"source", "steps"},
    "util.BasicSVN": {"source", "steps"},
    "util.CPAN": {"steps"},
    "util.GNUAutoconf": {"steps"},
    "util.HTPasswdAuth": {"checkers", "credentialFactories"},
    "util.PasswordManhole": {"checker"},
    "util.PatchParameter": {"fields"},
    "util.QuickBuildFactory": {"source", "steps"},
    "util.TelnetManhole": {"checker", "ssh_hostkey_dir"},
    "util.Trial": {"steps"},
    "util.UserPasswordAuth": {"checkers", "credentialFactories"},
    "worker.LocalWorker": {"password"},
}
"""Parameters of a base class that the class itself gives to it, or gives a default; the table lists them all."""

NEEDED = {"schedulers": "name"}
"""Namespace → the parameter that the table shows with a default of a base class, and that each plugin refuses
without."""


def by_name(fact: PluginFact) -> str:
    """How a fact is called in the report."""
    return fact.full_name


def plugin(fact: PluginFact) -> Any:
    """The plugin of a fact; fails with what is to be done if it is missing."""
    try:
        return get_plugins(fact.namespace).get(fact.name)
    except PluginNotFound as missing:
        pytest.fail(
            f"{missing}. It is documented and not listed in tests/contract/data/owed.txt: add its row to "
            "buildmaster/plugin_table.py, then pip install -e . again."
        )


def address(fact: PluginFact) -> str:
    """The import path of a fact, which for some constants is only the module's."""
    return fact.import_path if fact.kind in ("class", "function") else f"{fact.import_path}.{fact.name}"


@pytest.mark.parametrize("fact", THERE, ids=by_name)
def test_it_is_there_under_both_names(fact: PluginFact) -> None:
    found = plugin(fact)
    if fact.import_path:
        assert resolve(address(fact), "buildmaster") is found
        assert resolve(address(fact), "buildbot") is found
    if not fact.import_path:
        assert repr(found).startswith(fact.value.removesuffix("]"))


@pytest.mark.parametrize("fact", [fact for fact in THERE if fact.kind in ("class", "function")], ids=by_name)
def test_it_takes_its_parameters(fact: PluginFact) -> None:
    taken = Taken(plugin(fact))
    wrong = []
    for name, text in fact.parameters:
        if name in NOT_TAKEN.get(fact.full_name, ()) or NEEDED.get(fact.namespace) == name:
            continue
        if name not in taken.defaults:
            wrong.append(f"{name}: not taken")
        elif text is None and taken.defaults[name] is not REQUIRED:
            wrong.append(f"{name}: has the default {taken.defaults[name]!r}, documented without")
        elif text is not None and not is_default(taken.defaults[name], text):
            shown = "none" if taken.defaults[name] is REQUIRED else repr(taken.defaults[name])
            wrong.append(f"{name}: documented default {text}, here {shown}")
    assert wrong == []
    documented = [name for name, _ in fact.parameters if name in taken.positional]
    assert [name for name in taken.positional if name in documented] == documented, "the order by position"


@pytest.mark.parametrize("fact", [fact for fact in THERE if fact.renderables], ids=by_name)
def test_its_renderables_are_rendered(fact: PluginFact) -> None:
    assert sorted(set(fact.renderables) - renderables(plugin(fact))) == []


def test_what_is_owed_shrinks() -> None:
    """A name that has come is taken off the list, and the list names nothing that is not documented."""
    assert come_plugins() == [], "these are there now: python -m tests.support.owed takes them off the list"


def is_default(value: Any, text: str) -> bool:
    """Whether a value is the default that the table shows."""
    if value is REQUIRED:
        return False
    documented = default_of(text)
    return documented is OPAQUE or same(value, documented)


def same(value: Any, documented: Any) -> bool:
    """Equal, where a list may be a tuple."""
    if isinstance(documented, list | tuple):
        return isinstance(value, list | tuple) and list(value) == list(documented)
    return bool(value == documented)
