"""Captures: which values are kept, of which builders.

Times and properties are captured when a build has finished, data when a step gives it to
:meth:`.stats_service.StatsService.yieldMetricsValue`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import CaptureCallbackError, error
from buildmaster.base.times import epoch2datetime
from buildmaster.statistics import collecting
from buildmaster.statistics.described import Described

BUILD_FINISHED = ("builders", None, "builds", None, "finished")
DATA_YIELDED = ("stats-yieldMetricsValue", "stats-yield-data")


class Capture(Described):
    """One kind of value to keep.  Captures of your own derive from this and override :meth:`consume`.

    :param routingKey: of which events :meth:`consume` is called, None standing for any word
    :param callback: what makes the value; what it is given stands at each class
    """

    live_attrs: ClassVar[frozenset[str]] = frozenset({"parent_svcs", "master"})

    def __init__(self, routingKey: Sequence[str | None], callback: Callable[..., Any] | None) -> None:
        self.routingKey = tuple(routingKey)
        self._callback = callback
        self.parent_svcs: list[Any] = []  # the storages that it is captured for
        self.master: Any = None  # set when the service starts

    def _defaultContext(self, msg: Mapping[str, Any], builder_name: str) -> dict[str, str]:
        """What tells a build's values from those of others: names of builder and build."""
        return {"builder_name": builder_name, "build_number": str(msg["number"])}

    def consume(self, routingKey: Sequence[str], msg: Any) -> Any:
        """An event has come: make values and pass them to ``self._store``.  May return a Deferred or coroutine."""
        raise TypeError(f"{type(self).__name__} is a capture and must define consume(routingKey, msg)")

    def _store(self, post_data: Any, series_name: str, context: Mapping[str, Any] | None = None) -> None:
        """Keep fields (name → value) as a point of a series."""
        collecting.current().add(post_data, series_name, context)

    async def _builder_name_of(self, build: Mapping[str, Any]) -> str:
        found = await collecting.current().get(self.master.data, ("builders", build["builderid"]))
        return str(found["name"])

    def _builder_name_matches(self, builder_name: str) -> bool:
        """Whether values of this builder are wanted."""
        return True

    async def _called(self, *args: Any, of: str) -> Any:
        try:
            assert self._callback is not None
            return await maybe(self._callback, *args)
        except Exception as e:
            raise CaptureCallbackError(
                f"{type(self).__name__} failed on {of}: its callback raised {type(e).__name__}: {e}"
            ) from e


class _OfBuilder(Capture):
    """Captures of the builder whose name they were given."""

    _builder_name: str

    def _builder_name_matches(self, builder_name: str) -> bool:
        return self._builder_name == builder_name


class _OfAllBuilders(Capture):
    """Captures that want every builder."""

    def _builder_name_matches(self, builder_name: str) -> bool:
        return True


class CapturePropertyBase(Capture):
    """Properties of finished builds: fields ``name`` and ``value`` in the series ``BUILDER-PROPERTY``.

    :param property_name: the property's name
    :param callback: ``callback(properties, property_name)`` makes the value, ``properties`` being a dictionary name →
        (value, source); by default it is the property's value
    :param regex: whether ``property_name`` is a regular expression, which all names match that begin like it
    """

    def __init__(self, property_name: str, callback: Callable[..., Any] | None = None, regex: bool = False) -> None:
        self._property_name = property_name
        self._regex = regex
        if regex:
            _check_expression(type(self).__name__, property_name)
        super().__init__(BUILD_FINISHED, callback or _value_of_property)

    @deferred
    async def consume(self, routingKey: Sequence[str], msg: Any) -> None:
        """A build has finished; raises :class:`~buildmaster.errors.CaptureCallbackError` if it lacks the property."""
        builder_name = await self._builder_name_of(msg)
        if not self._builder_name_matches(builder_name):
            return
        properties = await collecting.current().get(self.master.data, ("builds", msg["buildid"], "properties"))
        build = f"build {msg['number']} of {builder_name}"
        names = self._names(properties)
        if not names:
            raise CaptureCallbackError(f"{type(self).__name__}: {build} has no property {self._property_name}")
        for name in names:
            value = await self._called(properties, name, of=build)
            self._store(
                {"name": name, "value": value}, f"{builder_name}-{name}", self._defaultContext(msg, builder_name)
            )

    def _names(self, properties: Mapping[str, Any]) -> list[str]:
        if self._regex:
            return [name for name in properties if re.match(self._property_name, name)]
        return [self._property_name] if self._property_name in properties else []


def _value_of_property(properties: Mapping[str, Any], property_name: str) -> Any:
    return properties[property_name][0]


def _check_expression(kind: str, expression: str) -> None:
    try:
        re.compile(expression)
    except (re.error, TypeError) as e:
        error(f"{kind}: property_name is to be a regular expression, but {expression!r} is none: {e}")


class CaptureProperty(_OfBuilder, CapturePropertyBase):
    """Properties of one builder's builds."""

    def __init__(
        self, builder_name: str, property_name: str, callback: Callable[..., Any] | None = None, regex: bool = False
    ) -> None:
        self._builder_name = builder_name
        super().__init__(property_name, callback, regex)


class CapturePropertyAllBuilders(_OfAllBuilders, CapturePropertyBase):
    """Properties of all builders' builds."""


