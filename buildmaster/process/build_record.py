"""A build's row while it runs, its properties and its steps' rows: what is written when.

Everybody may read what is stored: secrets are taken out of it here, the last place that it passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.db import build_properties, builds, steps
from buildmaster.db.builds import BuildRow
from buildmaster.db.steps import StepRow
from buildmaster.properties import Properties

SETTLE_SECONDS = 0.5
"""Texts that change more often are written once."""


class BuildRecord:
    """The rows of one build."""

    def __init__(self, db: Any, reactor: Any, row: BuildRow, properties: Properties) -> None:
        self.row = row
        self._db, self._reactor = db, reactor
        self._properties = properties
        self._stored: dict[str, Any] | None = None  # the properties as they are stored
        self._timer: Any = None
        self._waited = 0.0
        self._next_step = 0

    # -- what it is doing ------------------------------------------------------------------------------------------

    def set_state_string(self, text: str) -> None:
        """What the build is doing; written soon, unless something else comes first."""
        text = self._properties.cleanupTextFromSecrets(text)
        if text == self.row.state_string or self.row.complete:
            return
        self.row = attrs.evolve(self.row, state_string=text)
        if self._timer is None:
            self._timer = self._reactor.callLater(SETTLE_SECONDS, self._write)

    def _write(self) -> None:
        self._timer = None
        self._db.progress(builds.set_state_string, self.row)

    def add_locks_duration(self, seconds: float) -> None:
        """The build, or a step of it, has waited for locks."""
        self._waited += seconds
        self.row = attrs.evolve(self.row, locks_duration_s=int(self._waited))

    # -- properties ------------------------------------------------------------------------------------------------

    def save_properties(self) -> None:
        """Store the properties if any has changed since this was done last."""
        now = self._shown_properties()
        if self._stored is None:
            self._db.progress(build_properties.add, self.row.buildid, now)
        elif now != self._stored:
            changed = {name: value for name, value in now.items() if self._stored.get(name) != value}
            self._db.progress(build_properties.replace, self.row.buildid, now, changed)
        self._stored = now

    def _shown_properties(self) -> dict[str, Any]:
        return self._properties.shown()

    # -- steps -----------------------------------------------------------------------------------------------------

    def new_step(self, name: str) -> StepRow:
        """The row of another step."""
        row = StepRow(self._db.new_id("steps"), self._next_step, name, self.row.buildid)
        self._next_step += 1
        return row

    def add_step(self, row: StepRow) -> None:
        """Store the row of a step that is about to be run."""
        self._db.progress(steps.add, row)

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self, results: int, state_string: str, request_ids: Sequence[int]) -> defer.Deferred[bool]:
        """The end of the build, its requests and buildsets; fires when it is committed.

        False if the build had been ended by somebody else before.  May be called again if that failed.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        properties, before = self._shown_properties(), self._stored
        changed = None if properties == before else properties
        self.row = attrs.evolve(
            self.row,
            complete=True,
            complete_at=self._reactor.seconds(),
            results=results,
            state_string=self._properties.cleanupTextFromSecrets(state_string),
        )
        if self._stored is None and changed is not None:
            self._db.progress(build_properties.add, self.row.buildid, properties)
            changed = None
        self._stored = properties
        stored = self._db.write(builds.finish, self.row, list(request_ids), changed)

        def failed(failure: Failure) -> Failure:
            self._stored = before
            return failure

        return stored.addErrback(failed)
