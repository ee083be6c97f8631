"""Regular removal of what nobody looks at any more: the documented JanitorConfigurator and the steps of its builder.

The steps work in small jobs of the database's clean-up lane, so that builds never wait for them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import CANCELLED, SUCCESS
from buildmaster.config.builder import BuilderConfig
from buildmaster.configurators import ConfiguratorBase
from buildmaster.db import build_data, logs
from buildmaster.process.build_factory import BuildFactory
from buildmaster.process.buildstep import BuildStep
from buildmaster.schedulers.forcesched import ForceScheduler
from buildmaster.schedulers.timed import Nightly
from buildmaster.worker.local import LocalWorker

JANITOR_NAME = "__Janitor"
"""The name of the builder, of its worker and of its nightly scheduler."""

BATCH = 100
"""Logs or values in one job of the database."""


class LogChunksJanitor(BuildStep):
    """Deletes the text of logs of steps that began longer ago than ``logHorizon`` (a timedelta or a renderable).

    The logs remain in the lists of their steps, marked as deleted.
    """

    name = "LogChunksJanitor"
    renderables: ClassVar[list[str]] = ["logHorizon"]

    def __init__(self, logHorizon: Any) -> None:
        super().__init__()
        self.logHorizon = logHorizon

    @deferred
    async def run(self) -> int:
        """Delete them in batches, until the step is stopped."""
        older_than = self.master.reactor.seconds() - self.logHorizon.total_seconds()
        deleted, last = 0, 0
        while last is not None and not self.stopped:
            count, last = await self.master.db.bulk(logs.delete_old, older_than, last, BATCH)
            deleted += count
        self.descriptionDone = [f"deleted {deleted} {'log' if deleted == 1 else 'logs'}"]
        return CANCELLED if self.stopped else SUCCESS


class BuildDataJanitor(BuildStep):
    """Deletes the build data of builds that ended longer ago than ``build_data_horizon``, a timedelta."""

    name = "BuildDataJanitor"
    renderables: ClassVar[list[str]] = ["build_data_horizon"]

    def __init__(self, build_data_horizon: Any) -> None:
        super().__init__()
        self.build_data_horizon = build_data_horizon

    @deferred
    async def run(self) -> int:
        """Delete them in batches, until the step is stopped."""
        older_than = self.master.reactor.seconds() - self.build_data_horizon.total_seconds()
        deleted, count = 0, BATCH
        while count == BATCH and not self.stopped:
            count = await self.master.db.bulk(build_data.delete_old, older_than, BATCH)
            deleted += count
        self.descriptionDone = [f"deleted {deleted} build data key/value pairs"]
        return CANCELLED if self.stopped else SUCCESS


class JanitorConfigurator(ConfiguratorBase):
    """Adds a builder ``__Janitor`` that removes old data every night, with a worker of its own on the master's host.

    It runs at the times that the arguments of :class:`~buildmaster.schedulers.timed.Nightly` say, and whenever it is
    forced; a parameter that is None removes nothing, and if all are None nothing is added.

    :param logHorizon: a timedelta: how long the text of logs is kept, counted from the beginning of the step
    :param hour: of the day, in the master's local time
    :param build_data_horizon: a timedelta: how long build data is kept, counted from the end of the build
    """

    def __init__(
        self,
        logHorizon: timedelta | None = None,
        hour: Any = 0,
        build_data_horizon: timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        for name, value in (("logHorizon", logHorizon), ("build_data_horizon", build_data_horizon)):
            if value is not None and not isinstance(value, timedelta):
                error(f"JanitorConfigurator: {name} must be a datetime.timedelta, not {value!r}")
        self.logHorizon = logHorizon
        self.build_data_horizon = build_data_horizon
        self.hour = hour
        self.kwargs = kwargs

    def configure(self, config_dict: dict[str, Any]) -> None:
        """Add the builder, its worker and its schedulers."""
        steps: list[BuildStep] = []
        if self.logHorizon is not None:
            steps.append(LogChunksJanitor(logHorizon=self.logHorizon))
        if self.build_data_horizon is not None:
            steps.append(BuildDataJanitor(build_data_horizon=self.build_data_horizon))
        if not steps:
            return
        super().configure(config_dict)
        names = [JANITOR_NAME]
        self.schedulers.append(Nightly(name=JANITOR_NAME, builderNames=names, hour=self.hour, **self.kwargs))
        self.schedulers.append(ForceScheduler(name=JANITOR_NAME + "_force", builderNames=names))
        self.builders.append(BuilderConfig(name=JANITOR_NAME, workernames=names, factory=BuildFactory(steps=steps)))
        self.workers.append(LocalWorker(JANITOR_NAME))
