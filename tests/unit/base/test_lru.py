"""Caches that keep what was used last."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.lru import AsyncLRUCache, LRUCache
from buildmaster.testing.sync import result_of


class Value:
    """Something that can be held weakly."""

    def __init__(self, key: str) -> None:
        self.key = key


def test_what_was_used_longest_ago_falls_out() -> None:
    cache = LRUCache(lambda key: f"<{key}>", max_size=2)
    assert [cache.get(key) for key in "abab"] == ["<a>", "<b>", "<a>", "<b>"]
    cache.get("c")
    cache.get("b")
    cache.inv()
    assert (cache.hits, cache.misses, cache.refhits) == (3, 3, 0)
    cache.get("a")
    assert (cache.hits, cache.misses) == (3, 4)


def test_a_value_that_somebody_holds_is_found_again() -> None:
    cache = LRUCache(Value, max_size=1)
    held = cache.get("a")
    cache.get("b")
    assert cache.get("a") is held
    assert (cache.hits, cache.misses, cache.refhits) == (0, 2, 1)


def test_none_is_not_kept_and_further_arguments_reach_the_maker() -> None:
    asked: list[Any] = []
    cache = LRUCache(lambda key, **more: asked.append((key, more)))
    assert (cache.get("a", x=1), cache.get("a", x=2)) == (None, None)
    assert asked == [("a", {"x": 1}), ("a", {"x": 2})]


def test_put_replaces_only_what_is_known() -> None:
    cache = LRUCache(lambda key: "made")
    cache.put("a", "put")
    assert cache.get("a") == "made"
    cache.put("a", "put")
    assert cache.get("a") == "put"


def test_a_smaller_size_holds_at_once() -> None:
    cache = LRUCache(lambda key: key, max_size=3)
    for key in "abc":
        cache.get(key)
    cache.set_max_size(1)
    cache.inv()
    assert [cache.get("c"), cache.hits] == ["c", 1]


def test_those_who_ask_meanwhile_share_the_answer() -> None:
    waiting: list[defer.Deferred[Any]] = []

    def miss(key: str) -> defer.Deferred[Any]:
        waiting.append(defer.Deferred())
        return waiting[-1]

    cache = AsyncLRUCache(miss)
    first, second = cache.get("a"), cache.get("a")
    waiting.pop().callback("value")
    assert (result_of(first), result_of(second), result_of(cache.get("a"))) == ("value", "value", "value")
    assert (cache.hits, cache.misses, waiting) == (2, 1, [])


def test_a_failure_is_told_to_all_who_asked_and_not_kept() -> None:
    async def miss(key: str) -> None:
        raise LookupError(key)

    cache = AsyncLRUCache(miss)
    for _ in range(2):
        with pytest.raises(LookupError, match="a"):
            result_of(cache.get("a"))
    assert cache.misses == 2
