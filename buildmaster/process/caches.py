"""``master.caches``: caches for everything in this process, whose sizes ``c['caches']`` sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.lru import AsyncLRUCache
from buildmaster.service import AsyncService, ReconfigurableServiceMixin

log = Logger()

OWN = {"Changes"}
"""Caches of the master itself that are no :class:`AsyncLRUCache`; who has one follows the size by itself."""

DEFAULT_CACHE_SIZE = 1
"""How many objects a cache keeps that ``c['caches']`` says nothing of."""


class CacheManager(AsyncService, ReconfigurableServiceMixin):
    """Makes caches and keeps their sizes what the configuration says."""

    name: Any = "caches"
    reconfig_priority = 900  # sizes first, then those who use the caches

    def __init__(self) -> None:
        self._caches: dict[str, AsyncLRUCache] = {}
        self._sizes: Mapping[str, int] = {}

    def get_cache(self, cache_name: str, miss_fn: Callable[..., Any]) -> AsyncLRUCache:
        """The cache of this name; it is made at the first call, with that call's ``miss_fn(key, **kwargs)``.

        ``get(key)`` of a cache returns a Deferred of the value, and ``miss_fn`` may return one.
        """
        if cache_name not in self._caches:
            self._caches[cache_name] = AsyncLRUCache(miss_fn, self._size(cache_name))
        return self._caches[cache_name]

    def _size(self, cache_name: str) -> int:
        return self._sizes.get(cache_name, DEFAULT_CACHE_SIZE)

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow the sizes."""
        self._sizes = dict(new_config.caches)
        for name, cache in self._caches.items():
            cache.set_max_size(self._size(name))
        unused = sorted(set(self._sizes) - set(self._caches) - OWN)
        if unused:
            log.info("c['caches']: only caches that the configuration's own code asks for are called {n}", n=unused)

    def get_metrics(self) -> dict[str, dict[str, int]]:
        """For each cache its ``hits``, ``misses``, ``refhits`` and ``max_size``."""
        return {
            name: {"hits": one.hits, "misses": one.misses, "refhits": one.refhits, "max_size": one.max_size}
            for name, one in self._caches.items()
        }
