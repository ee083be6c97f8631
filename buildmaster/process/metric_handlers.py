"""What the events of each kind come to; see :mod:`.metrics`."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.logger import Logger

from buildmaster.process.metric_events import (
    ALARM_OK,
    ALARM_TEXT,
    MetricAlarmEvent,
    MetricCountEvent,
    MetricTimeEvent,
)

log = Logger()


class FiniteList(deque):
    """The last ``maxlen`` items."""

    def __init__(self, maxlen: int = 10) -> None:
        super().__init__(maxlen=maxlen)


class AveragingFiniteList(FiniteList):
    """The same of numbers, with their :attr:`average`."""

    average: float = 0

    def append(self, o: float) -> None:
        """Add one; the oldest falls out."""
        super().append(o)
        self.average = sum(self) / len(self)


class MetricHandler:
    """What is known of one kind of events; watchers, which have a method ``run()``, are told of each."""

    def __init__(self, metrics: Any) -> None:
        self.metrics = metrics
        self.watchers: list[Any] = []
        self.reset()

    def addWatcher(self, watcher: Any) -> None:
        """Tell this one from now on."""
        self.watchers.append(watcher)

    def removeWatcher(self, watcher: Any) -> None:
        """Tell it no longer."""
        self.watchers.remove(watcher)

    def reset(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def handle(self, eventDict: Mapping[str, Any], metric: Any) -> None:
        """Take an event."""
        raise NotImplementedError

    def get(self, metric: str) -> Any:
        """The value of a name."""
        raise NotImplementedError

    def keys(self) -> Iterable[str]:
        """The names."""
        raise NotImplementedError

    def report(self) -> str:
        """Everything, as text for the log."""
        raise NotImplementedError

    def asDict(self) -> dict[str, Any]:
        """Everything, as JSON-able values."""
        raise NotImplementedError

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher.run()


class MetricCountHandler(MetricHandler):
    """Counters."""

    _counters: dict[str, float]

    def reset(self) -> None:
        """Forget everything."""
        self._counters = defaultdict(int)

    def handle(self, eventDict: Mapping[str, Any], metric: MetricCountEvent) -> None:
        """Count on, or from a new beginning."""
        self._counters[metric.counter] = metric.count + (0 if metric.absolute else self._counters[metric.counter])
        self._tell()

    def keys(self) -> list[str]:
        """The names."""
        return list(self._counters)

    def get(self, counter: str) -> float:
        """The value of a counter, 0 for one that nobody counted."""
        return self._counters.get(counter, 0)

    def report(self) -> str:
        """A line for each."""
        return "\n".join(f"Counter {name}: {self.get(name)}" for name in sorted(self._counters))

    def asDict(self) -> dict[str, Any]:
        """``{"counters": {name: value}}``."""
        return {"counters": dict(sorted(self._counters.items()))}


class MetricTimeHandler(MetricHandler):
    """Averages of the last ten times of each timer."""

    _timers: dict[str, AveragingFiniteList]

    def reset(self) -> None:
        """Forget everything."""
        self._timers = defaultdict(AveragingFiniteList)

    def handle(self, eventDict: Mapping[str, Any], metric: MetricTimeEvent) -> None:
        """Take one more into the average."""
        self._timers[metric.timer].append(metric.elapsed)
        self._tell()

    def keys(self) -> list[str]:
        """The names."""
        return list(self._timers)

    def get(self, timer: str) -> float:
        """The average in seconds, 0 for a timer that was never stopped."""
        return self._timers[timer].average if timer in self._timers else 0

    def report(self) -> str:
        """A line for each."""
        return "\n".join(f"Timer {name}: {self.get(name):.3g}" for name in sorted(self._timers))

    def asDict(self) -> dict[str, Any]:
        """``{"timers": {name: seconds}}``."""
        return {"timers": {name: self.get(name) for name in sorted(self._timers)}}


class MetricAlarmHandler(MetricHandler):
    """How things are."""

    _alarms: dict[str, tuple[int, str | None]]

    def reset(self) -> None:
        """Forget everything."""
        self._alarms = {}

    def handle(self, eventDict: Mapping[str, Any], metric: MetricAlarmEvent) -> None:
        """Keep the level; a change of it is told at once."""
        before = self._alarms.get(metric.alarm, (ALARM_OK, None))[0]
        self._alarms[metric.alarm] = (metric.level, metric.msg)
        if metric.level != before:
            tell = log.info if metric.level == ALARM_OK else log.warn
            tell("alarm {name}: {how} {msg}", name=metric.alarm, how=ALARM_TEXT[metric.level], msg=metric.msg or "")
        self._tell()

    def keys(self) -> list[str]:
        """The names."""
        return list(self._alarms)

    def get(self, metric: str) -> tuple[int, str | None]:
        """(level, message)."""
        return self._alarms.get(metric, (ALARM_OK, None))

    def report(self) -> str:
        """A line for each."""
        lines = (f"{ALARM_TEXT[level]} {name}: {msg}" for name, (level, msg) in sorted(self._alarms.items()))
        return "\n".join(lines)

    def asDict(self) -> dict[str, Any]:
        """``{"alarms": {name: (level in words, message)}}``."""
        return {"alarms": {name: (ALARM_TEXT[level], msg) for name, (level, msg) in sorted(self._alarms.items())}}
