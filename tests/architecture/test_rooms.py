"""Who may import whom."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.imports import PACKAGE, Import, all_imports, imports_of, modules, tree
from tests.architecture.rooms import (
    DOCUMENTED_ONLY,
    GLOBAL_REACTOR,
    OUTER,
    PB_FILES,
    PLUGIN_ROOMS,
    RE_EXPORTS,
    ROOMS,
)

LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
SPECIAL = RE_EXPORTS | DOCUMENTED_ONLY


def short(module: str) -> str:
    """A module's name below the package."""
    return module.removeprefix(PACKAGE).removeprefix(".")


def room(module: str) -> str:
    """The room that a module belongs to."""
    return short(module).partition(".")[0]


def is_special(module: str) -> bool:
    """Whether a module is a documented address of what lies elsewhere."""
    return module.startswith(PACKAGE + ".") and short(module) in SPECIAL


def lies_in(module: str, places: tuple[str, ...]) -> bool:
    """Whether a module is one of these or below one; a place that ends in ``*`` begins a name."""
    name = short(module)
    return any(name.startswith(one[:-1]) if one.endswith("*") else f"{name}.".startswith(f"{one}.") for one in places)


def goes_up(one: Import) -> bool:
    """Whether an import is against the order of the rooms."""
    here, there = room(one.importer), room(one.imported)
    if here == there or not there:
        return False
    if here in PLUGIN_ROOMS and there in PLUGIN_ROOMS:
        return True
    return LEVELS[there] >= LEVELS[here]


def test_every_module_is_in_a_room():
    unknown = [name for name in modules() if name != PACKAGE and not is_special(name) and room(name) not in LEVELS]
    assert unknown == []


def test_the_list_of_documented_addresses_is_right():
    assert sorted(name for name in SPECIAL if f"{PACKAGE}.{name}" not in modules()) == []


def test_imports_go_down():
    inner = [one for one in all_imports() if one.importer != PACKAGE and not is_special(one.importer)]
    ours = [one for one in inner if one.imported.startswith(PACKAGE + ".") and not is_special(one.imported)]
    assert [str(one) for one in ours if goes_up(one)] == []


def test_inner_modules_import_from_where_a_thing_lives():
    wrong = [
        str(one)
        for one in all_imports()
        if is_special(one.imported) and not is_special(one.importer) and room(one.importer) not in OUTER
    ]
    assert wrong == []


def test_the_package_itself_only_installs_the_import_name():
    assert {one.imported for one in imports_of(PACKAGE)} == {f"{PACKAGE}.compat.hook"}


@pytest.mark.parametrize("name", sorted(RE_EXPORTS))
def test_a_re_export_holds_nothing_else(name):
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    nodes = tree(f"{PACKAGE}.{name}").body
    assert [node for node in nodes if not isinstance(node, allowed)] == []
    targets = {target.id for node in nodes if isinstance(node, ast.Assign) for target in node.targets}
    assert targets == {"__all__"}


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The largest sets of modules that all lead to each other."""

    def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            for module in edges[waiting.pop()] - seen:
                seen.add(module)
                waiting.append(module)
        return seen

    back: dict[str, set[str]] = {name: set() for name in graph}
    for name, imported in graph.items():
        for one in imported:
            back[one].add(name)
    found: list[set[str]] = []
    for name in graph:
        if not any(name in cycle for cycle in found):
            cycle = reached(name, graph) & reached(name, back)
            if cycle:
                found.append(cycle)
    return found


def test_there_is_no_cycle():
    graph = {name: {one.imported for one in imports_of(name)} & set(modules()) - {name} for name in modules()}
    assert [
        sorted(str(one) for one in all_imports() if one.importer in cycle and one.imported in cycle - {one.importer})
        for cycle in cycles(graph)
    ] == []


def test_only_the_database_room_knows_sqlalchemy():
    wrong = [one for one in all_imports() if one.imported.partition(".")[0] in ("sqlalchemy", "alembic")]
    assert [str(one) for one in wrong if room(one.importer) != "db"] == []


def test_only_pb_files_know_perspective_broker():
    wrong = [one for one in all_imports() if one.imported.startswith("twisted.spread")]
    assert [str(one) for one in wrong if not lies_in(one.importer, PB_FILES)] == []


def test_the_process_reactor_is_known_in_three_places():
    wrong = [one for one in all_imports() if one.imported == "twisted.internet.reactor"]
    assert [str(one) for one in wrong if not lies_in(one.importer, GLOBAL_REACTOR)] == []


def test_nothing_inside_says_buildbot():
    """The other import name is for configurations; ``buildbot_worker`` is a program to us."""
    assert [
        str(one) for one in all_imports() if one.imported.partition(".")[0] in ("buildbot", "buildbot_worker")
    ] == []


def test_imports_are_absolute():
    relative = [
        f"{name}:{node.lineno}"
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_module_begins_with_its_reason():
    assert [name for name in modules() if not ast.get_docstring(tree(name))] == []
