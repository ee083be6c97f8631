"""Changes from Gerrit: from its stream of events over ``ssh``, and from its log of events over HTTP.

Both sources may be used together: an event that both tell of is stored once.

Sources: "gerrit stream-events" and "gerrit query" of Gerrit's documentation, and that of the plug-in *events-log*.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.changes.gerrit_base import GerritChangeSourceBase
from buildmaster.changes.gerrit_events import event_of_line, files_of_answer, files_of_query
from buildmaster.changes.gerrit_filter import GerritChangeFilter
from buildmaster.changes.gerrit_log import DAY, EventLog
from buildmaster.changes.polling import Poller
from buildmaster.net.childprocess import run_process
from buildmaster.net.processes import SupervisedProcess
from buildmaster.net.ssh import ssh_command

__all__ = ["GerritChangeFilter", "GerritChangeSource", "GerritChangeSourceBase", "GerritEventLogPoller"]

log = Logger()

QUERY_SECONDS = 60.0


class GerritChangeSource(GerritChangeSourceBase):
    """Hears of events as they happen.

    :param gerritserver: the host
    :param username: who listens
    :param gerritport: the port of Gerrit's ssh
    :param identity_file: a private key, if it is not the usual one
    :param ssh_server_alive_interval_s: seconds between ssh's questions whether the server is there; None asks none
    :param ssh_server_alive_count_max: how many of them may remain without answer; None: as ssh is set
    :param http_url: where the plug-in *events-log* is asked for events that were missed while there was no connection:
        Gerrit's address with ``/a``; None: they are lost
    :param http_auth: a pair (user, HTTP password) for it; may be a secret
    :param http_poll_interval: seconds between these questions

    The other parameters are those of :class:`~buildmaster.changes.gerrit_base.GerritChangeSourceBase`.
    """

    compare_attrs: Sequence[str] = ("gerritserver", "gerritport")
    secrets = ("http_auth",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            values = dict(zip(("gerritserver", "username", "gerritport"), args, strict=False))
            values = {"gerritport": 29418, **values, **kwargs}
            kwargs["name"] = "GerritChangeSource:{username}@{gerritserver}:{gerritport}".format(
                **{"username": None, "gerritserver": None, **values}
            )
        self._process: SupervisedProcess | None = None
        self._poller: Poller | None = None
        self._log: EventLog | None = None
        self._lines: deque[str] = deque()
        self._working = False
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        gerritserver: str,
        username: str,
        gerritport: int = 29418,
        identity_file: str | None = None,
        ssh_server_alive_interval_s: int | None = 15,
        ssh_server_alive_count_max: int | None = 3,
        http_url: str | None = None,
        http_auth: Any = None,
        http_poll_interval: float = 30,
        **kwargs: Any,
    ) -> None:
        for what, given in (("gerritserver", gerritserver), ("username", username)):
            if not isinstance(given, str) or not given or given.startswith("-"):
                error(f"GerritChangeSource: {what} must be a name, not {given!r}")
        if kwargs.get("gitBaseURL") is None:
            kwargs["gitBaseURL"] = f"automatic at {gerritserver}"
        super().checkConfig(**kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        gerritserver: str,
        username: str,
        gerritport: int = 29418,
        identity_file: str | None = None,
        ssh_server_alive_interval_s: int | None = 15,
        ssh_server_alive_count_max: int | None = 3,
        http_url: str | None = None,
        http_auth: Any = None,
        http_poll_interval: float = 30,
        **kwargs: Any,
    ) -> None:
        running = self._process is not None
        if running:
            await self._stop()
        if kwargs.get("gitBaseURL") is None:
            kwargs["gitBaseURL"] = f"ssh://{username}@{gerritserver}:{gerritport}"
        await maybe(super().reconfigService, **kwargs)
        self.gerritserver, self.gerritport, self.username = gerritserver, gerritport, username
        self.identity_file = identity_file
        self._options: list[str] = []
        for option, value in (
            ("ServerAliveInterval", ssh_server_alive_interval_s),
            ("ServerAliveCountMax", ssh_server_alive_count_max),
        ):
            if value is not None:
                self._options += ["-o", f"{option}={value}"]
        self._http_poll_interval = http_poll_interval
        self._log = None if http_url is None else EventLog(self.master, self.name, http_url, http_auth, self.debug)
        if running:
            self._start()

    def describe(self) -> str:
        """What this is, for people."""
        state = "connected" if self._process is not None and self._process.running else "disconnected"
        return f"GerritChangeSource watching {self.username}@{self.gerritserver}:{self.gerritport} ({state})"

    # -- the connection ------------------------------------------------------------------------------------------------

    def activate(self) -> Any:
        """Begin to listen."""
        self._start()
        return defer.succeed(None)

    @deferred
    async def deactivate(self) -> None:
        """Listen no more."""
        await self._stop()

    def _command(self, *words: str) -> list[str]:
        where = (self.username, self.gerritserver, self.gerritport, self.identity_file)
        return ssh_command(*where, ["gerrit", *words], self._options)

    def _start(self) -> None:
        reactor = self.master.reactor
        self._process = SupervisedProcess(
            reactor,
            f"gerrit stream-events at {self.gerritserver}",
            self._command("stream-events"),
            env=dict(os.environ),
            on_line=self.lineReceived,
        )
        self._process.start()
        if self._log is not None:
            self._poller = Poller(reactor, self._catch_up, self._log_failed)
            self._poller.start(self._http_poll_interval, now=True)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        poller, self._poller = self._poller, None
        if process is not None:
            await process.stop()
        if poller is not None:
            await poller.stop()
        if self._log is not None:
            await self._log.close()

    # -- events --------------------------------------------------------------------------------------------------------

    def lineReceived(self, line: str | bytes) -> None:
        """A line that Gerrit, or ssh, has written."""
        self._lines.append(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
        if not self._working:
            self._working = True
            self._work()

    @deferred
    async def _work(self) -> None:
        """Take the lines one after the other, so that changes keep the order of their events."""
        try:
            while self._lines:
                line = self._lines.popleft()
                event = event_of_line(line)
                if event is None:
                    log.warn("{source}: not an event: {line}", source=self.describe(), line=line[:200])
                    continue
                try:
                    await self.take_event(event)
                except Exception:  # policy: skip this event; with http_url it is read again from the log
                    log.failure("{source}: the event {event}", source=self.describe(), event=event)
        finally:
            self._working = False

    async def _catch_up(self) -> None:
        assert self._log is not None
        await self._log.read(self.take_event, 0.0)

    def _log_failed(self, failure: Failure) -> None:
        log.warn("{source}: events-log: {why}", source=self.describe(), why=failure.getErrorMessage())

    @deferred
    async def getFiles(self, change: Any, patchset: Any) -> list[str]:
        """The files of a patch set."""
        command = self._command("query", str(change), "--format", "JSON", "--files", "--patch-sets")
        done = await run_process(self.master.reactor, command, timeout=QUERY_SECONDS)
        if done.rc != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
            log.warn("{source}: gerrit query {change}: {said}", source=self.describe(), change=change, said=said)
            return ["unknown"]
        return files_of_query(done.stdout.decode("utf-8", "replace"), patchset)


class GerritEventLogPoller(GerritChangeSourceBase):
    """Reads the log of the plug-in *events-log* from time to time; no event is missed.

    :param baseURL: Gerrit's address with ``/a``
    :param auth: a pair (user, HTTP password); may be a secret
    :param pollInterval: seconds between looks
    :param pollAtLaunch: whether it looks at the start as well
    :param firstFetchLookback: how many days the first look goes back

    The other parameters are those of :class:`~buildmaster.changes.gerrit_base.GerritChangeSourceBase`; ``gitBaseURL``
    has to be given.
    """

    POLL_INTERVAL_SEC = 30
    FIRST_FETCH_LOOKBACK_DAYS = 30

    secrets = ("auth",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = f"GerritEventLogPoller:{args[0] if args else kwargs.get('baseURL')}"
        self._poller: Poller | None = None
        self._log: EventLog | None = None
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        baseURL: str,
        auth: Any,
        pollInterval: float = POLL_INTERVAL_SEC,
        pollAtLaunch: bool = True,
        firstFetchLookback: float = FIRST_FETCH_LOOKBACK_DAYS,
        **kwargs: Any,
    ) -> None:
        if not isinstance(baseURL, str) or not baseURL.startswith(("http://", "https://")):
            error(f"GerritEventLogPoller: baseURL must be an address such as 'https://HOST/a', not {baseURL!r}")
        super().checkConfig(**kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        baseURL: str,
        auth: Any,
        pollInterval: float = POLL_INTERVAL_SEC,
        pollAtLaunch: bool = True,
        firstFetchLookback: float = FIRST_FETCH_LOOKBACK_DAYS,
        **kwargs: Any,
    ) -> None:
        running = self._poller is not None
        if running:
            await self._stop()
        await maybe(super().reconfigService, **kwargs)
        self._base_url = baseURL.rstrip("/")
        self._pollInterval, self._pollAtLaunch = pollInterval, pollAtLaunch
        self._first_fetch_lookback = firstFetchLookback
        self._log = EventLog(self.master, self.name, self._base_url, auth, self.debug)
        if running:
            self._start(now=False)

    def describe(self) -> str:
        """What this is, for people."""
        return f"GerritEventLogPoller watching {self._base_url}"

    def activate(self) -> Any:
        """Begin to look."""
        self._start(now=self._pollAtLaunch)
        return defer.succeed(None)

    @deferred
    async def deactivate(self) -> None:
        """Look no more."""
        await self._stop()

    def force(self) -> Any:
        """Look now."""
        return self._poller() if self._poller is not None else defer.succeed(None)

    def _start(self, now: bool) -> None:
        self._poller = Poller(self.master.reactor, self.poll, self._failed)
        self._poller.start(self._pollInterval, now=now)

    async def _stop(self) -> None:
        poller, self._poller = self._poller, None
        if poller is not None:
            await poller.stop()
        if self._log is not None:
            await self._log.close()

    @deferred
    async def poll(self) -> None:
        """Look once."""
        assert self._log is not None
        await self._log.read(self.take_event, self._first_fetch_lookback * DAY)

    def _failed(self, failure: Failure) -> None:
        words = "{source}: {why}; it looks again in {seconds:g} s"
        log.error(words, source=self.describe(), why=failure.getErrorMessage(), seconds=self._pollInterval)

    @deferred
    async def getFiles(self, change: Any, patchset: Any) -> list[str]:
        """The files of a patch set."""
        assert self._log is not None
        return files_of_answer(await self._log.ask(f"/changes/{change}/revisions/{patchset}/files/"))
