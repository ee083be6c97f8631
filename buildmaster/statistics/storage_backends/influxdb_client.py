"""InfluxDB, and whatever else takes its line protocol at ``/write``: VictoriaMetrics, QuestDB, Telegraf …

Written with our own HTTP client: the package ``influxdb`` is not maintained any more, and that of InfluxDB 2 does not
speak to version 1.  The address ``/write`` is there in all versions.
Source: https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from twisted.internet import threads
from twisted.logger import Logger

from buildmaster.base.aio import DeadlineExceeded, as_deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.strings import shorten
from buildmaster.mq.failing import TryLater
from buildmaster.net.httpclient import HTTPSession
from buildmaster.statistics.collecting import Value
from buildmaster.statistics.storage_backends import line_protocol
from buildmaster.statistics.storage_backends.base import StatsStorageBase

log = Logger()

REQUEST_SECONDS = 30.0
"""How long the server may take to begin its answer."""

MENDED_THERE = frozenset({401, 403, 404})
"""Answers that somebody changes at the server: a password, a right, a database that is to be created."""

NOT_NOW = frozenset({408, 409, 423, 425, 429})


class InfluxStorageService(StatsStorageBase):
    """Keeps values in a database of an InfluxDB server.

    :param url: the server's host name, or an address that begins with ``http://`` or ``https://``
    :param port: its port
    :param user: a user of the database; may be a renderable (a secret).  Of InfluxDB 2 and 3 any name
    :param password: the password; may be a renderable (a secret).  Of InfluxDB 2 and 3 a token
    :param db: the database, which must be there already.  Of InfluxDB 2 and 3 the name of a mapped bucket
    :param captures: what is kept: a list of captures
    :param name: tells it from other storages of the same service

    A series is a measurement; builder and build number are tags.  A point has the time of its event, so one that is
    sent twice is kept once.  While the server is away, refuses the password or has no such database, values wait.
    """

    live_attrs: ClassVar[frozenset[str]] = StatsStorageBase.live_attrs | {"_http"}
    session_class = HTTPSession
    _http: HTTPSession | None = None

    def __init__(
        self,
        url: str,
        port: int,
        user: Any,
        password: Any,
        db: str,
        captures: Sequence[Any],
        name: str = "InfluxStorageService",
    ) -> None:
        self.url, self.port, self.user, self.password, self.db = url, port, user, password, db
        self.captures = captures
        self.name = name
        self._check()

    def _check(self) -> None:
        for what in ("user", "password"):
            value = getattr(self, what)
            if value is not None and not isinstance(value, str) and not IRenderable.providedBy(value):
                error(f"InfluxStorageService: {what} must be text or a secret, not {value!r}")
        if not isinstance(self.url, str) or not self.url:
            error(f"InfluxStorageService: url must be a host name, not {self.url!r}")
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            error(f"InfluxStorageService: port must be a number from 1 to 65535, not {self.port!r}")
        if not isinstance(self.db, str) or not self.db:
            error(f"InfluxStorageService: db must be the name of a database, not {self.db!r}")

    @property
    def address(self) -> str:
        """Where the server is asked."""
        host = self.url if self.url.startswith(("http://", "https://")) else f"http://{self.url}"
        return f"{host.rstrip('/')}:{self.port}"

    async def start(self, service: Any) -> None:
        """Begin to talk to the server."""
        await super().start(service)
        user, password = await service.renderSecrets(self.user, self.password)
        auth = (user or "", password or "") if user or password else None
        self._http = self.session_class(service, self.address, auth)

    async def stop(self) -> None:
        """Close the connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()
        await super().stop()

    async def post_values(self, notice: str, values: Sequence[Value]) -> None:
        """Write the values of one event by one request."""
        lines = []
        for value in values:
            try:
                lines.append(line_protocol.line(value))
            except ValueError as e:
                log.error(
                    "storage {name}: {series} is left out: {why}", name=self.name, series=value.series_name, why=e
                )
        if lines:
            await self._write("\n".join(lines))

    def thd_postStatsValue(
        self, post_data: Mapping[str, Any], series_name: str, context: Mapping[str, Any] | None = None
    ) -> None:
        """Write one value, with the present time.  May be called in any thread but the reactor's."""
        reactor = self._service.master.reactor
        value = Value(post_data, series_name, context, round(reactor.seconds() * 1e9))
        written = line_protocol.line(value)
        threads.blockingCallFromThread(reactor, lambda: as_deferred(self._write(written)))

    async def _write(self, lines: str) -> None:
        assert self._http is not None, "start() comes first"
        what = f"storage {self.name}: POST {self.address}/write"
        try:
            answer = await self._http.post(
                "/write", params={"db": self.db}, data=lines.encode("utf-8"), timeout=REQUEST_SECONDS
            )
            said = (await answer.content()).decode("utf-8", "replace")
        except DeadlineExceeded as e:
            raise TryLater(f"{what}: {e}", unreachable=True) from e
        if 200 <= answer.code < 300:
            return
        said = shorten(" ".join(said.split()), 500)
        if answer.code >= 500 or answer.code in NOT_NOW or answer.code in MENDED_THERE:
            raise TryLater(f"{what} was answered with {answer.code}: {said}", unreachable=True)
        log.error("{what} was refused with {code}: {said}", what=what, code=answer.code, said=said)
