"""What is believed of the dictionary that a client sends."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.changes.wire import BadChange, arguments


def test_old_spellings_become_the_present_ones() -> None:
    assert arguments({"who": "me", "when": 12.7, "comments": "c"}) == {
        "author": "me",
        "when_timestamp": 12,
        "comments": "c",
        "files": [],
    }


def test_a_present_spelling_beside_an_empty_old_one_counts() -> None:
    assert arguments({"author": "me", "who": None})["author"] == "me"
    assert arguments({"who": "me", "author": None})["author"] == "me"


def test_bytes_are_text_and_what_can_not_be_decoded_is_replaced() -> None:
    change = arguments({b"who": b"J\xc3\xb6", b"files": [b"\xff.c", "b.c"], b"properties": {b"p": [b"v", 1]}})
    assert change == {
        "author": "Jö",
        "files": ["\ufffd.c", "b.c"],
        "properties": {"p": ["v", 1]},
        "comments": "",
    }


def test_a_prefix_drops_and_strips_files() -> None:
    change = arguments({"who": "me", "files": ["trunk/a", "branches/b", "trunk/c"]}, "trunk/")
    assert change["files"] == ["a", "c"]


def test_revisions_may_be_numbers() -> None:
    assert arguments({"who": "me", "revision": 17})["revision"] == "17"


def test_what_clients_send_in_vain_is_ignored() -> None:
    assert "links" not in arguments({"who": "me", "links": ["x"], "isdir": 0, "category": None})


def test_characters_that_no_database_holds_are_replaced() -> None:
    assert arguments({"who": "m\0e"})["author"] == "m\ufffde"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([], "a change is a dictionary"),
        ({}, "author .* is missing"),
        ({"who": ""}, "author .* is missing"),
        ({"who": 7}, "author must be a text, not 7"),
        ({"who": "me", "files": "abc"}, "files must be a list"),
        ({"who": "me", "files": [1]}, "a file's name must be a text"),
        ({"who": "me", "when": "yesterday"}, "when must be seconds since 1970"),
        ({"who": "me", "when": float("nan")}, "when must be seconds since 1970"),
        ({"who": "me", "when": 1e30}, "before the year 10000"),
        ({"who": "me", "properties": ["a"]}, "properties must be a dictionary"),
        ({"who": "me", "properties": {"a": object()}}, "one that JSON can hold"),
        ({"who": "me", "branch": ["x"]}, "branch must be a text"),
        ({"who": "me", "codebase": "x" * 300}, "codebase is longer than 256"),
        ({"who": "me", "colour": "red"}, "there is no field 'colour'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_name(change: Any, words: str) -> None:
    with pytest.raises(BadChange, match=words):
        arguments(change)
