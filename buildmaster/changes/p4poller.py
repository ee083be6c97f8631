"""Changes from a Perforce server that is looked at from time to time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.changes import base
from buildmaster.changes.reporting import Reporter
from buildmaster.net import p4
from buildmaster.net.childprocess import run_process

log = Logger()

SILENT_LIMIT = 1200.0
"""Seconds without output after which a p4 command is given up."""


class P4PollerError(Exception):
    """A p4 command failed; the text says which and why."""


def get_simple_split(branchfile: str) -> tuple[str, str] | None:
    """A ``split_file`` for depots in which the first directory is the branch."""
    branch, slash, file = branchfile.partition("/")
    return (branch, file) if slash else None


def no_branches(branchfile: str) -> tuple[None, str]:
    """The default ``split_file``: everything is on the default branch."""
    return (None, branchfile)


def no_link(branch: str | None, revision: str) -> str:
    """The default ``revlink``: none."""
    return ""


def as_it_is(who: str) -> str:
    """The default ``resolvewho``: ``user@client``."""
    return who


class P4Source(base.ReconfigurablePollingChangeSource):
    """Reports the submitted changes below ``p4base``, a depot path.

    ``split_file(path)``, with the path below ``p4base``, returns (branch, file) or None for what is of no interest; a
    submitted change becomes one for each branch.

    ``p4port``, ``p4user`` and ``p4passwd`` (which may be a secret) are for the server; with ``use_tickets`` the
    password is used to log in, every ``ticket_login_interval`` seconds.  ``p4bin`` is the program; ``pollInterval`` is
    in seconds; ``histmax`` is how many changes are looked at in one look, at most; ``encoding`` is that of p4's
    output; ``project`` is that of the changes; ``server_tz`` is the name of the server's time zone, UTC without it;
    ``revlink(branch, revision)`` gives a link, ``resolvewho(user@client)`` the author.
    """

    compare_attrs = (
        "p4port",
        "p4user",
        "p4passwd",
        "p4base",
        "p4bin",
        "pollInterval",
        "pollAtLaunch",
        "server_tz",
        "pollRandomDelayMin",
        "pollRandomDelayMax",
        "encoding",
        "project",
        "histmax",
        "use_tickets",
        "ticket_login_interval",
    )
    secrets = ("p4user", "p4passwd")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            port = args[0] if args else kwargs.get("p4port")
            kwargs["name"] = f"P4Source:{port}:{kwargs.get('p4base', '//')}"
        super().__init__(*args, **kwargs)
        self.last_change: int | None = None
        self._ticket_until = 0.0

    def checkConfig(  # type: ignore[override]
        self,
        p4port: str | None = None,
        p4user: Any = None,
        p4passwd: Any = None,
        p4base: str = "//",
        p4bin: str = "p4",
        split_file: Callable[[str], Any] = no_branches,
        pollInterval: float = 60 * 10,
        histmax: int | None = None,
        encoding: str = "utf8",
        project: str | None = None,
        name: str | None = None,
        use_tickets: bool = False,
        ticket_login_interval: float = 60 * 60 * 24,
        server_tz: str | None = None,
        pollAtLaunch: bool = False,
        revlink: Callable[[str | None, str], str] = no_link,
        resolvewho: Callable[[str], str] = as_it_is,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        for what, value in (("split_file", split_file), ("revlink", revlink), ("resolvewho", resolvewho)):
            if not callable(value):
                error(f"P4Source: you need to provide a valid callable for {what}, not {value!r}")
        if use_tickets and not p4passwd:
            error("P4Source: you need to provide a P4 password to use ticket authentication")
        if not p4base.startswith("//"):
            error(f"P4Source: p4base must be a depot path, which begins with //, not {p4base!r}")
        try:
            _zone(server_tz)
        except (ZoneInfoNotFoundError, ValueError):
            error(f"P4Source: failed to get timezone from server_tz string {server_tz!r}")
        super().checkConfig(
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        p4port: str | None = None,
        p4user: Any = None,
        p4passwd: Any = None,
        p4base: str = "//",
        p4bin: str = "p4",
        split_file: Callable[[str], Any] = no_branches,
        pollInterval: float = 60 * 10,
        histmax: int | None = None,
        encoding: str = "utf8",
        project: str | None = None,
        name: str | None = None,
        use_tickets: bool = False,
        ticket_login_interval: float = 60 * 60 * 24,
        server_tz: str | None = None,
        pollAtLaunch: bool = False,
        revlink: Callable[[str | None, str], str] = no_link,
        resolvewho: Callable[[str], str] = as_it_is,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        self.p4port, self.p4user, self.p4passwd = p4port, p4user, p4passwd
        self.p4base, self.p4bin = p4base.rstrip("/") if p4base != "//" else p4base, p4bin
        self.split_file, self.revlink_callable, self.resolvewho_callable = split_file, revlink, resolvewho
        self.histmax, self.encoding, self.project = histmax, encoding, project or ""
        self.use_tickets, self.ticket_login_interval = use_tickets, ticket_login_interval
        self.server_tz = _zone(server_tz)
        self.last_change = None
        self._ticket_until = 0.0
        self._reporter = Reporter(self.master, self.name, "P4Source")
        await maybe(
            super().reconfigService,
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )

    def describe(self) -> str:
        """What this is, for people."""
        return f"p4source {self.p4port} {self.p4base}"

    # -- a look

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new.  Raises P4PollerError; the next look then starts from the same place."""
        if self.use_tickets and self.master.reactor.seconds() >= self._ticket_until:
            await self._p4("login", stdin=f"{self.p4passwd}\n".encode())
            self._ticket_until = self.master.reactor.seconds() + self.ticket_login_interval
        before = await self._last_seen()
        if before is None:
            newest = p4.parse_changes(await self._p4("changes", "-s", "submitted", "-m", "1", self._everything))
            await self._store([], max(newest, default=0))
            return
        most = ["-m", str(self.histmax)] if self.histmax else []
        listed = await self._p4("changes", "-s", "submitted", *most, f"{self._everything}@{before + 1},#head")
        for number in p4.parse_changes(listed):
            await self._store(await self._changes(number), number)

    def _failed(self, failure: Failure) -> None:
        if failure.check(P4PollerError):
            words = "P4 poll failed on {me}: {why}; it looks again in {seconds:g} s"
            log.error(words, me=self.describe(), why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    @property
    def _everything(self) -> str:
        return f"{self.p4base.rstrip('/')}/..." if self.p4base != "//" else "//..."

    async def _changes(self, number: int) -> list[dict[str, Any]]:
        """What a submitted change is for each branch that it touches, as the arguments of ``addChange``."""
        try:
            found = p4.parse_description(await self._p4("describe", "-s", str(number)))
        except ValueError as e:
            raise P4PollerError(str(e)) from e
        author = await maybe(self.resolvewho_callable, found.who)
        changes = []
        for branch, files in self._by_branch(found.files).items():
            revision = str(number)
            changes.append(
                {
                    "author": author,
                    "committer": None,
                    "files": files,
                    "comments": found.comments,
                    "revision": revision,
                    "when_timestamp": self._epoch(found.when),
                    "branch": branch,
                    "project": self.project,
                    "revlink": await maybe(self.revlink_callable, branch, revision) or "",
                    "repository": "",
                    "src": "p4",
                }
            )
        return changes

    def _by_branch(self, paths: Sequence[str]) -> dict[str | None, list[str]]:
        prefix = self.p4base if self.p4base == "//" else f"{self.p4base}/"
        found: dict[str | None, list[str]] = {}
        for path in paths:
            split = self.split_file(path[len(prefix) :]) if path.startswith(prefix) else None
            if split and split[1]:
                found.setdefault(split[0], []).append(split[1])
        return found

    def _epoch(self, when: str) -> float:
        """A time by the server's clock, in epoch seconds."""
        return datetime.strptime(when, "%Y/%m/%d %H:%M:%S").replace(tzinfo=self.server_tz).timestamp()

    async def _store(self, changes: Sequence[Mapping[str, Any]], last: int) -> None:
        await self._reporter.report(changes, {"last_change": last, "place": self._place})
        self.last_change = last

    @property
    def _place(self) -> str:
        return f"{self.p4port} {self.p4base}"

    async def _last_seen(self) -> int | None:
        if self.last_change is None and await self._reporter.state("place") == self._place:
            self.last_change = await self._reporter.state("last_change")
        return self.last_change

    # -- p4

    async def _p4(self, *args: str, stdin: bytes | None = None) -> str:
        """What a command prints.  The password is given by the environment, which only this user can see."""
        argv = [self.p4bin]
        if self.p4port:
            argv += ["-p", self.p4port]
        if self.p4user:
            argv += ["-u", self.p4user]
        env = dict(os.environ)
        if self.p4passwd and not self.use_tickets:
            env["P4PASSWD"] = str(self.p4passwd)
        try:
            done = await run_process(self.master.reactor, [*argv, *args], env, stdin=stdin, io_timeout=SILENT_LIMIT)
        except FileNotFoundError as e:
            raise P4PollerError(f"cannot run {e.filename}: {e.strerror}; install p4, or point p4bin= to it") from e
        if done.rc != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise P4PollerError(f"p4 {args[0]} failed with exit code {done.rc}: {said}")
        try:
            return done.stdout.decode(self.encoding)
        except UnicodeDecodeError:
            log.warn("{me}: p4's output is not {enc}; set encoding=", me=self.describe(), enc=self.encoding)
            return done.stdout.decode(self.encoding, "replace")


def _zone(name: str | None) -> tzinfo:
    return UTC if name is None else ZoneInfo(name)
