"""Statuses of commits and comments on pull requests at Bitbucket Server and Data Center.

Source: "Bitbucket Data Center REST API": *build-status 1.0*, *builds and deployments*, *pull requests, comments*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import SUCCESS
from buildmaster.base.urls import giturlparse
from buildmaster.properties import Interpolate, Properties
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator, BuildStatusGenerator
from buildmaster.reporters.pushing import PushReporter, first_build, rendered_text, sources_of

log = Logger()

INPROGRESS = "INPROGRESS"
SUCCESSFUL = "SUCCESSFUL"
FAILED = "FAILED"
STATUS_API_URL = "/rest/build-status/1.0/commits/{sha}"
STATUS_CORE_API_URL = "/rest/api/1.0/projects/{proj_key}/repos/{repo_slug}/commits/{sha}/builds"
COMMENT_API_URL = "/rest/api/1.0{path}/comments"

_PAGE = re.compile(r"/(projects|users)/([^/]+)/repos/([^/]+)")
_TESTS = {"failed": "tests_failed", "skipped": "tests_skipped", "successful": "tests_successful"}


def state_of(build: Mapping[str, Any]) -> str:
    """Bitbucket's word for the state of a build."""
    if not build["complete"]:
        return INPROGRESS
    return SUCCESSFUL if build["results"] == SUCCESS else FAILED


class _Login(PushReporter):
    """With user and password."""

    secrets: Sequence[str] = ["user", "password"]

    async def _log_in(self, base_url: str, user: Any, password: Any, debug: bool | None, verify: Any) -> None:
        user, password = await maybe(self.renderSecrets, user, password)
        self._base_path = urlsplit(base_url).path.rstrip("/")
        await self._open(base_url, (str(user), str(password)), None, debug, verify)


