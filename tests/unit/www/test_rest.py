"""The REST interface as its clients see it."""

from __future__ import annotations

from tests.unit.www.conftest import Web


def test_a_collection_has_its_plural_name_and_a_total(web: Web) -> None:
    answer = web.client.get("/api/v2/builders?order=-builderid&field=name&limit=1")
    assert answer.status == 200
    assert answer.json == {"builders": [{"name": "b 2/ü"}], "meta": {"total": 2}}
    assert answer.header("content-type") == "application/json; charset=utf-8"
