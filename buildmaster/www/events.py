"""One client's subscriptions: which events it wants, how far it has got, and what happens when it is slow.

Nothing is buffered for a client that does not read: its feed stops, and when it reads again the journal gives it what
came meanwhile, or tells it that this is no longer kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.mq.connector import Gap

log = Logger()

Filter = tuple["str | None", ...]
Send = Callable[[int, tuple[str, ...], Any], None]

#: more filters than this on one connection are refused
MAX_FILTERS = 200


class TooManyFilters(Exception):
    """A client asked for more filters than one connection may have."""


def parse_filter(path: str) -> Filter:
    """The filter that a path such as ``builds/*/finished`` stands for."""
    return tuple(None if word == "*" else word for word in path.strip("/").split("/"))


class Feed:
    """Events of one client, in order, each at most once.

    ``send(position, key, body)`` hands one over; ``gap(after)`` is called when events after that position are no
    longer kept, after which the feed goes on with the newest.
    """

    def __init__(self, mq: Any, send: Send, gap: Callable[[int], None]) -> None:
        self.filters: list[Filter] = []
        self.position = 0
        self._mq = mq
        self._send = send
        self._gap = gap
        self._qref: Any = None
        self._paused = False
        self._behind = False
        self._closed = False

    async def start(self, filters: list[Filter], after: int | None = None) -> None:
        """Begin, behind the position ``after`` if it is given, else with what comes from now on."""
        self.filters.extend(filters)
        head = self._mq.journal.head
        self.position = head if after is None else min(after, head)
        if after is not None and after > head:  # of a database that was put back to an earlier state
            self._gap(after)
        await self._subscribe()

    def add(self, filter: Filter) -> None:
        """Want these events too, from now on."""
        if len(self.filters) >= MAX_FILTERS:
            raise TooManyFilters(f"one connection may have {MAX_FILTERS} filters")
        self.filters.append(filter)
        self._share()

    def remove(self, filter: Filter) -> bool:
        """No longer want these events; False if they were not wanted."""
        if filter not in self.filters:
            return False
        self.filters.remove(filter)
        self._share()
        return True

    def pause(self) -> None:
        """The client does not read: drop what comes, remember where that was."""
        self._paused = True

    def resume(self) -> None:
        """The client reads again."""
        self._paused = False
        if self._behind and not self._closed:
            self._behind = False
            done = defer.Deferred.fromCoroutine(self._catch_up())
            done.addErrback(lambda failure: log.failure("a client could not catch up with the events", failure))

    async def close(self) -> None:
        """The client is gone."""
        self._closed = True
        await self._drop()

    def _share(self) -> None:
        if self._qref is not None:
            self._qref.filters[:] = self.filters

    async def _subscribe(self) -> None:
        try:
            qref = await self._mq.subscribe(self.filters, self._event, after=self.position)
        except Gap:
            missed, self.position = self.position, self._mq.journal.head
            self._gap(missed)
            qref = await self._mq.subscribe(self.filters, self._event, after=self.position)
        self._qref = qref
        self._share()
        if self._closed:
            await self._drop()

    async def _catch_up(self) -> None:
        await self._drop()
        await self._subscribe()

    async def _drop(self) -> None:
        qref, self._qref = self._qref, None
        if qref is not None:
            await qref.stopConsuming()

    def _event(self, position: int, key: tuple[str, ...], body: Any) -> None:
        if self._paused or self._behind:
            self._behind = True
        elif position > self.position and not self._closed:
            self.position = position
            self._send(position, key, body)
