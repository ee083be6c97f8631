"""Changes from the pull requests of a repository at GitHub, looked at from time to time.

Source: "Pull requests" of GitHub's REST API documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.pullrequest import PullRequestMixin
from buildmaster.changes import base
from buildmaster.changes.reporting import Reporter
from buildmaster.net.github_api import HOSTED_BASE_URL, ApiError, GitHubApi, file_names, pull_request_comments

__all__ = ["HOSTED_BASE_URL", "GitHubPullrequestPoller", "PullRequestMixin", "link_urls"]

log = Logger()

link_urls = {"https": "clone_url", "svn": "svn_url", "git": "git_url", "ssh": "ssh_url"}

REQUEST_SECONDS = 60.0


class GitHubPullrequestPoller(base.ReconfigurablePollingChangeSource, PullRequestMixin):
    """Reports new and updated pull requests of ``owner``/``repo``.

    :param branches: only pull requests to these branches; None: to any
    :param category: the changes' category, or a function of a change
    :param project: the changes' project, by default the repository's full name
    :param baseURL: the address of the API, of a GitHub of one's own ``https://HOST/api/v3``
    :param pullrequest_filter: a function of the pull request, as GitHub tells of it; what it says no to is passed over
    :param token: an access token; may be a secret
    :param magic_link: whether the merge of the pull request is to be built (``refs/pull/N/merge`` of the repository),
        not the branch of the repository that it comes from
    :param repository_type: how the repository is named: ``https``, ``ssh``, ``git`` or ``svn``
    :param github_property_whitelist: patterns of names such as ``github.head.*`` that become properties

    Changes and what was seen are stored together: each revision of a pull request is reported once.
    """

    compare_attrs: Sequence[str] = (
        "owner",
        "repo",
        "token",
        "branches",
        "pollInterval",
        "category",
        "project",
        "pollAtLaunch",
        "name",
    )
    secrets = ("token",)
    db_class_name = "GitHubPullrequestPoller"
    property_basename = "github"

    def __init__(self, owner: str, repo: str, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = f"GitHubPullrequestPoller:{owner}/{repo}"
        super().__init__(owner, repo, **kwargs)
        self._api: GitHubApi | None = None

    def checkConfig(  # type: ignore[override]
        self,
        owner: str,
        repo: str,
        branches: Sequence[str] | None = None,
        category: Any = "pull",
        project: str | None = None,
        baseURL: str | None = None,
        pullrequest_filter: bool | Callable[[Any], Any] = True,
        token: Any = None,
        magic_link: bool = False,
        repository_type: str = "https",
        github_property_whitelist: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if repository_type not in link_urls:
            known = ", ".join(link_urls)
            error(f"GitHubPullrequestPoller: repository_type must be one of {known}, not {repository_type!r}")
        if not isinstance(pullrequest_filter, bool) and not callable(pullrequest_filter):
            error(f"GitHubPullrequestPoller: pullrequest_filter must be a function, not {pullrequest_filter!r}")
        if isinstance(branches, str):
            error(f"GitHubPullrequestPoller: branches must be a list, [{branches!r}]")
        super().checkConfig(**kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        owner: str,
        repo: str,
        branches: Sequence[str] | None = None,
        category: Any = "pull",
        project: str | None = None,
        baseURL: str | None = None,
        pullrequest_filter: bool | Callable[[Any], Any] = True,
        token: Any = None,
        magic_link: bool = False,
        repository_type: str = "https",
        github_property_whitelist: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        await maybe(super().reconfigService, **kwargs)
        self.owner, self.repo, self.branches = owner, repo, branches
        self.category, self.project, self.token = category, project, token
        self.magic_link, self.repository_type = magic_link, link_urls[repository_type]
        self.pullrequest_filter = pullrequest_filter
        self.external_property_whitelist = list(github_property_whitelist or [])
        self._reporter = Reporter(self.master, self.name, self.db_class_name)
        await self._close()
        self._api = GitHubApi(self.master.reactor, baseURL or HOSTED_BASE_URL, token)

    @deferred
    async def stopService(self) -> None:
        """Stop, and close the connections."""
        await super().stopService()
        await self._close()

    async def _close(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    def describe(self) -> str:
        """What this is, for people."""
        return f"GitHubPullrequestPoller watching the GitHub repository {self.owner}/{self.repo}"

    # -- a look --------------------------------------------------------------------------------------------------------

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new.  Raises ApiError; the next look then starts from the same place."""
        await maybe(self._processChanges, await maybe(self._getPulls))

    def _failed(self, failure: Failure) -> None:
        if failure.check(ApiError):
            words = "{source}: {why}; it looks again in {seconds:g} s"
            log.error(words, source=self.describe(), why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    @deferred
    async def _processChanges(self, github_result: list[dict[str, Any]]) -> None:
        for pull in github_result:
            number, revision = pull["number"], pull["head"]["sha"]
            if self.branches is not None and pull["base"]["ref"] not in self.branches:
                continue
            if not await self._is_wanted(pull) or await maybe(self._getCurrentRev, number) == revision:
                continue
            change = await self._change_of(number, revision)
            await self._reporter.report([change], {_state_name(number): revision})

    async def _is_wanted(self, pull: Mapping[str, Any]) -> bool:
        wanted = self.pullrequest_filter
        return bool(await maybe(wanted, pull)) if callable(wanted) else wanted

    async def _change_of(self, number: int, revision: str) -> dict[str, Any]:
        pull = await maybe(self._getPullInformation, number)
        people = await self._ask_all(f"pulls/{number}/commits")
        here, there = pull["base"]["repo"], pull["head"]["repo"] or pull["base"]["repo"]  # a fork may be gone
        link = pull["html_url"]
        return {
            "author": _person(people, "author") or pull["user"]["login"],
            "committer": _person(people, "committer"),
            "revision": revision,
            "revlink": link,
            "comments": pull_request_comments(number, pull),
            "when_timestamp": datetime.fromisoformat(pull["updated_at"]).timestamp(),
            "branch": f"refs/pull/{number}/merge" if self.magic_link else pull["head"]["ref"],
            "category": self.category,
            "project": here["full_name"] if self.project is None else self.project,
            "repository": (here if self.magic_link else there)[self.repository_type],
            "files": await maybe(self._getFiles, number),
            "properties": {"pullrequesturl": link, **self.extractProperties(pull)},
            "src": "git",
        }

    # -- what GitHub tells ---------------------------------------------------------------------------------------------

    async def _ask_all(self, path: str, **params: Any) -> list[Any]:
        assert self._api is not None
        return await self._api.get_all(f"/repos/{self.owner}/{self.repo}/{path}", REQUEST_SECONDS, **params)

    @deferred
    async def _getPulls(self) -> list[dict[str, Any]]:
        """All open pull requests, those first that have not changed for long."""
        return await self._ask_all("pulls", state="open", sort="updated", direction="asc")

    @deferred
    async def _getPullInformation(self, pull_number: int) -> dict[str, Any]:
        """All that GitHub says of a pull request."""
        assert self._api is not None
        found: dict[str, Any] = await self._api.get(
            f"/repos/{self.owner}/{self.repo}/pulls/{pull_number}", REQUEST_SECONDS
        )
        return found

    @deferred
    async def _getFiles(self, prnumber: int) -> list[str]:
        """The files that a pull request touches."""
        return file_names(await self._ask_all(f"pulls/{prnumber}/files"))

    # -- what was seen -------------------------------------------------------------------------------------------------

    @deferred
    async def _getCurrentRev(self, prnumber: int) -> str | None:
        """The revision of a pull request that was reported last."""
        return await self._reporter.state(_state_name(prnumber))


def _state_name(number: int) -> str:
    return f"pull_request{number}"


def _person(commits: Sequence[Any], role: str) -> str | None:
    """The author, or committer, of the first commit."""
    person = (commits[0].get("commit") or {}).get(role) if commits else None
    return f"{person['name']} <{person['email']}>" if person else None
