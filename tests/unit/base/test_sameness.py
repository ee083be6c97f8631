"""Two loadings of a configuration: what counts as unchanged."""

from __future__ import annotations

import types
from typing import Any

import pytest

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.sameness import DIGEST, same, same_class

SOURCE = """
import attrs, dataclasses, enum, functools, operator, re

LIMITS = [1, 2]

def helper(line):
    return LIMITS[0] + line

def important(change, weigh=lambda line: helper(line)):
    "Whether it matters."
    return any(helper(one) for one in change)

def counting(start):
    def count(change):
        return start + helper(change)
    return count

class Colour(enum.Enum):
    RED = 1

@attrs.frozen
class Record:
    value: int = 1
    decide: object = important

@dataclasses.dataclass
class Data:
    value: int = 3

class Slotted:
    __slots__ = ("decide",)
    def __init__(self):
        self.decide = important

class Thing:
    partial = functools.partial(important, weigh=1)
    def method(self):
        return super().__init__()
    @property
    def decide(self):
        return helper
    @staticmethod
    def colour():
        return Colour.RED

EVERYTHING = {
    "function": important, "closure": counting(1), "class": Thing, "member": Colour.RED, "attrs": Record(),
    "dataclass": Data(), "slots": Slotted(), "method": Thing().method, "nested": {"a": [Thing()]},
    "pattern": re.compile("x"), "partial": Thing.partial, "lambda": lambda change: change + 1,
    "getter": operator.itemgetter("branch"),
}
"""

KINDS = [
    "function",
    "closure",
    "class",
    "member",
    "attrs",
    "dataclass",
    "slots",
    "method",
    "nested",
    "pattern",
    "partial",
    "lambda",
    "getter",
]
DEPENDING_ON_HELPER = ["function", "closure", "class", "attrs", "slots", "method", "nested", "partial"]


def load(text: str = SOURCE, **names: Any) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "config", **names}
    exec(compile(text, "master.cfg", "exec", dont_inherit=True), space)
    return space


def loaded(text: str = SOURCE) -> dict[str, Any]:
    everything: dict[str, Any] = load(text)["EVERYTHING"]
    return everything


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_loading_of_the_same_text_is_the_same(kind):
    assert same(loaded()[kind], loaded()[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_lines_added_above_do_not_matter(kind):
    assert same(loaded()[kind], loaded("# a comment\n\n" + SOURCE)[kind])


@pytest.mark.parametrize("kind", DEPENDING_ON_HELPER)
def test_a_changed_function_changes_all_that_use_it(kind):
    changed = SOURCE.replace("LIMITS[0] + line", "LIMITS[0] - line")
    assert not same(loaded()[kind], loaded(changed)[kind])


@pytest.mark.parametrize("kind", DEPENDING_ON_HELPER)
def test_a_changed_module_level_value_changes_all_that_name_it(kind):
    assert not same(loaded()[kind], loaded(SOURCE.replace("[1, 2]", "[1, 3]"))[kind])


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("closure", "counting(1)", "counting(2)"),
        ("member", "RED = 1", "RED = 2"),
        ("dataclass", "Data()", "Data(4)"),
        ("attrs", "Record()", "Record(2)"),
        ("pattern", 're.compile("x")', 're.compile("x", re.I)'),
        ("lambda", "change + 1", "change + 1.0"),
        ("getter", 'itemgetter("branch")', 'itemgetter("project")'),
        ("class", "return super().__init__()", "return None"),
        ("class", "class Thing:", "class Thing(dict):"),
        ("nested", "[Thing()]", "[Thing(), 1]"),
        ("partial", "weigh=1", "weigh=True"),
    ],
)
def test_a_change_of_its_own_is_seen(kind, before, after):
    assert before in SOURCE
    assert not same(loaded()[kind], loaded(SOURCE.replace(before, after))[kind])


def test_values_of_different_types_differ():
    assert not same(1, True)
    assert not same((1,), [1])
    assert not same({"a": 1}, {"a": 1.0})
    assert not same(int, 1)


def test_compared_attributes_decide_where_they_are_declared():
    class Filter(ComparableMixin):
        compare_attrs = ("branch",)

        def __init__(self, branch, cache):
            self.branch = branch
            self.cache = cache

    assert same(Filter("main", object()), Filter("main", object()))
    assert not same(Filter("main", None), Filter("dev", None))


def test_what_nobody_can_look_into_is_changed():
    import threading

    assert not same(threading.Lock(), threading.Lock())
    assert not same(iter([]), iter([]))


def test_cycles_end():
    def ring(value: int) -> list[Any]:
        made: list[Any] = [value]
        made.append(made)
        return made

    assert same(ring(1), ring(1))
    assert not same(ring(1), ring(2))


def local_module(digest: str, **names: Any) -> types.ModuleType:
    module = types.ModuleType("helpers")
    module.__dict__.update({DIGEST: digest}, **names)
    return module


def test_a_local_module_is_the_same_if_the_sources_are_and_what_is_used_of_it():
    text = "def decide(): return helpers.limit"

    def decide(module: types.ModuleType) -> Any:
        return load(text, helpers=module)["decide"]

    before = decide(local_module("d1", limit=1, other=1))
    assert same(before, decide(local_module("d1", limit=1, other=2)))
    assert not same(before, decide(local_module("d1", limit=2, other=1)))
    assert not same(before, decide(local_module("d2", limit=1, other=1)))


def test_classes_of_other_names_differ():
    class One:
        pass

    class Two:
        pass

    assert same_class(One, One)
    assert not same_class(One, Two)
