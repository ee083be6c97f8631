"""Statuses of commits and comments on pull requests at GitHub.

Source: "Commit statuses" and "Issue comments" of GitHub's REST API documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.base.strings import shorten
from buildmaster.base.urls import giturlparse
from buildmaster.mq.failing import TryLater
from buildmaster.net.github_api import HOSTED_BASE_URL
from buildmaster.properties import Interpolate, Properties
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator
from buildmaster.reporters.message import MessageFormatterEmpty
from buildmaster.reporters.pushing import PushReporter, first_build, rendered_text, sources_of

log = Logger()

LONGEST_DESCRIPTION = 140
LONGEST_COMMENT = 65_536

STATES = {
    SUCCESS: "success",
    WARNINGS: "success",
    FAILURE: "failure",
    SKIPPED: "success",
    EXCEPTION: "error",
    RETRY: "pending",
    CANCELLED: "error",
}

_PULL = re.compile(r"refs/pull/(\d+)/(?:head|merge)\Z")


class GitHubStatusPush(PushReporter):
    """Shows each build as a status of its commit.

    :param token: an access token; may be a renderable or a secret
    :param context: what tells statuses of one commit apart; renderable, by default ``buildbot/`` and the builder
    :param baseURL: the address of the API, of a GitHub of one's own ``https://HOST/api/v3``
    :param verbose: whether each status is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the status' description, at most 140 characters of it.  By default
        a request is reported when it is made, and a build when it starts and when it has finished

    Owner and repository are taken from the source stamp's project, if it is of the form ``owner/repository``, else from
    its repository.
    """

    name: Any = "GitHubStatusPush"

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
        self.token, self.verbose = token, verbose
        self.context = self.setup_context(context)
        await self._open(baseURL or HOSTED_BASE_URL, debug=debug, verify=verify)

    def setup_context(self, context: Any) -> Any:
        """The context to use for the one that was given."""
        return context or Interpolate("buildbot/%(prop:buildername)s")

    @deferred
    async def _get_auth_header(self, props: Properties) -> dict[str, str]:
        """The header that says who we are."""
        return {"Authorization": f"token {await maybe(props.render, self.token)}"}

    def createStatus(
        self,
        repo_user: str,
        repo_name: str,
        sha: str,
        state: str,
        props: Properties,
        target_url: str | None = None,
        context: str | None = None,
        issue: str | None = None,
        description: str | None = None,
    ) -> Any:
        """Push one status; a Deferred of the answer, or of None if there is nothing to push.

        ``state`` is ``pending``, ``success``, ``failure`` or ``error``, ``issue`` the number of the pull request if
        there is one.  Subclasses may send something else.
        """
        body: dict[str, str] = {"state": state}
        if description is not None:
            body["description"] = shorten(description, LONGEST_DESCRIPTION)
        if target_url is not None:
            body["target_url"] = target_url
        if context is not None:
            body["context"] = context
        return self._send(f"/repos/{repo_user}/{repo_name}/statuses/{sha}", body, props)

    @deferred
    async def _send(  # type: ignore[override]
        self, path: str, body: dict[str, str], props: Properties
    ) -> Any:
        """The same, with the header that says who we are."""
        return await self._post(path, body, headers=await maybe(self._get_auth_header, props))

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's status, for each source of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        context = await rendered_text(props, self.context)
        state = STATES.get(build["results"], "error") if build["complete"] else "pending"
        for stamp, sha in sources_of(build):
            user, repo = self._extract_github_info(stamp)
            if user is None or repo is None:
                log.info("reporter {name!r}: {stamp} is not at GitHub", name=self.name, stamp=stamp["repository"])
                continue
            response = await maybe(
                self.createStatus,
                repo_user=user,
                repo_name=repo,
                sha=sha,
                state=state,
                props=props,
                target_url=build["url"],
                context=context,
                issue=await self._issue_of(stamp, props),
                description=report["body"],
            )
            if response is not None:
                what = f"{state} for {user}/{repo} at {sha}, context {context!r},"
                await self._check_rate(response, what)
                await self._taken(response, what)

    async def _check_rate(self, response: Any, what: str) -> None:
        """Too many requests are answered with 403 as well as with 429."""
        if response.code == 403 and b"rate limit" in await response.content():
            raise TryLater(f"{what} was too much for GitHub's rate limit")

    def _extract_issue(self, props: Properties) -> str | None:
        """The number of the pull request that a build is of, from its branch."""
        found = _PULL.match(str(props.getProperty("branch") or ""))
        return found.group(1) if found else None

    async def _issue_of(self, stamp: Mapping[str, Any], props: Properties) -> str | None:
        issue = await maybe(self._extract_issue, props)
        if issue is None:
            found = _PULL.match(stamp["branch"] or "")
            issue = found.group(1) if found else None
        return issue

    def _extract_github_info(self, sourcestamp: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Owner and repository of a source stamp, or two Nones."""
        project = sourcestamp["project"] or ""
        if re.fullmatch(r"[\w.-]+/[\w.-]+", project):
            owner, _, name = project.partition("/")
            return owner, name
        parsed = giturlparse(sourcestamp["repository"] or "")
        return (parsed.owner, parsed.repo) if parsed is not None else (None, None)


class GitHubCommentPush(GitHubStatusPush):
    """Comments on the pull request that a build is of, by default when it has finished.

    The parameters are those of :class:`GitHubStatusPush`; the report's text is the comment.  Builds of other branches
    than ``refs/pull/NUMBER/…`` are passed over.
    """

    name: Any = "GitHubCommentPush"

    def setup_context(self, context: Any) -> Any:
        """Comments have none unless it is given."""
        return context or ""

    def _create_default_generators(self) -> list[Any]:
        return [BuildStartEndStatusGenerator(start_formatter=MessageFormatterEmpty())]

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Comment with the first report's text, if there is one."""
        if reports[0]["body"] is not None:
            await super().sendMessage(reports)

    def createStatus(
        self,
        repo_user: str,
        repo_name: str,
        sha: str,
        state: str,
        props: Properties,
        target_url: str | None = None,
        context: str | None = None,
        issue: str | None = None,
        description: str | None = None,
    ) -> Any:
        """Write one comment; a Deferred of the answer, or of None if the build is not of a pull request."""
        if issue is None:
            log.info("reporter {name!r}: {sha} is not of a pull request", name=self.name, sha=sha)
            return defer.succeed(None)
        body = {"body": shorten(description or "", LONGEST_COMMENT)}
        return self._send(f"/repos/{repo_user}/{repo_name}/issues/{issue}/comments", body, props)
