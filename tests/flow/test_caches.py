"""``c['caches']`` sets the sizes of the caches of ``master.caches``."""

from __future__ import annotations

from pathlib import Path

from buildmaster.testing.master import MemoryMaster


def test_sizes_follow_the_configuration(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, {"multiMaster": True, "caches": {"mine": 3, "Changes": 7}}).start()
    mine = kit.master.caches.get_cache("mine", lambda key: key)
    other = kit.master.caches.get_cache("other", lambda key: key)
    assert (mine.max_size, other.max_size, kit.master.scheduler_manager.changes._size) == (3, 1, 7)
    assert kit.master.caches.get_cache("mine", lambda key: None) is mine
    assert kit.reconfig({"multiMaster": True, "caches": {"mine": 5}}).ok
    assert (mine.max_size, kit.master.scheduler_manager.changes._size) == (5, 500)
    kit.stop()


def test_counts_are_told(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, {"multiMaster": True}).start()
    cache = kit.master.caches.get_cache("mine", lambda key: key)
    kit.wait_for(cache.get(1))
    kit.wait_for(cache.get(1))
    assert kit.master.caches.get_metrics() == {"mine": {"hits": 1, "misses": 1, "refhits": 0, "max_size": 1}}
    kit.stop()
