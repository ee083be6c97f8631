"""Documented address of the caches."""

from __future__ import annotations

from buildmaster.base.lru import AsyncLRUCache, LRUCache

__all__ = ["AsyncLRUCache", "LRUCache"]
