"""Reading Gerrit's log of events, by its plug-in *events-log*, from where the last reading ended.

Source: the plug-in's documentation, ``GET /plugins/events-log/events/?t1=YYYY-MM-DD HH:MM:SS``: a JSON object a line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from twisted.logger import Logger

from buildmaster.changes.gerrit_events import event_of_line
from buildmaster.changes.reporting import Reporter
from buildmaster.net.httpclient import Requests

log = Logger()

DAY = 24 * 3600.0
REQUEST_SECONDS = 60.0
OVERLAP = 1.0
"""Seconds that are read again: an event may be written to the log a little later than it happened."""


class EventLogError(Exception):
    """Gerrit did not answer as it should."""


class EventLog:
    """The log of one Gerrit; ``name`` is that of the source that reads it, and under which its place is stored."""

    def __init__(self, master: Any, name: str, base_url: str, auth: Any, debug: bool) -> None:
        self._master = master
        self._reporter = Reporter(master, name, "GerritEventLog")
        pair = None if auth is None else (str(auth[0]), str(auth[1]))
        self._requests = Requests(master.reactor, base_url.rstrip("/"), pair, None, None, None, debug, at_once=2)

    async def read(self, take: Callable[[dict[str, Any]], Awaitable[Any]], lookback: float) -> None:
        """Give ``take`` each event since the last one that was read; at first those of ``lookback`` seconds."""
        now = self._master.reactor.seconds()
        last = await self._reporter.state("last_event_ts")
        since = now - lookback if last is None else last - OVERLAP
        body = await self.ask("/plugins/events-log/events/", t1=_shown(since))
        newest = now if last is None and not body.strip() else last or since
        for line in body.decode("utf-8", "replace").splitlines():
            event = event_of_line(line)
            if event is None:
                continue
            await take(event)
            newest = max(newest, float(event.get("eventCreatedOn") or newest))
        if newest != last:
            await self._reporter.report([], {"last_event_ts": newest})

    async def ask(self, path: str, **params: str) -> bytes:
        """What Gerrit answers; raises EventLogError."""
        try:
            response = await self._requests.request("GET", path, params=params or None, timeout=REQUEST_SECONDS)
            body: bytes = await response.content()
        except Exception as e:
            raise EventLogError(f"no answer from Gerrit: {e or type(e).__name__}") from e
        if response.code == 404:
            raise EventLogError(
                f"{path} is not there (404): is the plug-in events-log installed, and /a in the address?"
            )
        if response.code != 200:
            raise EventLogError(f"{path} was answered with {response.code}: is auth= right?")
        return body

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
