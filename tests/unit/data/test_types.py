"""Types of fields: checking, reading, describing."""

from __future__ import annotations

import datetime

import pytest

from buildmaster.base.times import UTC
from buildmaster.data import types
from buildmaster.data.connector import DataConnector
from buildmaster.data.resources import RESOURCES
from buildmaster.data.resources.buildsets import Buildset

NOW = datetime.datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (types.Integer(), [0, -5], [None, "1", True, 1.5]),
        (types.String(), ["", "x"], [None, b"x", 1]),
        (types.Binary(), [b""], ["x"]),
        (types.Boolean(), [True], [1, None]),
        (types.DateTime(), [NOW], [5, datetime.datetime(2024, 1, 2)]),
        (types.NoneOk(types.Integer()), [None, 1], ["x"]),
        (types.Identifier(3), ["a-b"], ["abcd", "1", "a b", 5]),
        (types.List(of=types.Integer()), [[], [1]], [["x"], (1,)]),
        (types.SourcedProperties(), [{"a": (1, "s")}], [{"a": 1}, {"a": (object(), "s")}, [1], {1: (1, "s")}]),
        (types.JsonObject(), [{"a": [None]}], [object()]),
    ],
)
def test_values_are_checked(kind: types.Type, good: list, bad: list) -> None:
    assert [list(kind.validate("x", value)) for value in good] == [[]] * len(good)
    assert [bool(list(kind.validate("x", value))) for value in bad] == [True] * len(bad)


def test_an_entity_names_what_is_missing_and_what_is_too_much() -> None:
    class Thing(types.Entity):
        a = types.Integer()
        b = types.NoneOk(types.String())

    assert sorted(Thing("thing").validate("t", {"a": "x", "c": 1})) == [
        "t has an unknown key 'c'",
        "t lacks 'b'",
        "t['a'] is 'x', not an integer",
    ]


def test_json_shows_epoch_seconds_at_every_depth() -> None:
    stamp = {"ssid": 1, "created_at": NOW, "patch": {"body": b"\xffx"}}
    shown = Buildset.entityType.to_json({"bsid": 1, "sourcestamps": [stamp]})
    patch = {"body": "\ufffdx"}
    assert shown == {"bsid": 1, "sourcestamps": [{"ssid": 1, "created_at": 1704153600, "patch": patch}]}
    assert stamp["created_at"] is NOW


@pytest.mark.parametrize("resource", [r for r in RESOURCES if r.view is not None], ids=lambda r: r.name)
def test_a_resource_s_fields_are_those_of_its_view(resource: type) -> None:
    assert set(resource.view.fields) - resource.view.hidden == set(resource.entityType.fields)


def test_every_resource_is_described() -> None:
    for resource in RESOURCES:
        spec = resource.entityType.getSpec()
        assert spec["type"] == resource.name
        assert [field["name"] for field in spec["fields"]] == list(resource.entityType.fields)


def test_every_endpoint_and_update_method_has_a_docstring() -> None:
    data = DataConnector(object())
    assert [p for p, endpoint in data.matcher.items() if not type(endpoint).__doc__] == []
    assert [name for name, method in vars(data.updates).items() if not method.__doc__] == []
