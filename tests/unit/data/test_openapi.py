"""The OpenAPI document is made of the declarations."""

from __future__ import annotations

import json
import re

import pytest

from buildmaster.data.connector import DataConnector
from buildmaster.data.openapi import describe


@pytest.fixture(scope="module")
def document() -> dict:
    return describe(DataConnector(object()), "1.2")


def test_every_path_is_there(document: dict) -> None:
    assert len(document["paths"]) == len(
        {re.sub(r"\w*:(\w+)", r"{\1}", p) for p, _ in DataConnector(object()).matcher.items()}
    )
    build = document["paths"]["/builders/{builderid}/builds/{build_number}"]
    assert [(p["name"], p["schema"]["type"]) for p in build["parameters"]] == [
        ("builderid", "integer"),
        ("build_number", "integer"),
    ]
    body = build["post"]["requestBody"]["content"]["application/json"]["schema"]
    methods = [call["properties"]["method"]["enum"] for call in body["oneOf"]]
    assert methods == [["stop"], ["rebuild"]]


def test_every_reference_leads_somewhere(document: dict) -> None:
    text = json.dumps(document)
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= set(document["components"]["schemas"])
    assert {"patch", "master_builder", "Url"} <= names
    assert document["components"]["schemas"]["change"]["properties"]["when_timestamp"] == {"type": "integer"}
