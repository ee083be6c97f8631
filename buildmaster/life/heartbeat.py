"""This master's beat: it tells the others that it lives, and expires those that have fallen silent.

A write of an earlier life is refused by the database (:class:`~buildmaster.db.batch.LeaseLost`); who finds itself
replaced stops, before it starts anything more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import defer, task
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.db.batch import LeaseLost
from buildmaster.service import AsyncService

log = Logger()

BEAT_SECONDS = 60.0


class Heartbeat(AsyncService):
    """Calls ``beat`` every minute while it runs; ``replaced`` is called once, if this master's place was taken."""

    name: Any = "masterheartbeat"

    def __init__(self, clock: Any, beat: Callable[[], Awaitable[None]], replaced: Callable[[], Any]) -> None:
        self._beat = beat
        self._replaced = replaced
        self._loop = task.LoopingCall(self._once)
        self._loop.clock = clock
        self._ended: defer.Deferred[Any] = defer.succeed(None)

    def startService(self) -> None:
        """Begin to beat, a minute from now: the start itself counts as the first beat."""
        super().startService()
        self._ended = self._loop.start(BEAT_SECONDS, now=False)

    @deferred
    async def stopService(self) -> None:
        """Stop; a beat that is under way ends first."""
        await defer.maybeDeferred(super().stopService)
        if self._loop.running:
            self._loop.stop()
        await self._ended

    @deferred
    async def _once(self) -> None:
        try:
            await self._beat()
        except LeaseLost as e:
            log.critical("this master was replaced: {e}. It stops", e=e)
            self._loop.stop()
            self._replaced()
        except Exception:  # policy: skip this beat, the next one is a minute away
            log.failure("the beat failed; it will be tried again in {n:g} s", n=BEAT_SECONDS)
