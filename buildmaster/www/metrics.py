"""``/metrics``: the metrics of ``c['metrics']`` as Prometheus reads them; there is no such page without that key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from buildmaster.process.metrics import ALARM_TEXT
from buildmaster.www.resource import ErrorPage, Resource

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Collector:
    """What a master's metrics come to, as samples: one for each counter, timer and alarm, by its name as a label."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The samples."""
        for name, value in self._found["counters"].items():
            yield GaugeMetricFamily("buildmaster_" + re.sub(r"\W", "_", name), f"Counter {name}", value=value)
        times = GaugeMetricFamily("buildmaster_time_seconds", "Average of the last times", labels=["timer"])
        for name, seconds in self._found["timers"].items():
            times.add_metric([name], seconds)
        alarms = GaugeMetricFamily("buildmaster_alarm", "0: OK, 1: WARN, 2: CRIT", labels=["alarm"])
        for name, (level, _) in self._found["alarms"].items():
            alarms.add_metric([name], ALARM_TEXT.index(level))
        yield times
        yield alarms


class MetricsResource(Resource):
    """The page."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """The metrics; 404 if the master gathers none."""
        metrics = self.master.metrics
        if not metrics.enabled:
            return ErrorPage(404, "There are no metrics: set c['metrics'] = {}").render(request)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector(metrics.asDict()))
        request.setHeader("Content-Type", CONTENT_TYPE)
        return generate_latest(registry)
