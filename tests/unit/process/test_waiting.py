"""Why a request waits, from a plain description of the situation."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.process.waiting import Cause, LockView, Situation, WorkerView, why

REQUEST = Request(1, 1, 1, 0, int(RequestState.PENDING), 0.0, False)
FREE = WorkerView("w1", None)


def situation(**more: Any) -> Situation:
    return Situation(REQUEST, **{"builder": "b", "workers": [FREE], **more})


@pytest.mark.parametrize(
    ("given", "causes"),
    [
        ({}, [Cause("next", "it is about to be started")]),
        (
            {"builder": None},
            [Cause("no builder", "no running master has its builder; it was removed from the configuration")],
        ),
        (
            {"held": True},
            [Cause("held", "the configuration's collapseRequests function has not decided about it yet")],
        ),
        (
            {"distributing": False},
            [Cause("shutting down", "the master is shutting down and starts no more builds")],
        ),
        ({"workers": []}, [Cause("no worker", "builder 'b' has no workers")]),
        (
            {"workers": [WorkerView("w1", "not connected"), WorkerView("w2", "not connected")]},
            [Cause("no worker attached", "no worker of builder 'b' is connected: w1, w2")],
        ),
        (
            {"workers": [WorkerView("w1", "paused"), WorkerView("w2", "in quarantine")]},
            [Cause("workers", "no worker is free: w1 is paused; w2 is in quarantine")],
        ),
        ({"workers": [WorkerView("w1", "paused"), FREE]}, [Cause("next", "it is about to be started")]),
        ({"locks": [LockView("disk", ["build 3"])]}, [Cause("lock", "lock 'disk' is held by build 3")]),
        ({"refusal": "canStartBuild said no"}, [Cause("refused", "canStartBuild said no")]),
        ({"ahead": 2}, [Cause("behind", "2 requests of this builder are served first")]),
    ],
)
def test_the_causes_are_told_in_words(given: dict[str, Any], causes: list[Cause]) -> None:
    assert why(situation(**given)) == causes
