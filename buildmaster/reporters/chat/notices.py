"""What a bot tells by itself goes through an outbox, so that a lost connection or a restart loses none of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.records import Fact
from buildmaster.mq.failing import TryLater
from buildmaster.mq.outbox import Outbox

KEYS = [
    ("builds", None, "new"),
    ("builds", None, "finished"),
    ("workers", None, "missing"),
    ("workers", None, "connected"),
]

NOTICE_AGE = 600.0
"""Seconds after which an event is no news in a chat any more."""


class Notices:
    """Tells a bot of builds and workers; ``find_bot()`` gives the bot that is connected now, or None."""

    def __init__(self, service: Any, find_bot: Callable[[], Any]) -> None:
        self._service = service
        self._find_bot = find_bot
        self._outbox = Outbox(service.master, service.name, KEYS, self._make, self._send, NOTICE_AGE)

    async def start(self) -> None:
        """Begin with what has not been told."""
        await self._outbox.start()

    async def stop(self) -> None:
        """Cease; the place is kept."""
        await self._outbox.stop()

    def hurry(self) -> None:
        """The bot is there now."""
        self._outbox.hurry()

    async def _make(self, keys: Sequence[tuple[str, ...]], fact: Fact) -> list[dict[str, Any]]:
        bot = self._find_bot()
        if bot is not None and not bot.channels:
            return []
        body = (await self._service.master.data.bodies([fact]))[0]
        return [{"key": keys[0], "body": body}]

    async def _send(self, reports: list[dict[str, Any]]) -> None:
        bot = self._find_bot()
        if bot is None:
            raise TryLater("the bot is not connected", unreachable=True)
        for report in reports:
            await bot.tell(report["key"], report["body"])
