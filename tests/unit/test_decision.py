"""Keys of the writes of a decision."""

from __future__ import annotations

from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.mq.decision import LONGEST, deciding, next_idempotency_key
from buildmaster.testing.sync import result_of


def test_a_key_names_consumer_position_and_ordinal() -> None:
    with deciding("c", 7):
        assert [next_idempotency_key(), next_idempotency_key()] == ["c/7/0", "c/7/1"]
    assert next_idempotency_key() is None


def test_a_long_name_has_a_key_that_fits_and_is_its_own() -> None:
    found = set()
    for name in ("x" * LONGEST, "x" * LONGEST + "y"):
        with deciding(name, 1):
            found |= {next_idempotency_key(), next_idempotency_key()}
    assert len(found) == 4
    assert max(map(len, found)) <= LONGEST


def test_what_goes_on_after_a_decision_decides_no_more() -> None:
    over: defer.Deferred[None] = defer.Deferred()

    async def going_on() -> list[str | None]:
        first = next_idempotency_key()
        await over
        return [first, next_idempotency_key()]

    with deciding("c", 7):
        keys = as_deferred(going_on())
    over.callback(None)
    assert result_of(keys) == ["c/7/0", None]
