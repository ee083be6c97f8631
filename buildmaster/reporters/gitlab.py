"""Statuses of commits at GitLab.

Source: "Commits API, set commit pipeline status" and "Projects API" of GitLab's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.base.urls import giturlparse
from buildmaster.properties import Interpolate
from buildmaster.reporters.http import REQUEST_SECONDS
from buildmaster.reporters.pushing import PushReporter, first_build, rendered_text, sources_of

log = Logger()

HOSTED_BASE_URL = "https://gitlab.com"

STATES = {
    SUCCESS: "success",
    WARNINGS: "success",
    FAILURE: "failed",
    SKIPPED: "success",
    EXCEPTION: "failed",
    RETRY: "pending",
    CANCELLED: "canceled",
}


class GitLabStatusPush(PushReporter):
    """Shows each build as a status of its commit.

    :param token: an access token with the scope ``api``; may be a secret
    :param context: the status' name; renderable, by default ``buildbot/`` and the builder
    :param baseURL: the address of a GitLab of one's own, without ``/api``
    :param verbose: whether each status is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the status' description.  By default a request is reported when it
        is made, and a build when it starts and when it has finished

    The status of a merge request's build (see the web hook) goes to the project and branch that it comes from.
    """

    name: Any = "GitLabStatusPush"
    secrets: Sequence[str] = ["token"]

    def checkConfig(  # type: ignore[override]
        self,
        token: Any,
        context: Any = None,
        baseURL: str | None = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        if baseURL is not None:
            self._check_address("baseURL", baseURL)
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        token: Any,
        context: Any = None,
        baseURL: str | None = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self.context = context or Interpolate("buildbot/%(prop:buildername)s")
        self.verbose = verbose
        self.project_ids: dict[str, int] = {}
        token = await maybe(self.renderSecrets, token)
        await self._open(baseURL or HOSTED_BASE_URL, None, {"PRIVATE-TOKEN": str(token)}, debug, verify)

    def createStatus(
        self,
        project_id: int,
        branch: str | None,
        sha: str,
        state: str,
        target_url: str | None = None,
        description: str | None = None,
        context: str | None = None,
    ) -> Any:
        """Push one status; a Deferred of the answer."""
        body = {"state": state, "ref": branch, "description": description, "target_url": target_url, "name": context}
        given = {name: value for name, value in body.items() if value is not None}
        return self._send(f"/api/v4/projects/{project_id}/statuses/{sha}", given)

    @deferred
    async def getProjectId(self, sourcestamp: Mapping[str, Any]) -> int | None:
        """GitLab's number of a source stamp's repository; None if it is none of GitLab's."""
        parsed = giturlparse(sourcestamp["repository"] or "")
        if parsed is None:
            return None
        name = f"{parsed.owner}/{parsed.repo}"
        if name not in self.project_ids:
            response = await self._http.get(f"/api/v4/projects/{quote(name, safe='')}", timeout=REQUEST_SECONDS)
            if not await self._taken(response, f"asking for the project {name}"):
                return None
            self.project_ids[name] = (await response.json())["id"]
        return self.project_ids[name]

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's status, for each source of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        context, state = await rendered_text(props, self.context), state_of(build)
        for stamp, sha in sources_of(build):
            project_id = props.getProperty("source_project_id") or await maybe(self.getProjectId, stamp)
            if project_id is None:
                log.info("reporter {name!r}: {stamp} is not at GitLab", name=self.name, stamp=stamp["repository"])
                continue
            branch = props.getProperty("source_branch") or re.sub(r"\Arefs/heads/", "", stamp["branch"] or "") or None
            response = await maybe(
                self.createStatus,
                project_id=project_id,
                branch=branch,
                sha=sha,
                state=state,
                target_url=build["url"],
                description=report["body"],
                context=context,
            )
            if not await self._is_so_already(response):
                await self._taken(response, f"{state} for project {project_id} at {sha}, context {context!r},")

    async def _is_so_already(self, response: Any) -> bool:
        """Whether GitLab says that the status is this one: then it was sent before, by a master that was killed."""
        return response.code == 400 and b"Cannot transition status" in await response.content()


def state_of(build: Mapping[str, Any]) -> str:
    """GitLab's word for the state of a build."""
    if build["complete"]:
        return STATES.get(build["results"], "failed")
    return "running" if build.get("started_at") else "pending"
