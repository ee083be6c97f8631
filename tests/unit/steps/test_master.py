"""Steps that work on the master without a child process."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.properties import Interpolate, Property
from buildmaster.steps import master
from tests.support.one_step import run_steps


def test_a_property_is_set(tmp_path):
    step = master.SetProperty(property=Interpolate("%(prop:which)s"), value=Interpolate("v-%(prop:which)s"))
    done = run_steps(tmp_path, step, properties={"which": "x"})
    assert (done.results, done.text, done.properties["x"]) == (SUCCESS, "Set", ("v-x", "SetProperty"))


def test_several_properties_are_set(tmp_path):
    step = master.SetProperties(properties={"a": Interpolate("%(src::branch)s"), "b": [1, 2]})
    done = run_steps(tmp_path, step)
    assert (done.property("a"), done.property("b"), done.text) == ("main", [1, 2], "Properties Set")


def test_properties_may_come_from_a_function(tmp_path):
    from buildmaster.properties import renderer

    @renderer
    def computed(props):
        return {"sum": props["x"] + 1}

    assert run_steps(tmp_path, master.SetProperties(properties=computed), properties={"x": 1}).property("sum") == 2


@pytest.mark.parametrize(("value", "results"), [("yes", SUCCESS), ("no", FAILURE)])
def test_an_assertion_holds_or_fails(tmp_path, value, results):
    done = run_steps(tmp_path, master.Assert(Property("answer") == "yes"), properties={"answer": value})
    assert done.results == results
    assert done.text.startswith("checked Property(answer) == 'yes'")


def test_a_renderable_is_logged(tmp_path):
    done = run_steps(tmp_path, master.LogRenderable({"k": Property("x")}), properties={"x": 5})
    assert done.logs["Output"] == "{'k': 5}\n"


def test_numbers_in_the_environment_are_refused():
    with pytest.raises(ConfigErrors) as caught:
        master.MasterShellCommand("x", env={"N": 1})
    assert caught.value.errors == ["MasterShellCommand: 'env' values must be strings or lists; key 'N' is incorrect"]
