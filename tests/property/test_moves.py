"""Whatever is asked of a request, in whatever order, it only moves as the table of legal moves allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildmaster.base.moves import MAX_AUTOMATIC_RETRIES, REQUEST_MOVES, RequestState
from buildmaster.base.records import NewBuildset, SourceStamp
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from buildmaster.db import buildsets, claiming, collapsing, ending, requests
from tests.property.test_collapse import Store

Job = Callable[[Store, int], Any]

JOBS: dict[str, Job] = {
    "claim": lambda store, i: store.db.write(claiming.claim, [claiming.Claim(i, 1, None)], 1),
    "claim exactly": lambda store, i: store.db.write(claiming.claim_exactly, [i], 1),
    "unclaim": lambda store, i: store.db.write(claiming.unclaim, [i], 1),
    "unclaim of another master": lambda store, i: store.db.write(claiming.unclaim, [i], 2),
    "retry": lambda store, i: store.db.write(ending.complete_in, [i], RETRY),
    "succeed": lambda store, i: store.db.write(ending.complete_in, [i], SUCCESS),
    "fail": lambda store, i: store.db.write(ending.complete_in, [i], FAILURE),
    "cancel": lambda store, i: store.db.write(ending.cancel, i, "why"),
    "release": lambda store, i: store.db.write(collapsing.release, i, []),
    "supersede by the next": lambda store, i: store.db.write(collapsing.supersede, [i], i + 1),
    "set priority": lambda store, i: store.db.write(requests.set_priority, [i], 3),
}

ASKED = st.lists(st.tuples(st.sampled_from(sorted(JOBS)), st.sampled_from([1, 2])), max_size=25)


def make(held: bool) -> Store:
    """Two requests of two buildsets, of one builder."""
    store = Store()
    for number in (1, 2):
        new = NewBuildset(
            [1],
            [SourceStamp(revision=str(number))],
            "s",
            collapse={1: "custom"} if held else {},
        )
        store.run(store.db.write(buildsets.add, new))
    return store


def look(store: Store) -> dict[int, Any]:
    return {number: store.run(store.db.read(requests.get, number)) for number in (1, 2)}


@settings(max_examples=80, deadline=None)
@given(st.booleans(), ASKED)
def test_every_move_is_legal(held: bool, asked: list[tuple[str, int]]) -> None:
    store = make(held)
    before = look(store)
    for job, number in asked:
        store.run(JOBS[job](store, number))
        after = look(store)
        for i in (1, 2):
            old, new = RequestState(before[i].state), RequestState(after[i].state)
            assert new is old or new in REQUEST_MOVES[old], f"{job}: {old.name} became {new.name}"
            assert (new is RequestState.COMPLETE) == (after[i].results is not None)
            assert (new is RequestState.CLAIMED) <= (after[i].claimed_at is not None)
            if old is RequestState.COMPLETE:
                assert after[i] == before[i], f"{job} altered what was complete"
            row = store.run(store.db.read(buildsets.get, i))
            assert bool(row.complete) == (new is RequestState.COMPLETE)
            assert row.results == after[i].results
        before = after


@settings(max_examples=20, deadline=None)
@given(st.integers(min_value=0, max_value=8))
def test_automatic_retries_are_counted(retries: int) -> None:
    store = make(False)
    for _ in range(retries):
        store.run(JOBS["claim"](store, 1))
        store.run(JOBS["retry"](store, 1))
    request = look(store)[1]
    if retries <= MAX_AUTOMATIC_RETRIES:
        assert (request.state, request.retries) == (RequestState.PENDING, retries)
    else:
        assert (request.state, request.results) == (RequestState.COMPLETE, EXCEPTION)


def test_cancelling_a_claimed_request_is_left_to_its_build() -> None:
    store = make(False)
    store.run(JOBS["claim"](store, 1))
    assert store.run(JOBS["cancel"](store, 1)) is False
    assert store.run(JOBS["cancel"](store, 2)) is True
    assert look(store)[2].results == CANCELLED
