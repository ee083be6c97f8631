"""What a worker tells about itself, made safe to keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildmaster.worker.protocols.info import LONGEST_TEXT, MOST_ENTRIES, clean_info
from buildmaster.worker.protocols.updates import WorkerMisbehaved, problem_with, text_keys


def test_honest_info_stays_as_it_is() -> None:
    info = {"version": "4.3.0", "numcpus": 2, "environ": {"A": "b"}, "worker_commands": {"shell": "3.3"}, "x": None}
    assert clean_info("w", info) == info


def test_bytes_tuples_and_strange_objects_become_json() -> None:
    cleaned = clean_info("w", {b"a": b"\xff", "t": (1, 2.5), "o": object(), "nan": float("nan"), "big": 2**80})
    assert cleaned == {"a": "\ufffd", "t": [1, 2.5], "o": None, "nan": "nan", "big": str(2**80)}
    json.dumps(cleaned)


def test_endless_info_is_cut() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    cleaned = clean_info("w", {"long": "x" * 10**6, "many": list(range(10**5)), "deep": deep})
    assert len(cleaned["long"]) == LONGEST_TEXT
    assert len(cleaned["many"]) == MOST_ENTRIES
    assert cleaned["deep"] == [[[None]]]


@pytest.mark.parametrize("info", [[], "x", None, {"worker_commands": ["shell"]}, {"basedir": 7}])
def test_nonsense_is_refused(info: Any) -> None:
    with pytest.raises(WorkerMisbehaved):
        clean_info("w", info)


def test_updates_of_old_workers_get_text_keys() -> None:
    updates = [[{b"stdout": "x"}, 0], [{"rc": 0}, 0]]
    assert problem_with(updates) is None
    assert text_keys(updates) == [[{"stdout": "x"}, 0], [{"rc": 0}, 0]]


def test_updates_of_custom_commands_pass_unseen() -> None:
    assert problem_with([[{"mine": object()}, 0]]) is None


@pytest.mark.parametrize(
    "updates",
    [None, 5, [5], [[]], [[{}]], [["x", 0]], [[{}, "0"]], [[{"rc": True}, 0]], [[{"log": ("a",)}, 0]]],
)
def test_lies_are_recognised(updates: Any) -> None:
    assert problem_with(updates) is not None