class BitbucketServerStatusPush(_Login):
    """Shows each build as a status of its commit.

    :param base_url: the address of the server
    :param user: who posts; may be a secret
    :param password: his password; may be a secret
    :param key: what tells statuses of one commit apart; renderable, by default the builder
    :param statusName: the status' name; renderable, by default Bitbucket shows the key
    :param verbose: whether each status is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the status' description.  By default a build is reported when it
        starts and when it has finished
    """

    name: Any = "BitbucketServerStatusPush"

    def checkConfig(  # type: ignore[override]
        self,
        base_url: str,
        user: Any,
        password: Any,
        key: Any = None,
        statusName: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        self._check_address("base_url", base_url)
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        base_url: str,
        user: Any,
        password: Any,
        key: Any = None,
        statusName: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self.key = key or Interpolate("%(prop:buildername)s")
        self.context, self.verbose = statusName, verbose
        await self._log_in(base_url, user, password, debug, verify)

    def _create_default_generators(self) -> list[Any]:
        return [BuildStartEndStatusGenerator()]

    def createStatus(
        self,
        sha: str,
        state: str,
        url: str,
        key: str | None,
        description: str | None = None,
        context: str | None = None,
    ) -> Any:
        """Push one status; a Deferred of the answer."""
        body = {"state": state, "url": url, "key": key}
        if description:
            body["description"] = description
        if context:
            body["name"] = context
        return self._send(STATUS_API_URL.format(sha=sha), body)

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's status, for each source of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        key, context = await rendered_text(props, self.key), await rendered_text(props, self.context)
        for _, sha in sources_of(build):
            state = state_of(build)
            response = await maybe(
                self.createStatus,
                sha=sha,
                state=state,
                url=build["url"],
                key=key,
                description=report["body"],
                context=context,
            )
            await self._taken(response, f"{state} for {sha}, key {key!r},")


class BitbucketServerCoreAPIStatusPush(PushReporter):
    """Shows each build as a status of its commit, with its reference, duration, parent and tests (Bitbucket 7.4 on).

    :param base_url: the address of the server
    :param token: a personal access token; may be a secret
    :param auth: instead of it a pair (user, password); may be a secret
    :param statusName: the status' name; renderable, by default builder and number, those of the parent build before it
    :param statusSuffix: appended to the name; renderable
    :param key: what tells statuses of one commit apart; renderable, by default the builder
    :param parentName: renderable, by default the parent build's builder, or the builder
    :param buildNumber: renderable, by default the build's number
    :param ref: the reference that was built; renderable, by default the branch, after ``refs/heads/``
    :param duration: milliseconds; renderable, by default those of a finished build
    :param testResults: a dictionary of ``failed``, ``skipped`` and ``successful``; renderable, by default made of the
        properties ``tests_failed``, ``tests_skipped`` and ``tests_successful`` if there is one of them
    :param verbose: whether each status is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the status' description.  By default a request is reported when it
        is made, and a build when it starts and when it has finished
    """

    name: Any = "BitbucketServerCoreAPIStatusPush"
    secrets: Sequence[str] = ["token", "auth"]

    def checkConfig(  # type: ignore[override]
        self,
        base_url: str,
        token: Any = None,
        auth: Any = None,
        statusName: Any = None,
        statusSuffix: Any = None,
        key: Any = None,
        parentName: Any = None,
        buildNumber: Any = None,
        ref: Any = None,
        duration: Any = None,
        testResults: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        kind = type(self).__name__
        self._check_address("base_url", base_url)
        if token is None and auth is None:
            error(f"{kind}: either token or auth is needed")
        if token is not None and auth is not None:
            error(f"{kind}: give token or auth, not both")
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        base_url: str,
        token: Any = None,
        auth: Any = None,
        statusName: Any = None,
        statusSuffix: Any = None,
        key: Any = None,
        parentName: Any = None,
        buildNumber: Any = None,
        ref: Any = None,
        duration: Any = None,
        testResults: Any = None,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self.status_name, self.status_suffix, self.key = statusName, statusSuffix, key
        self.parent_name, self.build_number, self.ref = parentName, buildNumber, ref
        self.duration, self.test_results, self.verbose = duration, testResults, verbose
        token, auth = await maybe(self.renderSecrets, token, auth)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else None
        await self._open(base_url, None if auth is None else tuple(auth), headers, debug, verify)

    def createStatus(
        self,
        proj_key: str,
        repo_slug: str,
        sha: str,
        state: str,
        url: str,
        key: str | None,
        parent: str | None,
        build_number: str | None,
        ref: str | None,
        description: str | None,
        name: str | None,
        duration: int | None,
        test_results: Mapping[str, int] | None,
    ) -> Any:
        """Push one status; a Deferred of the answer."""
        body = {
            "state": state,
            "url": url,
            "key": key,
            "parent": parent,
            "ref": ref,
            "buildNumber": build_number,
            "description": description,
            "name": name,
            "duration": duration,
            "testResults": test_results,
        }
        return self._send(STATUS_CORE_API_URL.format(proj_key=proj_key, repo_slug=repo_slug, sha=sha), body)

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's status, for each source of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        said = await self._said_of(build, props)
        for stamp, sha in sources_of(build):
            project, slug = project_and_slug(stamp["repository"])
            if project is None or slug is None:
                log.info("reporter {name!r}: {stamp} is not at Bitbucket", name=self.name, stamp=stamp["repository"])
                continue
            ref = await rendered_text(props, self.ref) if self.ref is not None else full_ref(stamp["branch"])
            response = await maybe(
                self.createStatus,
                proj_key=project,
                repo_slug=slug,
                sha=sha,
                state=state_of(build),
                url=build["url"],
                ref=ref,
                description=report["body"],
                **said,
            )
            await self._taken(response, f"{state_of(build)} for {project}/{slug} at {sha}")

    async def _said_of(self, build: Mapping[str, Any], props: Properties) -> dict[str, Any]:
        """What is said of a build, whatever its sources."""
        builder, number = build["builder"]["name"], build.get("number")
        parent, parentbuilder = build.get("parentbuild"), build.get("parentbuilder")
        shown = f"{builder} #{number}" if number is not None else f"{builder} #(build request)"
        parent_name = builder
        if parent and parentbuilder:
            parent_name = parentbuilder["name"]
            shown = f"{parent_name} #{parent['number']} >> {shown}"
        suffix = await rendered_text(props, self.status_suffix) or ""
        return {
            "key": await self._or(props, self.key, builder),
            "parent": await self._or(props, self.parent_name, parent_name),
            "build_number": await self._or(props, self.build_number, "" if number is None else str(number)),
            "name": (await self._or(props, self.status_name, shown) or "") + suffix,
            "duration": await self._duration_of(build, props),
            "test_results": await self._tests_of(props),
        }

    @staticmethod
    async def _or(props: Properties, given: Any, usual: str) -> str | None:
        return usual if given is None else await rendered_text(props, given)

    async def _duration_of(self, build: Mapping[str, Any], props: Properties) -> int | None:
        if self.duration is not None:
            duration: int | None = await maybe(props.render, self.duration)
            return duration
        if not build["complete"] or not build.get("started_at") or not build.get("complete_at"):
            return None
        return int((build["complete_at"] - build["started_at"]).total_seconds() * 1000)

    async def _tests_of(self, props: Properties) -> Any:
        if self.test_results is not None:
            return await maybe(props.render, self.test_results)
        found = {name: props.getProperty(source) for name, source in _TESTS.items()}
        if all(count is None for count in found.values()):
            return None
        return {name: count or 0 for name, count in found.items()}


class BitbucketServerPRCommentPush(_Login):
    """Comments on the pull requests that a build is of: the property ``pullrequesturl``, which the web hook sets.

    :param base_url: the address of the server
    :param user: who comments; may be a secret
    :param password: his password; may be a secret
    :param verbose: whether each comment is logged
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param generators: report generators; the text is the comment.  By default builds that have finished are reported
    """

    name: Any = "BitbucketServerPRCommentPush"

    def checkConfig(  # type: ignore[override]
        self,
        base_url: str,
        user: Any,
        password: Any,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        self._check_address("base_url", base_url)
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        base_url: str,
        user: Any,
        password: Any,
        verbose: bool = False,
        debug: bool | None = None,
        verify: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self.verbose = verbose
        await self._log_in(base_url, user, password, debug, verify)

    def _create_default_generators(self) -> list[Any]:
        return [BuildStatusGenerator()]

    @deferred
    async def sendComment(self, pr_url: str, text: str) -> Any:
        """Comment on the pull request at this address; the answer."""
        path = urlsplit(pr_url).path.removeprefix(self._base_path).rstrip("/")
        return await self._post(COMMENT_API_URL.format(path=path), {"text": text})

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Comment with the first report's text on each pull request of its builds."""
        report = reports[0]
        if report["body"] is None:
            return
        found = [self._properties(build).getProperty("pullrequesturl") for build in report["builds"]]
        for address in dict.fromkeys(url for url in found if url):
            response = await maybe(self.sendComment, address, report["body"])
            await self._taken(response, f"a comment on {address}")


def full_ref(branch: str | None) -> str | None:
    """A branch as a reference."""
    return branch if not branch or branch.startswith("refs/") else f"refs/heads/{branch}"


def project_and_slug(repository: str) -> tuple[str | None, str | None]:
    """Key of the project and short name of a repository, by its page or by how it is cloned; or two Nones."""
    page = _PAGE.search(repository or "")
    if page is not None:
        kind, key, slug = page.groups()
        return ("~" if kind == "users" else "") + key, slug
    parsed = giturlparse(repository or "")
    return (parsed.owner.rpartition("/")[2], parsed.repo) if parsed is not None else (None, None)
