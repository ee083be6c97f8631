"""Reports to phones and desktops by a Pushjet server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.reporters.http import REQUEST_SECONDS, SessionReporter, accepted
from buildmaster.reporters.pushover import check_levels, level_of, short_generators
from buildmaster.reporters.utils import merge_reports_prop, merge_reports_prop_take_first


class PushjetNotifier(SessionReporter):
    """Sends reports to the subscribers of a Pushjet service.

    :param secret: the service's secret; may be a secret of the master
    :param levels: Pushjet's level (0 to 5) by result: ``cancelled``, ``exception``, ``failing``, ``passing``,
        ``warnings`` and ``worker_missing``
    :param base_url: the server
    :param generators: report generators, by default for finished builds
    """

    secrets: Sequence[str] = ["secret"]

    def checkConfig(  # type: ignore[override]
        self,
        secret: Any,
        levels: Mapping[str, int] | None = None,
        base_url: str = "https://api.pushjet.io",
        generators: Any = None,
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig(generators=self._create_default_generators() if generators is None else generators)
        check_levels(type(self).__name__, "levels", levels, 0, 5)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        secret: str,
        levels: Mapping[str, int] | None = None,
        base_url: str = "https://api.pushjet.io",
        generators: Any = None,
    ) -> None:
        """Send like this from now on."""
        generators = self._create_default_generators() if generators is None else generators
        await super().reconfigService(generators=generators)
        self.secret = secret
        self.levels = levels or {}
        await self.open_session(base_url)

    def _create_default_generators(self) -> list[Any]:
        return short_generators()

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Send one message for all reports on an event."""
        message: dict[str, Any] = {
            "message": merge_reports_prop(reports, "body"),
            "title": merge_reports_prop_take_first(reports, "subject"),
        }
        level = level_of(reports)
        if level in self.levels:
            message["level"] = self.levels[level]
        await self.sendNotification(message)

    @deferred
    async def sendNotification(self, params: Mapping[str, Any]) -> None:
        """Send a message with these parameters of Pushjet's interface."""
        assert self._http is not None
        form = {name: str(value) for name, value in {**params, "secret": self.secret}.items() if value is not None}
        response = await self._http.post("/message", data=form, timeout=REQUEST_SECONDS)
        await accepted(response, f"reporter {self.name!r}: the message to Pushjet")
