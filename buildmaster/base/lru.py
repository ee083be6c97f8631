"""Caches that keep what was used last.

A value that fell out of the cache is still found as long as somebody else holds it, so that there are never two objects
for one key.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import maybe


class LRUCache:
    """Values by key; ``miss_fn(key, **kwargs)`` makes one that is not there.

    ``max_size`` is how many are kept.  None is never kept.  :attr:`hits`, :attr:`misses` and :attr:`refhits` (found
    because somebody held it) count what :meth:`get` did.
    """

    def __init__(self, miss_fn: Callable[..., Any], max_size: int = 50) -> None:
        self.miss_fn = miss_fn
        self.max_size = max_size
        self.hits = self.misses = self.refhits = 0
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._held: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()

    def get(self, key: Hashable, **miss_fn_kwargs: Any) -> Any:
        """The value of a key; keyword arguments are for ``miss_fn``."""
        found = self._find(key)
        if found is None:
            self.misses += 1
            found = self.miss_fn(key, **miss_fn_kwargs)
            self._keep(key, found)
        return found

    def put(self, key: Hashable, value: Any) -> None:
        """Replace the value of a key that is known already; does nothing for others."""
        if key in self._kept or key in self._held:
            self._keep(key, value)

    def set_max_size(self, max_size: int) -> None:
        """Keep so many from now on."""
        self.max_size = max_size
        self._shrink()

    def inv(self) -> None:
        """Check that the cache is in order; raises AssertionError if not.  For tests."""
        assert len(self._kept) <= self.max_size, f"{len(self._kept)} values are kept instead of {self.max_size}"
        assert None not in self._kept.values(), "None is kept"

    def _find(self, key: Hashable) -> Any:
        found = self._kept.get(key)
        if found is not None:
            self.hits += 1
            self._kept.move_to_end(key)
            return found
        found = self._held.get(key)
        if found is not None:
            self.refhits += 1
            self._keep(key, found)
        return found

    def _keep(self, key: Hashable, value: Any) -> None:
        if value is None:
            return
        self._kept[key] = value
        self._kept.move_to_end(key)
        try:
            self._held[key] = value
        except TypeError:  # values that cannot be referred to weakly (text, tuples) are only kept
            self._held.pop(key, None)
        self._shrink()

    def _shrink(self) -> None:
        while len(self._kept) > self.max_size:
            self._kept.popitem(last=False)


class AsyncLRUCache(LRUCache):
    """The same where ``miss_fn`` may return a Deferred or be a coroutine; those who ask meanwhile share its answer."""

    def __init__(self, miss_fn: Callable[..., Any], max_size: int = 50) -> None:
        super().__init__(miss_fn, max_size)
        self._waiting: dict[Hashable, list[defer.Deferred[Any]]] = {}

    def get(self, key: Hashable, **miss_fn_kwargs: Any) -> defer.Deferred[Any]:
        """A Deferred of the value of a key; it fails as ``miss_fn`` does."""
        found = self._find(key)
        if found is not None:
            return defer.succeed(found)
        asked: defer.Deferred[Any] = defer.Deferred()
        if key in self._waiting:
            self.hits += 1
            self._waiting[key].append(asked)
        else:
            self.misses += 1
            self._waiting[key] = [asked]
            made = defer.ensureDeferred(maybe(self.miss_fn, key, **miss_fn_kwargs))
            made.addBoth(self._answer, key)
        return asked

    def _answer(self, result: Any, key: Hashable) -> None:
        if not isinstance(result, Failure):
            self._keep(key, result)
        for asked in self._waiting.pop(key):
            asked.errback(result) if isinstance(result, Failure) else asked.callback(result)
