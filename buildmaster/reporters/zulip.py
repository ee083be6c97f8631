"""Reports to a Zulip server, by its integration for Buildbot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.times import datetime2epoch
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator
from buildmaster.reporters.http import REQUEST_SECONDS, SessionReporter, accepted


class ZulipStatusPush(SessionReporter):
    """Tells a Zulip server of builds, when they start and when they have finished.

    :param endpoint: the server's address
    :param token: the key of the integration; may be a secret
    :param stream: the stream; None leaves it to the integration
    :param debug: whether requests are logged
    :param verify: False to believe any certificate, or the path of a file with authorities
    :param generators: report generators, by default for starts and ends of builds
    """

    name: Any = "ZulipStatusPush"
    secrets: Sequence[str] = ["token"]

    def checkConfig(  # type: ignore[override]
        self,
        endpoint: str,
        token: Any,
        stream: str | None = None,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
    ) -> None:
        """Check the arguments and report mistakes."""
        if not isinstance(endpoint, str) or not endpoint.startswith(("http://", "https://")):
            error(
                f"ZulipStatusPush: endpoint must be an address that begins with http:// or https://, not {endpoint!r}"
            )
        if stream is not None and not isinstance(stream, str):
            error(f"ZulipStatusPush: stream must be the name of a stream, not {stream!r}")
        super().checkConfig(generators=self._create_default_generators() if generators is None else generators)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        endpoint: str,
        token: str,
        stream: str | None = None,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
    ) -> None:
        """Tell this server from now on."""
        self.debug = debug
        self.verify = verify
        generators = self._create_default_generators() if generators is None else generators
        await super().reconfigService(generators=generators)
        self.token = token
        self.stream = stream
        await self.open_session(endpoint, verify=verify, debug=bool(debug))

    def _create_default_generators(self) -> list[Any]:
        return [BuildStartEndStatusGenerator()]

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Tell of the first report's build."""
        assert self._http is not None
        build = reports[0]["builds"][0]
        finished = build["complete"]
        stamps = build["buildset"]["sourcestamps"]
        told = {
            "event": "finished" if finished else "new",
            "buildid": build["buildid"],
            "buildername": build["builder"]["name"],
            "url": build["url"],
            "project": stamps[0]["project"] if stamps else "",
            "timestamp": datetime2epoch(build["complete_at"] if finished else build["started_at"]),
        }
        if finished:
            told["results"] = build["results"]
        asked = {"api_key": self.token, **({"stream": self.stream} if self.stream is not None else {})}
        response = await self._http.post("/api/v1/external/buildbot", params=asked, json=told, timeout=REQUEST_SECONDS)
        await accepted(response, f"reporter {self.name!r}: the message to Zulip")
