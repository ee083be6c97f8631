"""Votes of several continuous integrations on one change at Gerrit, by its plug-in *verify-status*.

Source: the plug-in's documentation, "REST API" (``POST …/verify-status~verifications``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.properties import Interpolate, Properties
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator
from buildmaster.reporters.pushing import PushReporter, first_build, rendered_text

log = Logger()


class GerritVerifyStatusPush(PushReporter):
    """Shows each build as a verification of the patch set that it is of.

    :param baseURL: the address of Gerrit
    :param auth: a pair (user, HTTP password); may be a secret
    :param verification_name: the verification's name; renderable, by default the builder
    :param abstain: whether the value does not count as a vote; renderable
    :param category: the verification's category; renderable
    :param reporter: who has verified; renderable, by default ``buildbot``
    :param verbose: whether each verification is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the comment.  By default a build is reported when it starts and
        when it has finished

    Change and patch set are those of :class:`~buildmaster.changes.gerritchangesource.GerritChangeSource`, or those of
    the property ``gerrit_changes``, a list of dictionaries with ``change_id`` and ``revision_id``.
    """

    name: Any = "GerritVerifyStatusPush"
    secrets: Sequence[str] = ["auth"]

    RESULTS_TABLE: ClassVar[dict[int, int]] = {
        SUCCESS: 1,
        WARNINGS: 1,
        FAILURE: -1,
        SKIPPED: 0,
        EXCEPTION: 0,
        RETRY: 0,
        CANCELLED: 0,
    }
    DEFAULT_RESULT = -1

    def checkConfig(  # type: ignore[override]
        self,
        baseURL: str,
        auth: Any,
        verification_name: Any = None,
        abstain: Any = False,
        category: Any = None,
        reporter: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        self._check_address("baseURL", baseURL)
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        baseURL: str,
        auth: Any,
        verification_name: Any = None,
        abstain: Any = False,
        category: Any = None,
        reporter: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self._verification_name = verification_name or Interpolate("%(prop:buildername)s")
        self._reporter = reporter or "buildbot"
        self._abstain, self._category, self.verbose = abstain, category, verbose
        auth = await maybe(self.renderSecrets, auth)
        await self._open(baseURL, None if auth is None else tuple(auth), None, debug, verify)

    def _create_default_generators(self) -> list[Any]:
        return [BuildStartEndStatusGenerator()]

    def createStatus(
        self,
        change_id: Any,
        revision_id: Any,
        name: str | None,
        value: int,
        abstain: bool | None = None,
        rerun: bool | None = None,
        comment: str | None = None,
        url: str | None = None,
        reporter: str | None = None,
        category: str | None = None,
        duration: str | None = None,
    ) -> Any:
        """Push one verification; a Deferred of the answer.  ``value`` is 1, 0 or -1."""
        body = {
            "name": name,
            "value": value,
            "abstain": abstain,
            "rerun": rerun,
            "comment": comment,
            "url": url,
            "reporter": reporter,
            "category": category,
            "duration": duration,
        }
        change, revision = quote(str(change_id), safe="~"), quote(str(revision_id), safe="")
        path = f"/a/changes/{change}/revisions/{revision}/verify-status~verifications"
        return self._send(path, {key: given for key, given in body.items() if given is not None})

    def formatDuration(self, duration: timedelta) -> str:
        """A duration in words: ``1h 1m 40s``."""
        hours, seconds = divmod(duration.seconds, 3600)
        text = f"{hours}h " if hours or duration.days else ""
        if duration.days:
            text = f"{duration.days} day{'s' if duration.days > 1 else ''} {text}"
        return f"{text}{seconds // 60}m {seconds % 60}s"

    @staticmethod
    def getGerritChanges(props: Properties) -> list[Mapping[str, Any]]:
        """The patch sets that a build is of: dictionaries of ``change_id`` and ``revision_id``."""
        changes = props.getProperty("gerrit_changes")
        if changes:
            return list(changes)
        change, revision = props.getProperty("event.change.number"), props.getProperty("event.patchSet.number")
        if change is None or revision is None:
            return []
        return [{"change_id": change, "revision_id": revision}]

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's verification to each patch set of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        value, duration = 0, "pending"
        if build["complete"]:
            value = self.RESULTS_TABLE.get(build["results"], self.DEFAULT_RESULT)
            duration = self.formatDuration(build["complete_at"] - build["started_at"])
        name = await rendered_text(props, self._verification_name)
        said = {
            "name": name,
            "value": value,
            "abstain": bool(await maybe(props.render, self._abstain)),
            "comment": report["body"],
            "url": build["url"],
            "reporter": await rendered_text(props, self._reporter),
            "category": await rendered_text(props, self._category),
            "duration": duration,
        }
        for change in self.getGerritChanges(props):
            ids = {"change_id": change["change_id"], "revision_id": change["revision_id"]}
            response = await maybe(self.createStatus, **ids, **said)
            await self._taken(response, f"verification {name!r} of change {ids['change_id']}")
