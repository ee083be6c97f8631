"""What captures make of a build; the expected values are those that Buildbot 4.3 gives to its storages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.errors import CaptureCallbackError, ConfigErrors, capture_config_errors
from buildmaster.base.sameness import same
from buildmaster.plugins import statistics
from buildmaster.statistics.capture import BUILD_FINISHED, DATA_YIELDED, Capture
from buildmaster.statistics.collecting import Collection
from buildmaster.statistics.stats_service import StatsService
from buildmaster.statistics.storage_backends.base import StatsStorageBase
from buildmaster.testing.sync import result_of

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BUILD = {
    "buildid": 5,
    "number": 1,
    "builderid": 2,
    "started_at": START.timestamp(),
    "complete_at": START.timestamp() + 90,
}
DATA = {"data_name": "size", "post_data": {"kib": 12}, "build_data": BUILD}
PROPERTIES = {"foo": ("bar", "SetProperty"), "fox": ({"k": [1]}, "SetProperty"), "off": (1, "x")}
CONTEXT = {"builder_name": "b", "build_number": "1"}


class Data:
    """Answers for one build, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def get(self, path: Any) -> Any:
        self.asked.append(path)
        return defer.succeed({("builders", 2): {"name": "b"}, ("builds", 5, "properties"): PROPERTIES}[path])


class Master:
    def __init__(self) -> None:
        self.data = Data()


def captured(*captures: Capture) -> list[Any]:
    """The values that captures make, each called with the event that it wants."""
    collection, master = Collection(7), Master()
    for capture in captures:
        capture.master = master
        with collection.collecting():
            result_of(capture.consume(capture.routingKey, DATA if capture.routingKey == DATA_YIELDED else BUILD))
    return [(value.post_data, value.series_name, value.context) for value in collection.values]


@pytest.mark.parametrize(
    ("capture", "values"),
    [
        (statistics.CaptureBuildStartTime("b"), [{"start-time": "2026-11-21T12:00:00+00:00"}]),
        (statistics.CaptureBuildStartTime("b", callback=lambda start: start.hour), [{"start-time": 12}]),
        (statistics.CaptureBuildStartTimeAllBuilders(), [{"start-time": "2026-11-21T12:00:00+00:00"}]),
        (statistics.CaptureBuildStartTime("other"), []),
        (statistics.CaptureBuildEndTime("b"), [{"end-time": "2026-11-21T12:01:30+00:00"}]),
        (statistics.CaptureBuildEndTime("b", callback=lambda end: end.second), [{"end-time": 30}]),
        (statistics.CaptureBuildEndTimeAllBuilders(), [{"end-time": "2026-11-21T12:01:30+00:00"}]),
        (statistics.CaptureBuildDuration("b"), [{"duration": 90.0}]),
        (statistics.CaptureBuildDuration("b", "minutes"), [{"duration": 1.5}]),
        (statistics.CaptureBuildDurationAllBuilders(report_in="hours"), [{"duration": 0.025}]),
        (statistics.CaptureBuildDuration("b", callback=lambda start, end: str(end - start)), [{"duration": "0:01:30"}]),
    ],
)
def test_times_are_fields_of_one_series_of_a_builder(capture, values):
    assert capture.routingKey == BUILD_FINISHED
    assert captured(capture) == [(value, "b-build-times", CONTEXT) for value in values]


@pytest.mark.parametrize(
    ("capture", "values"),
    [
        (statistics.CaptureProperty("b", "foo"), [("foo", "bar")]),
        (statistics.CaptureProperty("other", "foo"), []),
        (statistics.CapturePropertyAllBuilders("foo"), [("foo", "bar")]),
        (statistics.CaptureProperty("b", "fo", regex=True), [("foo", "bar"), ("fox", {"k": [1]})]),
        (statistics.CapturePropertyAllBuilders("f.*f", regex=True), []),
        (statistics.CaptureProperty("b", "foo", callback=lambda props, name: props["off"][0]), [("foo", 1)]),
    ],
)
def test_each_property_is_a_series_of_its_own(capture, values):
    if values == [] and capture._regex:
        with pytest.raises(CaptureCallbackError, match=r"build 1 of b has no property f.\*f"):
            captured(capture)
        return
    assert captured(capture) == [({"name": n, "value": v}, f"b-{n}", CONTEXT) for n, v in values]


def test_data_is_kept_by_the_capture_of_its_name():
    double = statistics.CaptureData("size", "b", callback=lambda data: {"bytes": data["kib"] * 1024})
    unwanted = [statistics.CaptureData("size", "other"), statistics.CaptureDataAllBuilders("speed")]
    assert captured(statistics.CaptureDataAllBuilders("size"), double, *unwanted) == [
        ({"kib": 12}, "b-size", CONTEXT),
        ({"bytes": 12288}, "b-size", CONTEXT),
    ]


