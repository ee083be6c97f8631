"""The built-in plugins: the table, what is installed of it, and what it stands for."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from buildmaster.plugin_table import NEW_STYLE, TABLE
from buildmaster.plugins import NAMESPACES, get_plugins
from tests.support.facts import plugin_facts

PLUGINS = [(namespace, name) for namespace, names in TABLE.items() for name in sorted(names)]


def test_what_is_installed_is_the_table():
    installed = {
        (group.removeprefix("buildmaster."), found.name): found.value
        for group in (f"buildmaster.{namespace}" for namespace in TABLE)
        for found in entry_points(group=group)
        if found.dist is not None and found.dist.name == "buildmaster-ci"
    }
    table = {(namespace, name): f"buildmaster.{TABLE[namespace][name]}" for namespace, name in PLUGINS}
    assert installed == table, "the installation is older than the table: run pip install -e . again"


@pytest.mark.parametrize(("namespace", "name"), PLUGINS)
def test_a_plugin_is_there(namespace, name):
    assert get_plugins(namespace).get(name) is not None


def test_every_namespace_can_be_imported():
    from buildmaster import plugins

    assert [name for name in NAMESPACES if getattr(plugins, name).namespace != name] == []
    assert sorted(plugins.__all__) == sorted(NAMESPACES)


def test_a_plugin_is_called_as_its_class():
    """What a namespace calls ``Git`` is the class ``Git``, unless another name of the class is documented."""
    aliases = {
        (fact.namespace, fact.name)
        for fact in plugin_facts()
        if fact.kind == "class" and fact.import_path.rpartition(".")[2] != fact.name.rpartition(".")[2]
    }
    aliases |= {("steps", f"{name}NewStyle") for name in NEW_STYLE}
    wrong = []
    for namespace, name in PLUGINS:
        found = get_plugins(namespace).get(name)
        if isinstance(found, type) and found.__name__ != name.rpartition(".")[2] and (namespace, name) not in aliases:
            wrong.append((namespace, name, found.__name__))
    assert wrong == []
