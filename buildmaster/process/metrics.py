"""Metrics of the master's own running, if ``c['metrics']`` is set.

Whoever has something to count says ``MetricCountEvent.log("name")``; the event goes through Twisted's log to the
:class:`MetricLogObserver`, which adds up and tells, again in the log, every ``log_interval`` seconds.  Each kind of
event has a handler.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application import service
from twisted.internet import task
from twisted.logger import Logger
from twisted.python import log as twisted_log

from buildmaster.base.aio import deferred
from buildmaster.process.metric_events import (
    ALARM_CRIT,
    ALARM_OK,
    ALARM_TEXT,
    ALARM_WARN,
    MetricAlarmEvent,
    MetricCountEvent,
    MetricEvent,
    MetricTimeEvent,
    Timer,
    countMethod,
    timeMethod,
)
from buildmaster.process.metric_handlers import (
    AveragingFiniteList,
    FiniteList,
    MetricAlarmHandler,
    MetricCountHandler,
    MetricHandler,
    MetricTimeHandler,
)
from buildmaster.service import AsyncService, ReconfigurableServiceMixin

__all__ = [
    "ALARM_CRIT",
    "ALARM_OK",
    "ALARM_TEXT",
    "ALARM_WARN",
    "AttachedWorkersWatcher",
    "AveragingFiniteList",
    "FiniteList",
    "MetricAlarmEvent",
    "MetricAlarmHandler",
    "MetricCountEvent",
    "MetricCountHandler",
    "MetricEvent",
    "MetricHandler",
    "MetricLogObserver",
    "MetricTimeEvent",
    "MetricTimeHandler",
    "Timer",
    "countMethod",
    "periodicCheck",
    "timeMethod",
]

log = Logger()

COUNTED_FACTS = {
    ("change", "new"): "added_changes",
    ("buildset", "new"): "added_buildsets",
    ("buildrequest", "new"): "added_buildrequests",
    ("build", "new"): "started_builds",
    ("build", "finished"): "finished_builds",
}
"""What the master counts of what is committed."""

LOG_INTERVAL = 60
PERIODIC_INTERVAL = 10
LATE_SECONDS = 1.0
"""A turn of the reactor that comes so much too late raises an alarm."""


class AttachedWorkersWatcher:
    """Raises an alarm if connected workers and those that builders see are not the same number."""

    def __init__(self, metrics: Any) -> None:
        self.metrics = metrics

    def run(self) -> None:
        """Look at the counters."""
        counters = self.metrics.getHandler(MetricCountEvent)
        connected, seen = (counters.get(f"{who}.attached_workers") for who in ("AbstractWorker", "BotMaster"))
        level = ALARM_OK if connected == seen else ALARM_CRIT
        MetricAlarmEvent.log("attached_workers", msg=f"{connected} connected, {seen} at builders", level=level)


def _get_rss() -> int:
    """The memory of this process in bytes; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def periodicCheck(_reactor: Any = None) -> None:
    """Measure memory, garbage and, if a reactor is given, how late its next turn is."""
    MetricCountEvent.log("gc.garbage", len(gc.garbage), absolute=True)
    level = ALARM_WARN if gc.garbage else ALARM_OK
    MetricAlarmEvent.log("gc.garbage", msg=f"{len(gc.garbage)} objects", level=level)
    MetricCountEvent.log("resource.rss", _get_rss(), absolute=True)
    if _reactor is not None:
        wanted = _reactor.seconds() + 0.05
        _reactor.callLater(0.05, lambda: _late(_reactor.seconds() - wanted))


def _late(seconds: float) -> None:
    MetricTimeEvent.log("reactor.delay", elapsed=seconds)
    level = ALARM_WARN if seconds > LATE_SECONDS else ALARM_OK
    MetricAlarmEvent.log("reactor.delay", msg=f"{seconds:.3g} s late", level=level)


