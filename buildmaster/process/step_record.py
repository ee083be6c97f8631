"""A step's row while it runs: changed in memory, written when it matters, never waited for.

Everybody may read what is stored: secrets are taken out of it here, the last place that it passes.
"""

from __future__ import annotations

from typing import Any

import attrs

from buildmaster.db import steps
from buildmaster.db.steps import StepRow
from buildmaster.properties import Properties

SETTLE_SECONDS = 0.5
"""Texts and links that change more often are written once."""


class StepRecord:
    """The row of one step, whose build has these properties."""

    def __init__(self, db: Any, reactor: Any, row: StepRow, properties: Properties) -> None:
        self.row = row
        self._db, self._reactor = db, reactor
        self._shown = properties.cleanupTextFromSecrets
        self._timer: Any = None

    def started(self, started_at: float, locks_acquired_at: float | None, state_string: str) -> None:
        """The step runs, or waits for locks."""
        self.row = attrs.evolve(
            self.row,
            started_at=started_at,
            locks_acquired_at=locks_acquired_at,
            state_string=self._shown(state_string),
        )
        self._db.progress(steps.start, self.row)

    def locks_acquired(self, at: float, state_string: str) -> None:
        """It has got its locks."""
        self.row = attrs.evolve(self.row, locks_acquired_at=at, state_string=self._shown(state_string))
        self._db.progress(steps.locks_acquired, self.row)

    def set_state_string(self, text: str) -> None:
        """What it is doing; written soon."""
        text = self._shown(text)
        if text != self.row.state_string:
            self._change(state_string=text)

    def add_url(self, name: str, url: str) -> None:
        """A link; the same one twice is one."""
        link = (self._shown(name), self._shown(url))
        if link not in self.row.urls:
            self._change(urls=(*self.row.urls, link))

    def _change(self, **values: Any) -> None:
        self.row = attrs.evolve(self.row, **values)
        if self._timer is None and not self.row.complete:
            self._timer = self._reactor.callLater(SETTLE_SECONDS, self._write)

    def _write(self) -> None:
        self._timer = None
        if not self.row.complete:
            self._db.progress(steps.update, self.row)

    def finished(self, started_at: float, results: int, state_string: str, hidden: bool) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._reactor.seconds()
        self.row = attrs.evolve(
            self.row,
            started_at=self.row.started_at if self.row.started_at is not None else started_at,
            complete=True,
            complete_at=now,
            results=results,
            state_string=self._shown(state_string),
            hidden=hidden,
        )
        self._db.progress(steps.finish, self.row)