def test_a_callback_may_be_a_coroutine():
    async def later(start, end):
        return 3

    assert captured(statistics.CaptureBuildDuration("b", callback=later)) == [
        ({"duration": 3}, "b-build-times", CONTEXT)
    ]


def test_a_callback_that_raises_is_told_with_capture_and_build():
    def broken(start, end):
        raise ValueError("boom")

    with pytest.raises(CaptureCallbackError) as told:
        captured(statistics.CaptureBuildDuration("b", callback=broken))
    assert str(told.value) == "CaptureBuildDuration failed on build 1 of b: its callback raised ValueError: boom"


def test_captures_of_one_event_look_things_up_once():
    collection, master = Collection(7), Master()
    for capture in [statistics.CaptureProperty("b", "foo"), statistics.CapturePropertyAllBuilders("fox")]:
        capture.master = master
        with collection.collecting():
            result_of(capture.consume(BUILD_FINISHED, BUILD))
    assert master.data.asked == [("builders", 2), ("builds", 5, "properties")]


def test_a_capture_called_by_nobody_in_particular_says_who_calls_it():
    with pytest.raises(RuntimeError, match="called by a StatsService"):
        captured_alone = statistics.CaptureBuildDuration("b")
        result_of(captured_alone.consume(BUILD_FINISHED, BUILD))


class Kept(StatsStorageBase):
    def __init__(self, captures: Any, path: str = "a") -> None:
        self.captures, self.path = captures, path

    def thd_postStatsValue(self, post_data, series_name, context=None):
        """Not called here."""


def influx(**changed: Any) -> Any:
    given = {"url": "h", "port": 8086, "user": "u", "password": "p", "db": "d", "captures": [], **changed}
    return statistics.InfluxStorageService(**given)


@pytest.mark.parametrize(
    ("make", "mistake"),
    [
        (lambda: statistics.CaptureBuildDuration("b", "days"), "report_in must be 'seconds', 'minutes' or 'hours'"),
        (lambda: statistics.CaptureProperty("b", "(", regex=True), "property_name is to be a regular expression"),
        (lambda: StatsService(storage_backends=3, name="s"), "storage_backends must be a list of storages, not 3"),
        (lambda: StatsService(storage_backends=[3], name="s"), "3 in storage_backends is not a storage"),
        (lambda: StatsService(storage_backends=[Kept([3])], name="s"), "Kept: 3 in captures is not a capture"),
        (lambda: StatsService(storage_backends=[Kept(3)], name="s"), "Kept: captures must be a list of captures"),
        (lambda: StatsService(storage_backends=[]), "StatsService: it needs a name"),
        (lambda: influx(port="8086"), "port must be a number from 1 to 65535, not '8086'"),
        (lambda: influx(url=""), "url must be a host name, not ''"),
        (lambda: influx(db=None), "db must be the name of a database, not None"),
        (lambda: influx(password=3), "password must be text or a secret, not 3"),
    ],
)
def test_mistakes_are_reported_when_the_configuration_is_loaded(make, mistake):
    with pytest.raises(ConfigErrors) as told, capture_config_errors(raise_on_error=True):
        make()
    assert mistake in str(told.value)


def lower(start: Any) -> Any:
    return start


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (lambda: influx(), lambda: influx(), True),
        (lambda: influx(), lambda: influx(db="e"), False),
        (
            lambda: influx(captures=[statistics.CaptureProperty("b", "p")]),
            lambda: influx(captures=[statistics.CaptureProperty("b", "p")]),
            True,
        ),
        (
            lambda: influx(captures=[statistics.CaptureBuildDuration("b")]),
            lambda: influx(captures=[statistics.CaptureBuildDuration("b", "hours")]),
            False,
        ),
        (lambda: Kept([]), lambda: Kept([]), True),
        (lambda: Kept([], "a"), lambda: Kept([], "b"), False),
    ],
)
def test_storages_are_compared_by_all_that_they_were_made_of(one, other, alike):
    """Not by what a running service has set in them."""
    live = one()
    live._service = live._threaded = object()
    for capture in live.captures:
        capture.master = object()
        capture.parent_svcs.append(live)
    assert same(live, other()) is alike


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("host", "http://host:8086"),
        ("http://host/", "http://host:8086"),
        ("https://h.example", "https://h.example:8086"),
    ],
)
def test_the_address_of_a_server(url, address):
    assert influx(url=url).address == address