def look_at_workers(master: Any) -> None:
    """Measure workers, builders and builds."""
    builders = list(master.botmaster.builders.values())
    ends = [end for builder in builders for end in builder.workers if end.worker is not None]
    named = {name for builder in builders for name in builder.config.workernames}
    connected = [one for one in master.workers if getattr(one, "conn", None) is not None and one.name in named]
    MetricCountEvent.log("AbstractWorker.attached_workers", len(connected), absolute=True)
    MetricCountEvent.log("BotMaster.attached_workers", len({end.worker.name for end in ends}), absolute=True)
    MetricCountEvent.log("num_builders", len(builders), absolute=True)
    MetricCountEvent.log("running_builds", sum(len(builder.building) for builder in builders), absolute=True)


class MetricLogObserver(AsyncService, ReconfigurableServiceMixin):
    """Takes the events out of the log and tells what they come to; active while ``c['metrics']`` is set."""

    name: Any = "metrics"

    def __init__(self) -> None:
        self.enabled = False
        self.handlers: dict[type, MetricHandler] = {}
        self._loops: list[task.LoopingCall] = []
        self._intervals: tuple[Any, Any] | None = None
        self._listener: Any = None
        for event, handler in (
            (MetricCountEvent, MetricCountHandler),
            (MetricTimeEvent, MetricTimeHandler),
            (MetricAlarmEvent, MetricAlarmHandler),
        ):
            self.registerHandler(event, handler(self))
        self._watcher = AttachedWorkersWatcher(self)

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow ``c['metrics']``."""
        if new_config.metrics is None:
            self.disable()
            return
        self.enable()
        intervals = (
            new_config.metrics.get("log_interval", LOG_INTERVAL),
            new_config.metrics.get("periodic_interval", PERIODIC_INTERVAL),
        )
        if intervals != self._intervals:
            self._intervals = intervals
            self._stop_loops()
            for seconds, action in zip(intervals, (self.report, self._look_around), strict=True):
                if seconds:
                    self._start_loop(seconds, action)

    def _start_loop(self, seconds: float, action: Callable[[], Any]) -> None:
        loop = task.LoopingCall(action)
        loop.clock = self.master.reactor
        loop.start(seconds, now=False).addErrback(lambda f: log.failure("metrics are no longer told", f))
        self._loops.append(loop)

    def _stop_loops(self) -> None:
        for loop in self._loops:
            if loop.running:
                loop.stop()
        self._loops = []

    def _look_around(self) -> None:
        periodicCheck(self.master.reactor)
        look_at_workers(self.master)
        self._watcher.run()

    def stopService(self) -> Any:
        """Observe no longer."""
        self.disable()
        return service.Service.stopService(self)

    def registerHandler(self, interface: type, handler: MetricHandler) -> None:
        """Have this handler take the events of a class."""
        self.handlers[interface] = handler

    def getHandler(self, interface: type) -> Any:
        """The handler of a class of events; None if there is none."""
        return self.handlers.get(interface)

    def enable(self) -> None:
        """Begin to observe."""
        if self.enabled:
            return
        self.enabled = True
        twisted_log.addObserver(self.emit)
        if self.master is not None and self.master.journal is not None:
            self._listener = self.master.journal.listen(COUNTED_FACTS, self._committed)

    def disable(self) -> None:
        """Observe no longer, and forget what was observed."""
        self._stop_loops()
        self._intervals = None
        if not self.enabled:
            return
        self.enabled = False
        twisted_log.removeObserver(self.emit)
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        for handler in self.handlers.values():
            handler.reset()

    def _committed(self, fact: Any) -> None:
        MetricCountEvent.log(COUNTED_FACTS[fact.kind, fact.event])

    def emit(self, eventDict: Mapping[str, Any]) -> None:
        """Look at one event of the log."""
        metric = eventDict.get("metric")
        handler = self.handlers.get(type(metric)) if isinstance(metric, MetricEvent) else None
        if handler is not None:
            handler.handle(eventDict, metric)

    def asDict(self) -> dict[str, Any]:
        """Everything of all handlers, as JSON-able values."""
        return {key: value for handler in self.handlers.values() for key, value in handler.asDict().items()}

    def report(self) -> None:
        """Tell everything in the log."""
        for handler in self.handlers.values():
            for line in handler.report().splitlines():
                log.info("{line}", line=line)
