"""The service: starts the builds of an external queue, one at a time on each builder, and tells how they ended.

What is promised when master, database or mail server go away at any moment:

* A build of the queue is asked for exactly once.  It is marked ``starting`` before the master is asked, and the
  buildset carries its id (``external_idstring``); one that is found ``starting`` later is looked for among the
  buildsets before the master is asked again.
* The end of a build is recorded exactly once, also if it came while the service was not there.
* Its mail is sent at least once, with a Message-ID by which a repetition can be told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted.internet import defer, task
from twisted.python import log

from buildmaster import config
from buildmaster.data import resultspec
from buildmaster.data.exceptions import InvalidPathError
from buildmaster.process.results import SUCCESS, statusToString
from buildmaster.util.service import BuildbotService
from external_queue import database, listener, mail

WATCHED = (("buildsets", None, "complete"), ("builds", None, "finished"), ("workers", None, None))
"""Events after which the queue is looked at."""


class ExternalQueue(BuildbotService):
    """Builds what stands in the queue of an external database.

    ``port``: a port number of this machine or a Twisted endpoint; whoever connects makes the service look at the queue.
    ``database``: the path of the SQLite file, relative to the master's directory.  ``fromaddr`` sends the mails through
    ``relayhost``, ``smtpPort``, ``smtpUser``, ``smtpPassword`` (may be a secret), ``useTls`` (STARTTLS is then
    required) to whoever asked for the build and to ``extraRecipients``.  ``interval``: the queue is looked at every so
    many seconds too, and mails that could not be sent are tried again.
    """

    name = "external_queue"
    secrets = ["smtpPassword"]

    def checkConfig(
        self,
        port: int | str,
        database: str,
        fromaddr: str,
        relayhost: str = "localhost",
        smtpPort: int = 25,
        smtpUser: str | None = None,
        smtpPassword: Any = None,
        useTls: bool = False,
        extraRecipients: Sequence[str] = (),
        interval: float = 60,
        **kwargs: Any,
    ) -> None:
        """Report what is wrong with the arguments."""
        super().checkConfig(**kwargs)
        if isinstance(extraRecipients, str) or not all("@" in one for one in [fromaddr, *extraRecipients]):
            config.error("ExternalQueue: fromaddr and each of extraRecipients must be a mail address")
        if interval <= 0:
            config.error(f"ExternalQueue: interval={interval!r} must be a number of seconds above 0")
        if (smtpUser is None) != (smtpPassword is None):
            config.error("ExternalQueue: smtpUser and smtpPassword must be given together")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = defer.DeferredLock()  # one look at a time
        self._post = defer.DeferredLock()  # a mail server that is slow holds up no build
        self._waiting: list[defer.Deferred[str]] = []
        self._looks = False
        self._consumers: list[Any] = []
        self._database: database.BuildDatabase | None = None
        self._listening: Any = None
        self._port: int | str | None = None
        self._clock = task.LoopingCall(self._tick, again=True)
        self._again = False  # mails that could not be sent are due again

    async def reconfigService(
        self,
        port: int | str,
        database: str,
        fromaddr: str,
        relayhost: str = "localhost",
        smtpPort: int = 25,
        smtpUser: str | None = None,
        smtpPassword: str | None = None,
        useTls: bool = False,
        extraRecipients: Sequence[str] = (),
        interval: float = 60,
        **kwargs: Any,
    ) -> None:
        """Take over the arguments; a running service moves to a new port or database."""
        await super().reconfigService(**kwargs)
        self._wanted_port, self._path, self._interval = port, database, interval
        self._fromaddr, self._everybody = fromaddr, list(extraRecipients)
        self._server = {
            "host": relayhost,
            "port": smtpPort,
            "username": smtpUser,
            "password": smtpPassword,
            "requireAuthentication": smtpUser is not None,
            "requireTransportSecurity": useTls,
        }
        if self.running:
            await self._open()

    # -- starting and stopping -----------------------------------------------------------------------------------------

    def startService(self) -> defer.Deferred[None]:
        """Listen to the master's events and to the port; then see what happened meanwhile."""
        return defer.ensureDeferred(self._start())

    async def _start(self) -> None:
        await super().startService()
        for key in WATCHED:
            self._consumers.append(await self.master.mq.startConsuming(self._event, key))
        await self._open()
        self._tick(again=True)

    async def _open(self) -> None:
        if self._port != self._wanted_port:
            listening = await listener.listen(self.master.reactor, self._wanted_port, self.look)
            await self._close_port()
            self._listening, self._port = listening, self._wanted_port
        if self._database is None or self._database.path != self._file:
            await self._turn.run(self._open_database)
        if self._clock.running:
            self._clock.stop()
        self._clock.clock = self.master.reactor
        self._clock.start(self._interval, now=False)

    def _open_database(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = database.BuildDatabase(self._file, self.master.reactor)

    @property
    def _file(self) -> str:
        return os.path.join(self.master.basedir, self._path)

    async def _close_port(self) -> None:
        if self._listening is not None:
            await defer.maybeDeferred(self._listening.stopListening)
            self._listening = self._port = None

    def stopService(self) -> defer.Deferred[None]:
        """Close the port, wait for what is being written, close the database."""
        return defer.ensureDeferred(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        if self._clock.running:
            self._clock.stop()
        await self._close_port()
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            await defer.maybeDeferred(consumer.stopConsuming)
        await self._turn.run(lambda: None)
        await self._post.run(self._close_database)

    def _close_database(self) -> None:
        opened, self._database = self._database, None
        if opened is not None:
            opened.close()

    @property
    def port(self) -> int:
        """The number of the port that is listened on."""
        return self._listening.getHost().port

    # -- looking at the queue ------------------------------------------------------------------------------------------

    def _event(self, key: tuple[str, ...], body: Any) -> None:
        self._tick()

    def _tick(self, again: bool = False) -> None:
        self._again = self._again or again
        if self.running:
            self.look()

    def look(self) -> defer.Deferred[str]:
        """Look at the queue; fires with a line that says what was started or why nothing was, and never fails.

        Those who ask while it is being looked at are answered together by the next look.
        """
        answered: defer.Deferred[str] = defer.Deferred()
        self._waiting.append(answered)
        if not self._looks:
            self._looks = True
            self._turn.run(lambda: defer.ensureDeferred(self._answer())).addErrback(log.err, "external queue")
        return answered

    async def _answer(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                text = await self._look() if self._database is not None else "the master is stopping"
            except Exception:  # policy: retry at the next event, kick or tick
                log.err(None, f"{self.name}: looking at the queue")
                text = "error: see the log of the master"
            for answered in waiting:
                answered.callback(text)
        self._looks = False

    async def _look(self) -> str:
        for build in await self._run(database.under_way):
            await self._follow(build)
        told = [await self._start_if_idle(build) for build in await self._run(database.heads)]
        if not self._post.waiting:
            self._post.run(lambda: defer.ensureDeferred(self._send_mails())).addErrback(log.err, "external queue")
        return "; ".join(told) or "nothing waits"

    def _run(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        assert self._database is not None
        return self._database.run(function, *args)

    # -- starting a build ----------------------------------------------------------------------------------------------

    async def _start_if_idle(self, build: database.Row) -> str:
        builder = await self._get("builders", build["builder"])
        if builder is None or not builder["masterids"]:
            now = self.master.reactor.seconds()
            await self._run(database.finished, build["id"], "refused", None, now, None)
            return f"build {build['id']} is refused: there is no builder {build['builder']}"
        busy = await self._why_not(builder)
        if busy:
            return f"build {build['id']} waits: {busy}"
        await self._run(database.starting, build["id"])
        bsid = await self._ask(build, builder["builderid"])
        return f"build {build['id']} is started as buildset {bsid}"

    async def _why_not(self, builder: Any) -> str | None:
        """Why nothing can be started on a builder now; None if it and one of its workers are idle."""
        builderid = builder["builderid"]
        unfinished = [resultspec.Filter("complete", "eq", [False])]
        for what in ("builds", "buildrequests"):
            if await self._get("builders", builderid, what, filters=unfinished, limit=1):
                return f"builder {builder['name']} is busy"
        for worker in await self._get("builders", builderid, "workers"):
            ready = worker["connected_to"] and not worker["paused"] and not worker["graceful"]
            if ready and not await self._get("workers", worker["workerid"], "builds", filters=unfinished, limit=1):
                return None
        return f"no worker of builder {builder['name']} is idle"

    async def _ask(self, build: database.Row, builderid: int) -> int:
        stamp = {key: build[key] for key in ("repository", "branch", "revision")}
        bsid, _ = await self.master.data.updates.addBuildset(
            waited_for=False,
            scheduler=self.name,
            sourcestamps=[{"codebase": "", "project": "", **stamp}],
            reason=f"build {build['id']} of the external queue",
            properties={"external_build": (build["id"], self.name)},
            builderids=[builderid],
            external_idstring=self._idstring(build),
        )
        await self._run(database.started, build["id"], bsid)
        return bsid

    def _idstring(self, build: database.Row) -> str:
        return f"{self.name}:{build['id']}"

    async def _get(self, *path: Any, **query: Any) -> Any:
        try:
            return await self.master.data.get(path, **query)
        except InvalidPathError:
            return None

    # -- following it --------------------------------------------------------------------------------------------------

    async def _follow(self, build: database.Row) -> None:
        """See what the master made of a build that it was asked for."""
        buildset = await self._buildset(build)
        if buildset is None:
            if build["state"] == "running":
                await self._end(build, "lost", None)  # the master's database was replaced
        elif buildset["complete"]:
            await self._end(build, statusToString(buildset["results"], SUCCESS), buildset)
        elif build["state"] == "starting":
            await self._run(database.started, build["id"], buildset["bsid"])

    async def _buildset(self, build: database.Row) -> Any:
        if build["buildset"] is not None:
            return await self._get("buildsets", build["buildset"])
        named = [resultspec.Filter("external_idstring", "eq", [self._idstring(build)])]
        found = await self._get("buildsets", filters=named, order=["bsid"], limit=1)
        return found[0] if found else None

    async def _end(self, build: database.Row, state: str, buildset: Any) -> None:
        begun, ended, url = None, self.master.reactor.seconds(), None
        if buildset is not None:
            ended = _seconds(buildset["complete_at"])  # it may have ended without a build
            mine = [resultspec.Filter("buildsetid", "eq", [buildset["bsid"]])]
            for request in await self._get("buildrequests", filters=mine):
                for made in await self._get("buildrequests", request["buildrequestid"], "builds", order=["buildid"]):
                    begun, ended = _seconds(made["started_at"]), _seconds(made["complete_at"])
                    page = f"#/builders/{made['builderid']}/builds/{made['number']}"
                    url = self.master.config.buildbotURL + page
        await self._run(database.finished, build["id"], state, begun, ended, url)

    # -- telling -------------------------------------------------------------------------------------------------------

    async def _send_mails(self) -> None:
        again, self._again = self._again, False
        for build in await self._run(database.mails_due, again) if self._database is not None else ():
            to = mail.recipients(build, self._everybody)
            text = mail.message(build, self._fromaddr, to, self.name)
            try:
                if to:
                    await mail.send(text, self._fromaddr, to, self.master.reactor, **self._server)
                sent = True
            except Exception:  # policy: retry after the interval, MAIL_TRIES times
                log.err(None, f"{self.name}: the mail about build {build['id']} could not be sent")
                sent = False
            await self._run(database.mailed, build["id"], sent)


def _seconds(when: Any) -> float | None:
    """Seconds since the epoch, of a number or a datetime."""
    return when.timestamp() if hasattr(when, "timestamp") else when
