"""Every documented class and function is at its address under both import names, with its members.

``data/framework.tsv`` holds the facts; ``data/owed.txt`` names what is not there yet and ``data/internal.txt`` what
is not owed to anybody.  A class in one of them stands for its members too.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.support.facts import INTERNAL, OWED, MemberFact, listed, member_facts, parameters, resolve
from tests.support.owed import come_members, member_is_there

FACTS = [fact for fact in member_facts() if fact.module.startswith("buildbot.")]
MODULES = sorted({fact.module for fact in FACTS})


OWN = ("self", "cls", "us")
"""How a method calls its own object."""


def is_listed(fact: MemberFact, names: frozenset[str]) -> bool:
    """Whether a fact, or the class or module that it belongs to, is in a list."""
    parts = fact.full_name.split(".")
    return any(".".join(parts[:length]) in names for length in range(2, len(parts) + 1))


@pytest.mark.parametrize("module", MODULES)
def test_it_has_all_that_is_documented(module: str) -> None:
    excused = listed(OWED) | listed(INTERNAL)
    facts = [fact for fact in FACTS if fact.module == module and not is_listed(fact, excused)]
    missing = [fact.full_name for fact in facts if not member_is_there(fact)]
    assert missing == [], "add it; or list it in data/internal.txt if no author of a configuration or plugin calls it"


@pytest.mark.parametrize("module", MODULES)
def test_both_names_mean_the_same(module: str) -> None:
    excused = listed(OWED) | listed(INTERNAL)
    facts = [fact for fact in FACTS if fact.module == module and not fact.member and not is_listed(fact, excused)]
    different = [
        fact.full_name
        for fact in facts
        if resolve(fact.full_name, "buildbot") is not resolve(fact.full_name, "buildmaster")
    ]
    assert different == []


@pytest.mark.parametrize("module", MODULES)
def test_its_functions_take_the_documented_arguments(module: str) -> None:
    excused = listed(OWED) | listed(INTERNAL)
    facts = [fact for fact in FACTS if fact.module == module and fact.kind in ("method", "function")]
    wrong = [what for fact in facts if not is_listed(fact, excused) for what in difference(fact)]
    assert wrong == []


def difference(fact: MemberFact) -> list[str]:
    """What a function does not take as it is documented."""
    try:
        found = list(inspect.signature(resolve(fact.full_name, "buildbot")).parameters.values())
    except ValueError:  # one of the C library
        return []
    found = [one for one in found if one.name not in OWN]
    documented = [
        name
        for name, default in parameters(fact.signature.strip()[1:-1])
        if name not in OWN and not (name.startswith("_") and default)  # the latter are for its own tests
    ]
    if documented == ["*args", "**kwargs"]:  # a wrapper hides them from the table
        return []
    named = [one.name for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if len(named) < len(found) or named[: len(documented)] == documented:
        return []
    return [f"{fact.full_name}{fact.signature}: here ({', '.join(named)})"]


def test_what_is_owed_shrinks() -> None:
    assert come_members() == [], "these are there now: python -m tests.support.owed takes them off the list"


@pytest.mark.parametrize("file", [OWED, INTERNAL], ids=lambda file: file.name)
def test_the_lists_name_only_what_is_documented(file: Any) -> None:
    documented = {fact.full_name for fact in FACTS}
    assert sorted(name for name in listed(file) if name.startswith("buildbot.") and name not in documented) == []
