"""The data API has the resources, fields, endpoints and update methods of ``data/data_api.tsv``."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from buildmaster.data.connector import DataConnector
from buildmaster.data.types import Entity, NoneOk
from tests.support.facts import rows

FACTS = rows("data_api.tsv")
DATA = DataConnector(object())


def facts(kind: str) -> list[Any]:
    """The rows of a kind, to be the parameters of a test."""
    return [pytest.param(*row[1:4], id="-".join(row[1:3])) for row in FACTS if row[0] == kind]


def field_text(field: Any) -> str:
    """A field's type as the table writes it: ``Integer``, ``String?``, ``entity``."""
    inner = field.nestedType if isinstance(field, NoneOk) else field
    if isinstance(inner, Entity):
        return "entity"
    return type(inner).__name__ + ("?" if isinstance(field, NoneOk) else "")


@pytest.mark.parametrize(("name", "plural", "fields"), facts("resource"))
def test_a_resource_has_its_fields(name: str, plural: str, fields: str) -> None:
    rtype = getattr(DATA.rtypes, name)
    assert rtype.plural == plural
    has = {name: field_text(field) for name, field in rtype.entityType.fields.items()}
    assert has == dict(field.split(":") for field in fields.split())


@pytest.mark.parametrize(("name", "path", "kind"), facts("endpoint"))
def test_an_endpoint_answers_for_its_path(name: str, path: str, kind: str) -> None:
    words = ["1" if word.startswith("n:") else "x" if word[1:2] == ":" else word for word in path.strip("/").split("/")]
    endpoint, _ = DATA.getEndpoint(words)
    assert endpoint.kind.name in kind


@pytest.mark.parametrize(("name", "method", "signature"), facts("update"))
def test_an_update_method_takes_its_arguments(name: str, method: str, signature: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def documented{signature.partition(' -> ')[0]}: ...", namespace)
    documented = list(inspect.signature(namespace["documented"]).parameters.values())[1:]
    has = inspect.signature(getattr(DATA.updates, method)).parameters
    assert [(p.name, p.default) for p in documented] == [
        (p.name, has[p.name].default) for p in documented if p.name in has
    ]
