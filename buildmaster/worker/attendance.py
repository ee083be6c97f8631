"""Storing who comes and goes: all arrivals and departures of a moment are one job of the database.

A fleet that connects at once costs a few statements, not a few per worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet import defer

from buildmaster.db import workers
from buildmaster.db.workers import Arrival, Departure


class Attendance:
    """The list at this master's door."""

    def __init__(self, db: Any, masterid: int, clock: Any) -> None:
        self._db = db
        self._masterid = masterid
        self._clock = clock
        self._events: list[Arrival | Departure] = []
        self._told: list[defer.Deferred[None]] = []
        self._writing = False
        self._kick: Any = None

    def arrived(self, workerid: int, name: str, info: Mapping[str, Any]) -> defer.Deferred[None]:
        """A worker has connected; fires when that is stored."""
        return self._add(Arrival(workerid, name, info))

    def left(self, workerid: int, name: str) -> defer.Deferred[None]:
        """A worker's connection has ended; fires when that is stored."""
        return self._add(Departure(workerid, name))

    def _add(self, event: Arrival | Departure) -> defer.Deferred[None]:
        told: defer.Deferred[None] = defer.Deferred()
        self._events.append(event)
        self._told.append(told)
        self._wake()
        return told

    def _wake(self) -> None:
        if self._events and not self._writing and self._kick is None:
            self._kick = self._clock.callLater(0, self._write)

    def _write(self) -> None:
        self._kick, self._writing = None, True
        events, self._events = self._events, []
        told, self._told = self._told, []

        def written(result: Any) -> None:
            self._writing = False
            for each in told:
                each.callback(None) if result is None else each.errback(result)
            self._wake()

        self._db.write(workers.attend, self._masterid, events).addBoth(written)
