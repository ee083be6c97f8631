"""Schedulers that build when the clock shows certain times; :class:`Periodic` and their base lie in :mod:`.clock`."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Sequence
from typing import Any

from croniter import croniter
from croniter.croniter import CroniterError
from twisted.internet import defer
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import ITriggerableScheduler
from buildmaster.base.records import NewBuildset
from buildmaster.base.results import SUCCESS
from buildmaster.base.strings import bytes2unicode
from buildmaster.db import schedulers as rows
from buildmaster.db import state as state_rows
from buildmaster.db.txn import Txn
from buildmaster.properties import Properties
from buildmaster.schedulers.clock import Periodic, Timed
from buildmaster.schedulers.composing import Wish

__all__ = ["Nightly", "NightlyBase", "NightlyTriggerable", "Periodic", "Timed"]


class NightlyBase(Timed):
    """Builds when the clock shows certain times, in the style of cron and in local time.

    :param minute, hour, dayOfMonth, month, dayOfWeek: a number, a list of numbers, or a text as in crontab; numbers of
        ``dayOfWeek`` count from 0 for Monday
    :param force_at_minute, …: times at which to build even if all changes were unimportant (with ``onlyIfChanged``)
    """

    compare_attrs: Sequence[str] = (
        "minute",
        "hour",
        "dayOfMonth",
        "month",
        "dayOfWeek",
        "force_at_minute",
        "force_at_hour",
        "force_at_day_of_month",
        "force_at_month",
        "force_at_day_of_week",
    )
    cron = "0 * * * *"
    force_cron: str | None = None

    def checkConfig(  # type: ignore[override]
        self,
        builderNames: Any,
        minute: Any = 0,
        hour: Any = "*",
        dayOfMonth: Any = "*",
        month: Any = "*",
        dayOfWeek: Any = "*",
        force_at_minute: Any = None,
        force_at_hour: Any = None,
        force_at_day_of_month: Any = None,
        force_at_month: Any = None,
        force_at_day_of_week: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, **kwargs)
        forced = (force_at_minute, force_at_hour, force_at_day_of_month, force_at_month, force_at_day_of_week)
        self._take_times((minute, hour, dayOfMonth, month, dayOfWeek), forced)
        for expression in (self.cron, self.force_cron):
            if expression is None:
                continue
            try:
                croniter(expression, datetime.datetime(2000, 1, 1)).get_next(datetime.datetime)
            except (CroniterError, ValueError, KeyError) as wrong:
                error(
                    f"scheduler {self.name!r}: minute, hour, dayOfMonth, month and dayOfWeek say {expression!r}, "
                    f"which is no time: {wrong}"
                )

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        builderNames: Any,
        minute: Any = 0,
        hour: Any = "*",
        dayOfMonth: Any = "*",
        month: Any = "*",
        dayOfWeek: Any = "*",
        force_at_minute: Any = None,
        force_at_hour: Any = None,
        force_at_day_of_month: Any = None,
        force_at_month: Any = None,
        force_at_day_of_week: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        forced = (force_at_minute, force_at_hour, force_at_day_of_month, force_at_month, force_at_day_of_week)
        self._take_times((minute, hour, dayOfMonth, month, dayOfWeek), forced)

    def _take_times(self, times: Sequence[Any], forced: Sequence[Any]) -> None:
        self.minute, self.hour, self.dayOfMonth, self.month, self.dayOfWeek = times
        (
            self.force_at_minute,
            self.force_at_hour,
            self.force_at_day_of_month,
            self.force_at_month,
            self.force_at_day_of_week,
        ) = forced
        self.cron = _cron(times)
        defaults = (0, "*", "*", "*", "*")
        given = [default if value is None else value for value, default in zip(forced, defaults, strict=True)]
        self.force_cron = _cron(given) if any(value is not None for value in forced) else None

    _objectid: int | None = None
    _known_since: float | None = None

    @deferred
    async def activate(self) -> None:
        """Begin; the first time of all counts from when the scheduler was first seen, also if the master crashed."""
        if await self.master.db.read(rows.last_firing, self.serviceid) is None:
            self._known_since = await self.master.db.write(_first_seen, await self._state_id(), self.now())
        await super().activate()

    async def _state_id(self) -> int:
        if self._objectid is None:
            kind = f"{type(self).__module__}.{type(self).__name__}"
            self._objectid = await self.master.db.write(state_rows.object_id, self.name, kind)
        return self._objectid

    def getNextBuildTime(self, lastActuated: float | None) -> Any:
        """The first time after ``lastActuated`` at which the clock shows what was asked for.

        After the time at which the scheduler was first seen, if it has never built.
        """
        if lastActuated is None:
            lastActuated = self.now() if self._known_since is None else self._known_since
        return _next_time(self.cron, lastActuated)

    def maybe_force_build_on_unimportant_changes(self, current_actuation_time: float) -> bool:
        """Whether this is one of the times to build at all events."""
        if self.force_cron is None:
            return False
        return _next_time(self.force_cron, current_actuation_time - 1) <= current_actuation_time


def _cron(times: Sequence[Any]) -> str:
    return " ".join([*(_field(value) for value in times[:4]), _field(times[4], weekday=True)])


def _field(value: Any, weekday: bool = False) -> str:
    if isinstance(value, int):
        return str((value + 1) % 7 if weekday else value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(_field(one, weekday) for one in value)
    return str(value)


def _next_time(expression: str, after: float) -> float:
    """The first moment after this one at which local time matches."""
    start = datetime.datetime.fromtimestamp(after)
    found = croniter(expression, start).get_next(datetime.datetime)
    return time.mktime(found.timetuple())


class Nightly(NightlyBase):
    """Builds at times of the clock."""

    def checkConfig(
        self, *args: Any, reason: str = "The Nightly scheduler named '%(name)s' triggered this build", **kwargs: Any
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig(*args, reason=reason, **kwargs)

    @deferred
    async def reconfigService(
        self, *args: Any, reason: str = "The Nightly scheduler named '%(name)s' triggered this build", **kwargs: Any
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, *args, reason=reason, **kwargs)


_TRIGGERABLE_REASON = "The NightlyTriggerable scheduler named '%(name)s' triggered this build"


@implementer(ITriggerableScheduler)
class NightlyTriggerable(NightlyBase):
    """Builds at times of the clock what it was triggered for last, if it was triggered since."""

    def checkConfig(self, *args: Any, reason: str = _TRIGGERABLE_REASON, **kwargs: Any) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig(*args, reason=reason, **kwargs)

    @deferred
    async def reconfigService(self, *args: Any, reason: str = _TRIGGERABLE_REASON, **kwargs: Any) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, *args, reason=reason, **kwargs)

    def trigger(
        self,
        waited_for: bool,
        sourcestamps: Any = None,
        set_props: Properties | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
    ) -> tuple[defer.Deferred[Any], defer.Deferred[Any]]:
        """Build this at the next time, instead of what it was triggered for before.

        Nobody can wait for that: the two Deferreds fire when it is stored.
        """
        stored = self._store(
            {
                "sourcestamps": [
                    {name: bytes2unicode(v) if isinstance(v, bytes) else v for name, v in stamp.items()}
                    for stamp in sourcestamps or []
                ],
                "properties": {} if set_props is None else set_props.asDict(),
                "parent_buildid": parent_buildid,
                "parent_relationship": parent_relationship,
            }
        )
        done: defer.Deferred[Any] = defer.Deferred()

        def tell(result: Any) -> Any:
            done.callback((SUCCESS, {}))
            return result

        stored.addCallback(tell)
        return stored, done

    @deferred
    async def _store(self, wanted: dict[str, Any]) -> tuple[None, dict[int, int]]:
        await self.master.db.write(state_rows.put, await self._state_id(), "lastTrigger", wanted)
        return None, {}

    async def _build_at(self, fire_time: int) -> None:
        objectid = await self._state_id()
        wanted = await self.master.db.read(state_rows.get, objectid, "lastTrigger", None)
        new = None
        if wanted is not None:
            new = await self._composer.compose(
                Wish(
                    await self.stamps_with_defaults(wanted["sourcestamps"]),
                    self.reason,
                    properties={name: (value, source) for name, (value, source) in wanted["properties"].items()},
                    parent_buildid=wanted["parent_buildid"],
                    parent_relationship=wanted["parent_relationship"],
                )
            )
        await self.master.db.write(_fire_triggered, self.serviceid, fire_time, new, objectid)


def _first_seen(txn: Txn, objectid: int, now: float) -> float:
    """Since when there is this scheduler: now, unless that is stored."""
    since = state_rows.get(txn.conn, objectid, "since", None)
    if since is None:
        since = now
        state_rows.put(txn, objectid, "since", now)
    return float(since)


def _fire_triggered(txn: Txn, schedulerid: int, fire_time: int, new: NewBuildset | None, objectid: int) -> Any:
    """A firing, after which what it was triggered for is done."""
    added = rows.fire_at(txn, schedulerid, fire_time, new)
    if added is not None:
        state_rows.put(txn, objectid, "lastTrigger", None)
    return added
