"""Reports as JSON, posted to a web server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.strings import shorten
from buildmaster.base.urls import stripUrlPassword
from buildmaster.mq.failing import TryLater
from buildmaster.net.httpclient import HTTPSession
from buildmaster.reporters.base import ReporterBase
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.message import MessageFormatterFunction
from buildmaster.reporters.older import OF_POSTS, posting_generators

log = Logger()

REQUEST_SECONDS = 60.0
"""How long a receiver may take to begin its answer."""

NOT_NOW = frozenset({408, 409, 423, 425, 429})
"""Answers of a client's fault that may be others a moment later; those from 500 on are too."""


async def accepted(response: Any, what: str) -> bool:
    """Whether a server has taken what was sent; a refusal is logged with what the server says.

    ``what`` names reporter and request in words.  Raises :class:`~buildmaster.mq.failing.TryLater` for an
    answer that may be another one later (429, 5xx …).
    """
    code = response.code
    if 200 <= code < 300:
        await response.content()  # so that the connection can be used again
        return True
    said = shorten(" ".join((await response.content()).decode("utf-8", "replace").split()), 500)
    if code >= 500 or code in NOT_NOW:
        raise TryLater(f"{what} was answered with {code}: {said}")
    log.error("{what} was refused with {code}: {said}", what=what, code=code, said=said)
    return False


class SessionReporter(ReporterBase):
    """A reporter with one session of HTTP, which ends with it."""

    session_class = HTTPSession
    _http: HTTPSession | None = None

    async def open_session(self, *args: Any, **kwargs: Any) -> None:
        """Use a new session, with these arguments of :class:`~buildmaster.net.httpclient.HTTPSession`, from now on."""
        session = self.session_class(self, *args, **kwargs)
        before, self._http = self._http, session  # a report that is on its way keeps the one that it began with
        if before is not None:
            await before.close()

    @deferred
    async def stopService(self) -> None:
        """Stop, and close the connections."""
        await super().stopService()
        http, self._http = self._http, None
        if http is not None:
            await http.close()


class HttpStatusPush(SessionReporter):
    """Posts each report's body as JSON; by default the build, when it starts and when it has passed or failed.

    :param serverUrl: the address to which is posted
    :param auth: a pair (user, password) or a renderable (a secret) of one
    :param headers: more headers, by name
    :param debug: whether requests are logged
    :param verify: False to believe any certificate, or the path of a file with authorities
    :param cert: a client certificate: a path, or a pair of paths (certificate, key)
    :param skip_encoding: for compatibility: the body is the same bytes with and without it
    :param generators: report generators; the body that their formatter makes is posted, anything that JSON can express

    Instead of ``generators`` there may be the arguments of older Buildbots: ``format_fn``, a function that makes the
    body of a build (None: nothing is posted), ``builders``, a list of names, and ``wantProperties``, ``wantSteps`` and
    ``wantLogs``, which say what the build that it gets holds.

    A request has the header ``Idempotency-Key``, the same for the same report, by which a receiver can tell one that is
    sent again (after a crash, say).  An answer that is no success is logged; after 408, 409, 423, 425, 429 and those
    from 500 on the report is sent again later.
    """

    name: Any = "HttpStatusPush"
    secrets: Sequence[str] = ["auth"]

    def checkConfig(  # type: ignore[override]
        self,
        serverUrl: str,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        debug: bool | None = None,
        verify: Any = None,
        cert: Any = None,
        skip_encoding: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        kind = type(self).__name__
        if not isinstance(serverUrl, str) or not serverUrl.startswith(("http://", "https://")):
            error(f"{kind}: serverUrl must be an address that begins with http:// or https://, not {serverUrl!r}")
        if headers is not None and not isinstance(headers, Mapping):
            error(f"{kind}: headers must be a dictionary, not {headers!r}")
        pair = isinstance(auth, tuple | list) and len(auth) == 2
        if auth is not None and not pair and not IRenderable.providedBy(auth):
            error(f"{kind}: auth must be a pair (user, password)")
        super().checkConfig(generators=self._generators(generators, kwargs), **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        serverUrl: str,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        debug: bool | None = None,
        verify: Any = None,
        cert: Any = None,
        skip_encoding: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Post to this address from now on."""
        self.debug = debug
        self.verify = verify
        self.cert = cert
        await super().reconfigService(generators=self._generators(generators, kwargs), **kwargs)
        self.serverUrl = serverUrl
        await self.open_session(serverUrl, auth, headers, verify, cert, bool(debug), skip_encoding)

    def _generators(self, generators: Any, others: dict[str, Any]) -> Any:
        """The generators to use; what is older is taken out of the other arguments."""
        older = {name: others.pop(name) for name in OF_POSTS if name in others}
        kind = type(self).__name__
        if older and generators is not None:
            error(f"{kind}: {', '.join(older)} can't be used together with generators; give them to a generator")
        elif older:
            return posting_generators(kind, older)
        return self._create_default_generators() if generators is None else generators

    def _create_default_generators(self) -> list[Any]:
        formatter = MessageFormatterFunction(lambda context: context["build"], "json")
        return [BuildStatusGenerator(report_new=True, message_formatter=formatter)]

    def is_status_2xx(self, code: int) -> bool:
        """Whether a status of HTTP means success."""
        return code // 100 == 2

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Post the body of each report."""
        assert self._http is not None
        for number, report in enumerate(reports):
            if report["body"] is None:
                continue
            key = report.get("notice", "") + (f"/{number}" if number else "")
            response = await self._http.post(
                "", json=report["body"], headers={"Idempotency-Key": key} if key else None, timeout=REQUEST_SECONDS
            )
            await accepted(response, f"reporter {self.name!r}: POST {stripUrlPassword(self.serverUrl)}")
