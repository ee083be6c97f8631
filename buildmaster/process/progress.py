"""How long a build will still take, learnt from the builder's earlier builds.

Each step's share is the time it took before; within a step, metrics such as the amount of output tell how far it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

LEARN = 0.5
"""How much the newest build counts against all before it."""


@attrs.define
class Expected:
    """What is known of a step: its time in seconds, and the final value of each metric."""

    seconds: float
    metrics: dict[str, float] = attrs.field(factory=dict)

    def learn(self, seconds: float, metrics: Mapping[str, float]) -> None:
        """Take a finished run into account."""
        self.seconds += (seconds - self.seconds) * LEARN
        for name, value in metrics.items():
            before = self.metrics.get(name, value)
            self.metrics[name] = before + (value - before) * LEARN


class Expectations:
    """What is known of a builder's steps, by name."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self.steps: dict[str, Expected] = {
            name: Expected(float(step["seconds"]), {k: float(v) for k, v in step.get("metrics", {}).items()})
            for name, step in (stored or {}).items()
        }

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {name: attrs.asdict(step) for name, step in self.steps.items()}

    def learn(self, progress: BuildProgress) -> None:
        """Take a successful build into account; steps that it did not have are forgotten."""
        steps = {}
        for step in progress.steps:
            if step.seconds is None:
                continue
            expected = self.steps.get(step.name)
            if expected is None:
                expected = Expected(step.seconds, dict(step.metrics))
            else:
                expected.learn(step.seconds, step.metrics)
            steps[step.name] = expected
        self.steps = steps


class StepProgress:
    """How far one step is."""

    def __init__(self, name: str, metric_names: tuple[str, ...], expected: Expected | None, clock: Any) -> None:
        self.name = name
        self.metric_names = metric_names
        self.metrics: dict[str, float] = {}
        self.started_at: float | None = None
        self.seconds: float | None = None  # how long it took, once it is finished
        self._expected = expected
        self._clock = clock

    def start(self) -> None:
        """It begins."""
        self.started_at = self._clock.seconds()

    def setProgress(self, metric: str, value: float) -> None:
        """One of its metrics has this value now."""
        self.metrics[metric] = value

    def count_output(self, stream: str | None, text: str | None) -> None:
        """Watches the step's main log: the amount of output is a metric of every step.

        What the worker tells about the command, all of it at the beginning and the end, does not count.
        """
        if text and stream != "h":
            self.metrics["output"] = self.metrics.get("output", 0) + len(text)

    def finish(self) -> None:
        """It has ended."""
        if self.started_at is not None:
            self.seconds = self._clock.seconds() - self.started_at

    def remaining(self) -> float | None:
        """Seconds it will probably still take; None if nothing is known."""
        if self.seconds is not None:
            return 0.0
        if self._expected is None:
            return None
        if self.started_at is None:
            return self._expected.seconds
        elapsed = self._clock.seconds() - self.started_at
        done = self._done_share()
        if done is None or done <= 0:
            return max(0.0, self._expected.seconds - elapsed)
        return max(0.0, self._expected.seconds * (1 - done))

    def _done_share(self) -> float | None:
        assert self._expected is not None
        shares = [
            min(1.0, self.metrics[name] / self._expected.metrics[name])
            for name in self.metric_names
            if name in self.metrics and self._expected.metrics.get(name)
        ]
        return sum(shares) / len(shares) if shares else None


class BuildProgress:
    """How far a build is."""

    def __init__(self, expectations: Expectations, clock: Any) -> None:
        self.steps: list[StepProgress] = []
        self._expectations = expectations
        self._clock = clock
        self._names: dict[str, int] = {}

    def add_step(self, name: str, metric_names: tuple[str, ...]) -> StepProgress:
        """A step of the build; steps of one name are told apart by their order."""
        count = self._names[name] = self._names.get(name, 0) + 1
        if count > 1:
            name = f"{name}_{count - 1}"
        step = StepProgress(name, ("output", *metric_names), self._expectations.steps.get(name), self._clock)
        self.steps.append(step)
        return step

    def eta(self) -> float | None:
        """Seconds until the build will probably be finished; None if too little is known."""
        remaining = [step.remaining() for step in self.steps]
        if not remaining or any(seconds is None for seconds in remaining):
            return None
        return sum(seconds for seconds in remaining if seconds is not None)