class CaptureBuildTimes(_OfBuilder):
    """Times of finished builds: a field ``start-time``, ``end-time`` or ``duration`` in the series
    ``BUILDER-build-times``.

    :param time_type: the name of the field
    """

    def __init__(self, builder_name: str, callback: Callable[..., Any] | None, time_type: str) -> None:
        self._builder_name = builder_name
        self._time_type = time_type
        super().__init__(BUILD_FINISHED, callback)

    @deferred
    async def consume(self, routingKey: Sequence[str], msg: Any) -> None:
        """A build has finished."""
        builder_name = await self._builder_name_of(msg)
        if not self._builder_name_matches(builder_name):
            return
        value = await self._called(*self._retValParams(msg), of=f"build {msg['number']} of {builder_name}")
        self._store({self._time_type: value}, f"{builder_name}-build-times", self._defaultContext(msg, builder_name))

    def _retValParams(self, msg: Mapping[str, Any]) -> list[datetime]:
        """What the callback is called with."""
        raise TypeError(f"{type(self).__name__} must define _retValParams(msg): what its callback is called with")


def _time(value: Any) -> datetime:
    """A time of the data API, which tells epoch seconds in some places and datetimes in others."""
    return value if isinstance(value, datetime) else epoch2datetime(value)


class CaptureBuildStartTime(CaptureBuildTimes):
    """When builds began, as an ISO 8601 text.

    :param callback: ``callback(start_time)`` makes the value of a datetime
    """

    def __init__(self, builder_name: str, callback: Callable[..., Any] | None = None) -> None:
        super().__init__(builder_name, callback or datetime.isoformat, "start-time")

    def _retValParams(self, msg: Mapping[str, Any]) -> list[datetime]:
        return [_time(msg["started_at"])]


class CaptureBuildStartTimeAllBuilders(_OfAllBuilders, CaptureBuildStartTime):
    """When builds of any builder began."""

    def __init__(self, callback: Callable[..., Any] | None = None) -> None:
        super().__init__("", callback)


class CaptureBuildEndTime(CaptureBuildTimes):
    """When builds ended, as an ISO 8601 text.

    :param callback: ``callback(end_time)`` makes the value of a datetime
    """

    def __init__(self, builder_name: str, callback: Callable[..., Any] | None = None) -> None:
        super().__init__(builder_name, callback or datetime.isoformat, "end-time")

    def _retValParams(self, msg: Mapping[str, Any]) -> list[datetime]:
        return [_time(msg["complete_at"])]


class CaptureBuildEndTimeAllBuilders(_OfAllBuilders, CaptureBuildEndTime):
    """When builds of any builder ended."""

    def __init__(self, callback: Callable[..., Any] | None = None) -> None:
        super().__init__("", callback)


def _seconds(start_time: datetime, end_time: datetime) -> float:
    return (end_time - start_time).total_seconds()


def _minutes(start_time: datetime, end_time: datetime) -> float:
    return _seconds(start_time, end_time) / 60


def _hours(start_time: datetime, end_time: datetime) -> float:
    return _seconds(start_time, end_time) / 3600


DURATIONS: dict[Any, Callable[[datetime, datetime], float]] = {
    "seconds": _seconds,
    "minutes": _minutes,
    "hours": _hours,
}


class CaptureBuildDuration(CaptureBuildTimes):
    """How long builds took.

    :param report_in: ``seconds``, ``minutes`` or ``hours``
    :param callback: ``callback(start_time, end_time)`` makes the value of two datetimes
    """

    def __init__(
        self, builder_name: str, report_in: str = "seconds", callback: Callable[..., Any] | None = None
    ) -> None:
        if report_in not in DURATIONS:
            error(f"{type(self).__name__}: report_in must be 'seconds', 'minutes' or 'hours', not {report_in!r}")
        super().__init__(builder_name, callback or DURATIONS.get(report_in), "duration")

    def _retValParams(self, msg: Mapping[str, Any]) -> list[datetime]:
        return [_time(msg["started_at"]), _time(msg["complete_at"])]


class CaptureBuildDurationAllBuilders(_OfAllBuilders, CaptureBuildDuration):
    """How long builds of any builder took."""

    def __init__(self, report_in: str = "seconds", callback: Callable[..., Any] | None = None) -> None:
        super().__init__("", report_in, callback)


class CaptureDataBase(Capture):
    """Data that steps give to the service, in the series ``BUILDER-DATA``.

    :param data_name: the name under which a step gives it
    :param callback: ``callback(post_data)`` makes the fields; by default they are what the step gave
    """

    def __init__(self, data_name: str, callback: Callable[..., Any] | None = None) -> None:
        self._data_name = data_name
        super().__init__(DATA_YIELDED, callback or _as_it_is)

    @deferred
    async def consume(self, routingKey: Sequence[str], msg: Any) -> None:
        """A step has given data: ``data_name``, ``post_data``, and ``build_data``, which is the build."""
        if msg["data_name"] != self._data_name:
            return
        build = msg["build_data"]
        builder_name = await self._builder_name_of(build)
        if not self._builder_name_matches(builder_name):
            return
        fields = await self._called(msg["post_data"], of=f"build {build['number']} of {builder_name}")
        self._store(fields, f"{builder_name}-{self._data_name}", self._defaultContext(build, builder_name))


def _as_it_is(post_data: Any) -> Any:
    return post_data


class CaptureData(_OfBuilder, CaptureDataBase):
    """Data that steps of one builder give."""

    def __init__(self, data_name: str, builder_name: str, callback: Callable[..., Any] | None = None) -> None:
        self._builder_name = builder_name
        super().__init__(data_name, callback)


class CaptureDataAllBuilders(_OfAllBuilders, CaptureDataBase):
    """Data that steps of any builder give."""
