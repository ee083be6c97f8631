"""``changeHorizon``: old changes are deleted unless something still needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildmaster.changes import horizon
from buildmaster.db import changes
from buildmaster.plugins import schedulers
from tests.support.path import BuildPath, configuration


def config(**more: Any) -> Callable[[], dict[str, Any]]:
    """One scheduler, which takes the changes of one branch."""

    def one() -> list[Any]:
        return [schedulers.AnyBranchScheduler(name="s", builderNames=["b"], branches=["built"])]

    return configuration(one, **more)


def path_of(tmp_path: Path, **more: Any) -> BuildPath:
    return BuildPath(tmp_path, config(**more))


def kept(path: BuildPath) -> list[int]:
    return [change["changeid"] for change in path.kit.get("changes", order=["changeid"])]


def test_the_newest_stay_and_those_that_were_built(tmp_path: Path) -> None:
    path = path_of(tmp_path, changeHorizon=2)
    ids = [path.change(str(n), branch="built" if n == 1 else "main") for n in range(6)]
    path.kit.advance(1)
    assert kept(path) == ids
    path.kit.advance(2 * horizon.PAUSE)
    assert kept(path) == [ids[1], *ids[4:]]
    path.kit.stop()


def test_without_a_horizon_all_stay_until_one_is_configured(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    ids = [path.change(str(n)) for n in range(4)]
    path.kit.advance(10 * horizon.PAUSE)
    assert kept(path) == ids
    assert path.kit.reconfig(config(changeHorizon=1)).ok
    path.kit.pump()
    assert kept(path) == ids[-1:]
    path.kit.stop()


def test_a_restart_deletes_what_is_beyond_the_horizon(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    ids = [path.change(str(n)) for n in range(4)]
    path.kit.advance(60)
    path = path.crash_and_restart(config(changeHorizon=3))
    path.kit.pump()
    assert kept(path) == ids[1:]
    path.kit.stop()


def test_a_change_that_a_scheduler_has_not_read_stays(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    path.kit.advance(60)
    consumer = path.master.journal._consumers["scheduler:s"]
    path.kit.wait_for(consumer.stop())
    ids = [path.change(str(n)) for n in range(3)]
    path.kit.advance(1)
    assert path.kit.wait_for(path.master.db.bulk(changes.prune, 1)) == (0, None)
    assert kept(path) == ids
    path.kit.stop()


def test_one_job_looks_at_a_few_and_says_where_to_go_on(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    ids = [path.change(str(n)) for n in range(5)]
    path.kit.advance(60)
    assert path.kit.wait_for(path.master.db.bulk(changes.prune, 1, 0, 2)) == (2, ids[1])
    assert path.kit.wait_for(path.master.db.bulk(changes.prune, 1, ids[1], 2)) == (2, ids[3])
    assert path.kit.wait_for(path.master.db.bulk(changes.prune, 1, ids[3], 2)) == (0, None)
    assert kept(path) == ids[4:]
    path.kit.stop()


@pytest.mark.parametrize("value", [None, 0])
def test_none_and_0_keep_all(tmp_path: Path, value: int | None) -> None:
    path = path_of(tmp_path, changeHorizon=value)
    ids = [path.change(str(n)) for n in range(3)]
    path.kit.advance(10 * horizon.PAUSE)
    assert kept(path) == ids
    path.kit.stop()
