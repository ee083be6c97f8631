"""The queue in memory."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.process.pending import Pending, WaitedForOnly, rank


def request(requestid: int, priority: int = 0, submitted_at: float = 0.0, builderid: int = 1, **more: bool) -> Request:
    waited_for = more.get("waited_for", False)
    return Request(requestid, requestid, builderid, priority, int(RequestState.PENDING), submitted_at, waited_for)


def test_higher_priority_comes_first_then_the_older() -> None:
    pending = Pending()
    for one in (request(1, 0, 5.0), request(2, 1, 9.0), request(3, 0, 4.0)):
        pending.put(one)
    assert [one.requestid for one in pending.of(1).in_order()] == [2, 3, 1]


def test_a_new_priority_moves_a_request() -> None:
    pending = Pending()
    pending.put(request(1))
    pending.put(request(2))
    pending.put(request(2, 5))
    first = pending.of(1).first()
    assert first is not None and first.requestid == 2
    pending.put(request(2, -5))
    first = pending.of(1).first()
    assert first is not None and first.requestid == 1


def test_what_is_dropped_is_gone_and_an_empty_builder_too() -> None:
    pending = Pending()
    pending.put(request(1))
    assert pending.drop(1) is True
    assert pending.drop(1) is False
    assert list(pending.builderids()) == []
    assert pending.of(1).first() is None
    assert pending.of(1).oldest() is None


def test_only_those_that_a_build_waits_for() -> None:
    pending = Pending()
    pending.put(request(1))
    pending.put(request(2, waited_for=True))
    only = WaitedForOnly(pending.of(1))
    assert [one.requestid for one in only.in_order()] == [2]
    assert 1 not in only and 2 in only


OPERATIONS = st.lists(
    st.one_of(
        st.builds(request, st.integers(1, 6), st.integers(-2, 2), st.sampled_from([1.0, 2.0, 3.0])),
        st.integers(1, 6),
    )
)


@given(OPERATIONS)
@example([request(1, 0, 1.0), 1, request(1, 0, 2.0)])
def test_the_first_is_always_the_lowest_in_rank(operations: list[Request | int]) -> None:
    pending, model = Pending(), {}
    for operation in operations:
        if isinstance(operation, int):
            pending.drop(operation)
            model.pop(operation, None)
        else:
            if operation.requestid in model:  # a request is as old as it was
                operation = request(operation.requestid, operation.priority, model[operation.requestid].submitted_at)
            pending.put(operation)
            model[operation.requestid] = operation
        queue = pending.of(1)
        assert queue.in_order() == sorted(model.values(), key=rank)
        assert queue.first() == min(model.values(), key=rank, default=None)
        assert queue.oldest() == min((one.submitted_at for one in model.values()), default=None)
        assert len(pending) == len(model)
