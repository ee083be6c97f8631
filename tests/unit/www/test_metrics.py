"""``/metrics``, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from buildmaster.process.metrics import ALARM_WARN, MetricAlarmEvent, MetricCountEvent, MetricTimeEvent
from tests.unit.www.conftest import Web, config


def test_without_metrics_there_is_no_page(web: Web) -> None:
    assert web.client.get("/metrics").status == 404


def test_counters_times_and_alarms(web: Web) -> None:
    assert web.kit.reconfig(lambda: {**config(), "metrics": {"periodic_interval": None}}).ok
    MetricCountEvent.log("a.count", 3)
    MetricTimeEvent.log("a time", 1.5)
    MetricAlarmEvent.log("an alarm", level=ALARM_WARN)
    answer = web.client.get("/metrics")
    assert (answer.status, answer.header("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    ]
    assert samples == [
        ("buildmaster_a_count", {}, 3),
        ("buildmaster_time_seconds", {"timer": "a time"}, 1.5),
        ("buildmaster_alarm", {"alarm": "an alarm"}, 1),
    ]
