"""The first entry in a build's list of steps: getting its worker ready.

Not a step that anybody configures; it shows how long the worker took, and carries the traceback if it failed.
"""

from __future__ import annotations

from typing import Any

from buildmaster.base.results import EXCEPTION
from buildmaster.process.step_logs import StepLogs, failure_text
from buildmaster.process.step_record import StepRecord

NAME = "worker_preparation"


class PreparationStep:
    """The preparation of one build, begun now."""

    name = NAME
    logEncoding = None

    def __init__(self, build: Any) -> None:
        self.build = build
        row = build.record.new_step(NAME)
        self.stepid = row.stepid
        self.record = StepRecord(build.master.db, build.master.reactor, row, build.properties)
        self.logs = StepLogs()
        now = build.master.reactor.seconds()
        build.record.add_step(row)
        self.record.started(now, now, f"preparing worker {build.getWorkerName()}")

    def finish(self, results: int, text: str) -> None:
        """It has come to an end."""
        if not self.record.row.complete:
            self.record.finished(self.build.master.reactor.seconds(), results, text, False)

    async def fail(self, why: Any, text: str) -> None:
        """It has failed, or the build has for another reason than its steps; keep the traceback."""
        log = self.logs.add(self, "err.text", "t", None)
        log.addContent(failure_text(why))
        await log.finish()
        self.finish(EXCEPTION, text)
