"""What a form's fields make of what was filled in."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.schedulers.forcesched import (
    AnyPropertyParameter,
    BooleanParameter,
    ChoiceStringParameter,
    CodebaseParameter,
    CollectedValidationError,
    FileParameter,
    FixedParameter,
    ForceScheduler,
    IntParameter,
    NestedParameter,
    PatchParameter,
    StringParameter,
    TextParameter,
    UserNameParameter,
    ValidationError,
    ValidationErrorCollector,
    WorkerChoiceParameter,
)
from buildmaster.testing.sync import result_of


@pytest.mark.parametrize(
    ("parameter", "given", "value"),
    [
        (StringParameter("a", default="d"), None, "d"),
        (StringParameter("a", default="d"), [""], "d"),
        (StringParameter("a"), ["x"], "x"),
        (StringParameter("a"), "word", "word"),
        (StringParameter("a", multiple=True), ["1", "2"], ["1", "2"]),
        (TextParameter("a"), ["x\ny"], "x\ny"),
        (IntParameter("a"), ["5"], 5),
        (IntParameter("a", default=3), None, 3),
        (BooleanParameter("a", default=True), None, True),
        (BooleanParameter("a"), [True], True),
        (BooleanParameter("a", default=True), [False], False),
        (BooleanParameter("a", default=True), "false", False),
        (BooleanParameter("a"), "on", True),
        (FixedParameter("a", default="v"), ["other"], "v"),
        (ChoiceStringParameter("a", choices=["x", "y"], default="x"), None, "x"),
        (ChoiceStringParameter("a", choices=["x", "y"]), ["y"], "y"),
        (ChoiceStringParameter("a", choices=["x"], strict=False), ["z"], "z"),
        (ChoiceStringParameter("a", choices=["x", "y"], multiple=True), ["x", "y"], ["x", "y"]),
        (UserNameParameter("a"), ["Bob <bob@x.org>"], "Bob <bob@x.org>"),
        (UserNameParameter("a", need_email=False), ["bob"], "bob"),
        (UserNameParameter("a"), [""], ""),
        (FileParameter("a"), ["text"], "text"),
    ],
)
def test_a_field_gives_its_value(parameter: Any, given: Any, value: Any) -> None:
    assert parameter.getFromKwargs({} if given is None else {"a": given}) == value


@pytest.mark.parametrize(
    ("parameter", "given", "message"),
    [
        (StringParameter("a", required=True), None, "'a' needs to be specified"),
        (StringParameter("a", required=True, label="Lab"), [""], "'Lab' needs to be specified"),
        (StringParameter("a", regex="^x"), ["y"], "a:'y' does not match pattern '^x'"),
        (StringParameter("a", maxsize=3), ["abcd"], "a: is too large 4 > 3"),
        (IntParameter("a"), ["x"], "a: 'x' is not a whole number"),
        (
            ChoiceStringParameter("a", choices=["x", "y"]),
            ["z"],
            "'z' does not belong to list of available choices '['x', 'y']'",
        ),
        (UserNameParameter("a"), ["bob"], "a: please fill in email address in the form 'User <email@email.com>'"),
    ],
)
def test_a_field_refuses_what_it_cannot_use(parameter: Any, given: Any, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parameter.getFromKwargs({} if given is None else {"a": given})
    assert str(raised.value) == message


def test_nested_fields_have_the_names_of_their_parents() -> None:
    inner = StringParameter("x")
    NestedParameter("outer", [NestedParameter("inner", [inner]), StringParameter("y")])
    assert inner.fullName == "outer_inner_x"


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 1), (3, 2), (12, 2)])
def test_more_than_two_visible_fields_stand_in_two_columns(count: int, columns: int) -> None:
    assert NestedParameter("n", [StringParameter(f"f{n}") for n in range(count)]).columns == columns


def test_a_field_describes_itself() -> None:
    assert StringParameter("a", label="L:", default="x", size=5, regex="^x", tooltip="t").getSpec() == {
        "name": "a",
        "fullName": "a",
        "label": "L:",
        "tablabel": "L:",
        "type": "text",
        "default": "x",
        "required": False,
        "multiple": False,
        "regex": "^x",
        "hide": False,
        "maxsize": None,
        "autopopulate": None,
        "tooltip": "t",
        "size": 5,
    }


def make(**arguments: Any) -> ForceScheduler:
    return ForceScheduler("force", **{"builderNames": ["b"], **arguments})


def gather(scheduler: ForceScheduler, **filled_in: Any) -> tuple[Any, Any, dict[str, str]]:
    collector = ValidationErrorCollector()
    properties, _, stamps = result_of(scheduler.gatherPropertiesAndChanges(collector, **filled_in))
    return {name: value for name, value, _ in properties.asList()}, stamps, collector.errors


EMPTY = {"branch": "", "project": "", "repository": "", "revision": ""}


@pytest.mark.parametrize("name", ["reason", "username"])
def test_any_field_may_ask_for_the_reason_and_for_who_forces(name: str) -> None:
    field = ChoiceStringParameter(name=name, choices=["a", "b"], default="b")
    assert getattr(make(**{name: field}), name) is field


def test_what_is_filled_in_goes_where_it_belongs() -> None:
    scheduler = make(
        codebases=["a", CodebaseParameter("b", branch="m", revision=None)],
        properties=[
            StringParameter("p1", default="d"),
            NestedParameter("n", [StringParameter("x", default="1")]),
            NestedParameter("", [StringParameter("y")]),
            AnyPropertyParameter("any"),
        ],
    )
    properties, stamps, errors = gather(scheduler, a_branch="q", any_name="foo", any_value="bar", y=["z"])
    assert errors == {}
    assert properties == {"p1": "d", "n": {"x": "1"}, "y": "z", "foo": "bar"}
    assert stamps == {
        "a": {**EMPTY, "branch": "q"},
        "b": {"branch": "m", "project": "", "repository": ""},
    }


def test_a_codebase_of_ones_own_decides_its_source_stamp() -> None:
    """It is given what was filled in, under its name."""

    class Release(CodebaseParameter):
        def createSourcestamp(self, properties: Any, kwargs: Any) -> dict[str, Any]:
            fields = kwargs[self.fullName]
            return {"branch": "release/" + fields["branch"], "repository": "https://git.example.org/" + kwargs["of"][0]}

    scheduler = make(codebases=[Release("", name="main", project=None, revision=None, repository=None)])
    _, stamps, errors = gather(scheduler, main_branch=["2.0"], of=["works"])
    assert (stamps, errors) == ({"": {"branch": "release/2.0", "repository": "https://git.example.org/works"}}, {})


def test_a_patch_is_part_of_its_codebase() -> None:
    scheduler = make(codebases=[CodebaseParameter("", patch=PatchParameter())])
    assert gather(scheduler)[1] == {"": EMPTY}
    assert gather(scheduler, patch_body="diff", patch_level=["0"])[1] == {
        "": {
            **EMPTY,
            "patch_body": "diff",
            "patch_level": 0,
            "patch_author": "",
            "patch_comment": "",
            "patch_subdir": ".",
        }
    }


def test_all_mistakes_are_told_together() -> None:
    scheduler = make(
        properties=[
            StringParameter("p", required=True),
            IntParameter("i"),
            NestedParameter("n", [StringParameter("x", required=True)]),
        ]
    )
    *_, errors = gather(scheduler, i="x")
    assert errors == {
        "p": "'p' needs to be specified",
        "i": "i: 'x' is not a whole number",
        "n_x": "'x' needs to be specified",
    }
    assert CollectedValidationError(errors).errors == errors


@pytest.mark.parametrize(("given", "wanted"), [("w", {"workername": "w"}), ("-any-", {}), (None, {})])
def test_a_worker_is_chosen_by_a_property(given: str | None, wanted: dict[str, str]) -> None:
    filled_in = {} if given is None else {"workername": given}
    assert gather(make(properties=[WorkerChoiceParameter()]), **filled_in)[0] == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "x y"}, "ForceScheduler name must be an identifier: 'x y'"),
        ({"reason": 3}, "ForceScheduler 'force': reason must be a StringParameter: 3"),
        ({"username": 3}, "ForceScheduler 'force': username must be a StringParameter: 3"),
        ({"priority": 3}, "ForceScheduler 'force': priority must be a IntParameter: 3"),
        ({"properties": [3]}, "ForceScheduler 'force': properties must be a list of BaseParameters: [3]"),
        ({"codebases": []}, "'codebases' cannot be empty"),
        ({"codebases": {"a": {}}}, "'codebases' should be a list of strings or CodebaseParameter, not dict"),
        ({"codebases": ["a", 3]}, "'codebases' must be a list of strings or CodebaseParameter objects: ['a', 3]"),
        ({"label": 3}, "ForceScheduler 'force': label must be a string: 3"),
        ({"builderNames": "b"}, "builderNames must be a list of builder names"),
    ],
)
def test_a_wrong_configuration_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        ForceScheduler(**{"name": "force", "builderNames": ["b"], **arguments})
    assert message in str(raised.value)
