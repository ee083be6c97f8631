"""A statistics service on a whole master: every value is kept, however its storage behaves."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.db import journal
from buildmaster.plugins import statistics, steps
from buildmaster.statistics.capture import Capture
from buildmaster.statistics.stats_service import StatsService
from buildmaster.statistics.storage_backends.base import StatsStorageBase
from tests.support.path import BuildPath
from tests.support.reporting import build, path_with, service

KEPT: dict[str, list[Any]] = {}
"""What storages were given, by name: a restarted master has new storages."""


class Kept(StatsStorageBase):
    """Remembers what it was given, after ``receive``, which may raise."""

    def __init__(self, *captures: Any, name: str = "") -> None:
        self.captures, self.name = list(captures), name

    def thd_postStatsValue(self, post_data: Any, series_name: str, context: Any = None) -> None:
        for receive in RECEIVE:
            receive(self.name, series_name)
        KEPT.setdefault(self.name, []).append((series_name, post_data, context))


RECEIVE: list[Callable[[str, str], None]] = []


class Yields(steps.BuildStep):
    """Gives data."""

    name: Any = "yields"

    def __init__(self, *data: Any, **kwargs: Any) -> None:
        self.data = data
        super().__init__(**kwargs)

    async def run(self) -> int:
        for name, fields in self.data:
            await self.master.namedServices["stats"].yieldMetricsValue(name, fields, self.build.buildid)
        return SUCCESS


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    KEPT.clear()
    RECEIVE.clear()


def stats(*storages: Any) -> Callable[[], list[Any]]:
    return lambda: [StatsService(name="stats", storage_backends=[make() for make in storages])]


def durations(name: str = "") -> Callable[[], Kept]:
    return lambda: Kept(statistics.CaptureBuildDurationAllBuilders(), name=name)


def numbers(name: str = "") -> list[str]:
    """Of which builds values were kept."""
    return [context["build_number"] for _, _, context in KEPT.get(name, [])]


def away(*names: str) -> Callable[[str, str], None]:
    def receive(name: str, series_name: str) -> None:
        if name in names:
            raise ConnectionRefusedError("nobody there")

    return receive


def restarted(path: BuildPath, tmp_path: Path, services: Any, after: float = 0) -> BuildPath:
    now = path.kit.reactor.seconds()
    path.kit.stop()
    return path_with(tmp_path, services, now=now + after)


def test_values_of_builds_and_of_steps_are_kept(tmp_path: Path) -> None:
    kept = lambda: Kept(  # noqa: E731
        statistics.CaptureBuildDuration("b"),
        statistics.CaptureProperty("b", "owner"),
        statistics.CaptureData("size", "b"),
        statistics.CaptureBuildDuration("other"),
    )
    data = Yields(("size", {"kib": 12}), ("speed", {"x": 1}), ("size", {"kib": 13}))
    path = path_with(tmp_path, stats(kept), builders={"b": [data]})
    build(path)
    context = {"builder_name": "b", "build_number": "1"}
    assert {
        "": [
            ("b-size", {"kib": 12}, context),
            ("b-size", {"kib": 13}, context),
            ("b-build-times", {"duration": 0.0}, context),
            ("b-owner", {"name": "owner", "value": "me@x.org"}, context),
        ]
    } == KEPT
    path.kit.stop()


def test_a_storage_that_is_away_holds_up_neither_builds_nor_other_storages(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations("near"), durations("far")))
    RECEIVE.append(away("far"))
    build(path)
    build(path)
    assert path.builds() == [("b", 1, SUCCESS), ("b", 2, SUCCESS)]
    assert (numbers("near"), numbers("far")) == (["1", "2"], [])
    RECEIVE.clear()
    path.kit.advance(60)
    assert (numbers("near"), numbers("far")) == (["1", "2"], ["1", "2"])
    path.kit.stop()


def test_values_wait_over_a_restart_for_days(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations()))
    RECEIVE.append(away(""))
    build(path)
    RECEIVE.clear()
    path = restarted(path, tmp_path, stats(durations()), after=6 * 24 * 3600)
    assert numbers() == ["1"]
    path.kit.stop()


def test_a_crash_loses_no_value_and_keeps_none_twice_that_was_noted(tmp_path: Path) -> None:
    made = lambda: Kept(statistics.CaptureData("size", "b"), statistics.CaptureBuildDuration("b"))  # noqa: E731
    builders = {"b": [Yields(("size", {"kib": 12}))]}
    path = path_with(tmp_path, stats(made), builders=builders)
    build(path)
    RECEIVE.append(away(""))
    build(path)
    RECEIVE.clear()
    now = path.kit.crash()
    path = path_with(tmp_path, stats(made), builders=builders, now=now)
    series = [(context["build_number"], series) for series, _, context in KEPT[""]]
    assert series == [("1", "b-size"), ("1", "b-build-times"), ("2", "b-size"), ("2", "b-build-times")]
    path.kit.stop()


def test_a_value_that_is_too_old_is_left_out(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations()))
    RECEIVE.append(away(""))
    build(path)
    RECEIVE.clear()
    path = restarted(path, tmp_path, stats(durations()), after=8 * 24 * 3600)
    assert numbers() == []
    path.kit.stop()


def test_only_what_was_not_posted_is_posted_again(tmp_path: Path) -> None:
    kept = lambda: Kept(statistics.CaptureBuildDuration("b"), statistics.CaptureProperty("b", "owner"))  # noqa: E731
    path = path_with(tmp_path, stats(kept))

    def second_fails(name: str, series_name: str) -> None:
        if series_name == "b-owner":
            RECEIVE.clear()
            raise TimeoutError

    RECEIVE.append(second_fails)
    build(path)
    path.kit.advance(2)
    assert [series for series, _, _ in KEPT[""]] == ["b-build-times", "b-owner"]
    path.kit.stop()


def test_a_value_that_is_refused_for_good_makes_way_for_the_next(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations()))
    tried = []

    def refuse(name: str, series_name: str) -> None:
        tried.append(series_name)
        raise ValueError("no such series")

    RECEIVE.append(refuse)
    build(path)
    path.kit.advance(600)
    assert len(tried) == 8
    RECEIVE.clear()
    build(path)
    assert numbers() == ["2"]
    path.kit.stop()


def test_a_capture_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    class Own(Capture):
        def __init__(self) -> None:
            super().__init__(("builds", None, "new"), None)

        async def consume(self, routingKey: Any, msg: Any) -> None:
            self._store({"key": "/".join(routingKey)}, "own")

    kept = lambda: Kept(  # noqa: E731
        statistics.CaptureProperty("b", "missing"),
        statistics.CaptureBuildDuration("b", callback=lambda start, end: 1 / 0),
        statistics.CaptureBuildDuration("b", "hours"),
        Own(),
    )
    path = path_with(tmp_path, stats(kept))
    build(path)
    assert KEPT[""] == [
        ("own", {"key": "builds/1/new"}, None),
        ("b-build-times", {"duration": 0.0}, {"builder_name": "b", "build_number": "1"}),
    ]
    path.kit.stop()


def test_a_reconfiguration_changes_what_is_kept_and_forgets_storages_that_went(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations("one"), durations("two")))
    build(path)
    places = lambda: sorted(path.kit.wait_for(path.master.db.read(journal.cursors, "statistics:")))  # noqa: E731
    assert places() == ["statistics:stats/one", "statistics:stats/two"]
    before = service(path, "stats")
    changed = {**path.kit.loader.config(), "services": stats(durations("two"), durations("three"))()}
    path.kit.reconfig(changed)
    assert service(path, "stats") is before
    assert places() == ["statistics:stats/three", "statistics:stats/two"]
    build(path)
    assert (numbers("one"), numbers("two"), numbers("three")) == (["1"], ["1", "2"], ["2"])
    path.kit.reconfig({**changed, "services": []})
    assert places() == []
    path.kit.stop()


def test_data_of_a_build_that_is_not_there_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations()))
    with pytest.raises(ValueError, match="there is no build with the id 77"):
        path.kit.call(service(path, "stats").yieldMetricsValue, "size", {}, 77)
    path.kit.stop()


def test_data_that_json_cannot_express_is_told_to_the_step(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations()), builders={"b": [Yields(("size", {"x": object()}))]})
    build(path)
    assert path.builds()[0][2] != SUCCESS
    path.kit.stop()


def test_storages_of_one_name_have_places_of_their_own(tmp_path: Path) -> None:
    path = path_with(tmp_path, stats(durations("same"), durations("same")))
    build(path)
    assert numbers("same") == ["1", "1"]
    assert service(path, "stats").places() == ["statistics:stats/same", "statistics:stats/same-2"]
    path.kit.stop()


def test_the_storage_of_ones_own_of_the_guide(tmp_path: Path, root: Path) -> None:
    guide = (root / "docs" / "howto" / "keep-statistics.rst").read_text(encoding="utf-8")
    (printed,) = re.findall(r"code-block:: python\n\n((?: +.*\n|\n)+)", guide)
    space: dict[str, Any] = {"statistics": statistics}
    exec(textwrap.dedent(printed), space)
    table = tmp_path / "table"
    storage = lambda: space["Table"](str(table), [statistics.CaptureBuildDuration("b")])  # noqa: E731
    path = path_with(tmp_path, stats(storage))
    build(path)
    build(path)
    assert table.read_text() == "b-build-times\t1\t{'duration': 0.0}\nb-build-times\t2\t{'duration': 0.0}\n"
    path.kit.stop()
