"""Reports to phones and desktops by Pushover (https://pushover.net/api)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS, WARNINGS
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.http import REQUEST_SECONDS, SessionReporter, accepted
from buildmaster.reporters.message import MessageFormatter
from buildmaster.reporters.utils import merge_reports_prop, merge_reports_prop_take_first

log = Logger()

OTHER_PARAMETERS = frozenset({"device", "sound", "timestamp", "url", "url_title", "retry", "expire", "html", "ttl"})
"""Parameters of Pushover's interface that may be given as ``otherParams``."""

LEVELS = {CANCELLED: "cancelled", EXCEPTION: "exception", FAILURE: "failing", SUCCESS: "passing", WARNINGS: "warnings"}
"""The names that results have in ``priorities`` and ``levels``."""

BUILD_TEMPLATE = (
    'A <a href="{{ build_url | e }}">{{ status_detected }}</a> of <i>{{ buildername | e }}</i>, {{ projects | e }}, '
    "on {{ workername | e }}."
)


def short_generators() -> list[Any]:
    """A generator whose texts fit on a phone."""
    return [
        BuildStatusGenerator(message_formatter=MessageFormatter(template_type="html", template=BUILD_TEMPLATE)),
    ]


def level_of(reports: Sequence[Mapping[str, Any]]) -> str:
    """What the reports are about: ``failing``, ``passing`` …, ``worker_missing``, or nothing that has a level."""
    if merge_reports_prop_take_first(reports, "worker") is not None:
        return "worker_missing"
    return LEVELS.get(reports[0]["results"], "")


def check_levels(kind: str, name: str, levels: Any, least: int, most: int) -> None:
    """Report what is wrong with a table of levels."""
    known = [*LEVELS.values(), "worker_missing"]
    if levels is None:
        return
    if not isinstance(levels, Mapping):
        error(f"{kind}: {name} must be a dictionary, not {levels!r}")
        return
    for key, value in levels.items():
        if key not in known:
            error(f"{kind}: {name}: there is no {key!r}; there are {', '.join(known)}")
        if not isinstance(value, int) or not least <= value <= most:
            error(f"{kind}: {name} of {key!r} must be a number from {least} to {most}, not {value!r}")


class PushoverNotifier(SessionReporter):
    """Sends reports to a user or group of Pushover.

    :param user_key: the user's or group's key; may be a secret
    :param api_token: the application's token; may be a secret
    :param priorities: Pushover's priority (-2 to 2) by result: ``cancelled``, ``exception``, ``failing``, ``passing``,
        ``warnings`` and ``worker_missing``
    :param otherParams: further parameters of Pushover's interface: ``device``, ``sound``, ``url`` … (those of
        priority 2 need ``retry`` and ``expire``)
    :param generators: report generators, by default for finished builds
    """

    secrets: Sequence[str] = ["user_key", "api_token"]
    base_url = "https://api.pushover.net"

    def checkConfig(  # type: ignore[override]
        self,
        user_key: Any,
        api_token: Any,
        priorities: Mapping[str, int] | None = None,
        otherParams: Mapping[str, Any] | None = None,
        generators: Any = None,
    ) -> None:
        """Check the arguments and report mistakes."""
        kind = type(self).__name__
        super().checkConfig(generators=self._create_default_generators() if generators is None else generators)
        check_levels(kind, "priorities", priorities, -2, 2)
        unknown = sorted(set(otherParams or ()) - OTHER_PARAMETERS)
        if unknown:
            known = ", ".join(sorted(OTHER_PARAMETERS))
            error(f"{kind}: otherParams has unknown parameters: {', '.join(unknown)}; there are {known}")
        if 2 in (priorities or {}).values() and not {"retry", "expire"} <= set(otherParams or ()):
            error(f"{kind}: priority 2 needs 'retry' and 'expire' (seconds) in otherParams")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        user_key: str,
        api_token: str,
        priorities: Mapping[str, int] | None = None,
        otherParams: Mapping[str, Any] | None = None,
        generators: Any = None,
    ) -> None:
        """Send like this from now on."""
        generators = self._create_default_generators() if generators is None else generators
        await super().reconfigService(generators=generators)
        self.user_key = user_key
        self.api_token = api_token
        self.priorities = priorities or {}
        self.otherParams = otherParams or {}
        await self.open_session(self.base_url)

    def _create_default_generators(self) -> list[Any]:
        return short_generators()

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Send one message for all reports on an event."""
        message: dict[str, Any] = {
            "message": merge_reports_prop(reports, "body"),
            "title": merge_reports_prop_take_first(reports, "subject"),
        }
        if merge_reports_prop_take_first(reports, "type") == "html":
            message["html"] = "1"
        level = level_of(reports)
        if level in self.priorities:
            message["priority"] = self.priorities[level]
        await self.sendNotification(message)

    @deferred
    async def sendNotification(self, params: Mapping[str, Any]) -> None:
        """Send a message with these parameters of Pushover's interface."""
        assert self._http is not None
        given = {**params, "user": self.user_key, "token": self.api_token, **self.otherParams}
        form = {name: str(value) for name, value in given.items() if value is not None}
        response = await self._http.post("/1/messages.json", data=form, timeout=REQUEST_SECONDS)
        await accepted(response, f"reporter {self.name!r}: the message to Pushover")
