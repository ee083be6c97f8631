"""Changes from the pull requests of a repository at Bitbucket Cloud, looked at from time to time.

Source: "The Bitbucket Cloud REST API, Pull requests and Commits".
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
from buildmaster.net.httpclient import Requests

log = Logger()

API_URL = "https://api.bitbucket.org/2.0"
REQUEST_SECONDS = 60.0
MOST_PAGES = 50


class BitbucketError(Exception):
    """Bitbucket did not answer as it should."""


class BitbucketPullrequestPoller(base.ReconfigurablePollingChangeSource, PullRequestMixin):
    """Reports new and updated pull requests of ``owner``/``slug``.

    :param branch: only pull requests from this branch, or one of a list; None: from any
    :param useTimestamps: whether changes have the times of their pull requests, not that of the look
    :param category: the changes' category, or a function of a change
    :param project: the changes' project
    :param pullrequest_filter: a function of the pull request, as Bitbucket tells of it; what it says no to is passed
        over
    :param auth: a pair (user, app password); may be a secret
    :param bitbucket_property_whitelist: patterns of names such as ``bitbucket.id`` that become properties

    Changes and what was seen are stored together: each revision of a pull request is reported once.
    """

    compare_attrs: Sequence[str] = (
        "owner",
        "slug",
        "branch",
        "pollInterval",
        "useTimestamps",
        "category",
        "project",
        "pollAtLaunch",
    )
    secrets = ("auth",)
    db_class_name = "BitbucketPullrequestPoller"
    property_basename = "bitbucket"
    api_url = API_URL

    def __init__(self, owner: str, slug: str, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = self.build_name(owner, slug)
        super().__init__(owner, slug, **kwargs)
        self._requests: Requests | None = None

    def build_name(self, owner: str, slug: str) -> str:
        """The name of a poller that is given none."""
        return f"{owner}/{slug}"

    def checkConfig(  # type: ignore[override]
        self,
        owner: str,
        slug: str,
        branch: str | Sequence[str] | None = None,
        pollInterval: float = 10 * 60,
        useTimestamps: bool = True,
        category: Any = None,
        project: str = "",
        pullrequest_filter: bool | Callable[[Any], Any] = True,
        pollAtLaunch: bool = False,
        auth: Any = None,
        bitbucket_property_whitelist: Sequence[str] | None = None,
        name: str | None = None,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        if not isinstance(pullrequest_filter, bool) and not callable(pullrequest_filter):
            error(f"BitbucketPullrequestPoller: pullrequest_filter must be a function, not {pullrequest_filter!r}")
        super().checkConfig(
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        owner: str,
        slug: str,
        branch: str | Sequence[str] | None = None,
        pollInterval: float = 10 * 60,
        useTimestamps: bool = True,
        category: Any = None,
        project: str = "",
        pullrequest_filter: bool | Callable[[Any], Any] = True,
        pollAtLaunch: bool = False,
        auth: Any = None,
        bitbucket_property_whitelist: Sequence[str] | None = None,
        name: str | None = None,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        await maybe(
            super().reconfigService,
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )
        self.owner, self.slug = owner, slug
        self.branch = [branch] if isinstance(branch, str) else branch
        self.useTimestamps, self.category, self.project = useTimestamps, category, project
        self.pullrequest_filter = pullrequest_filter
        self.external_property_whitelist = list(bitbucket_property_whitelist or [])
        self._reporter = Reporter(self.master, self.name, self.db_class_name)
        await self._close()
        pair = None if auth is None else (str(auth[0]), str(auth[1]))
        self._requests = Requests(self.master.reactor, self.api_url, pair, None, None, None, False, at_once=4)

    @deferred
    async def stopService(self) -> None:
        """Stop, and close the connections."""
        await super().stopService()
        await self._close()

    async def _close(self) -> None:
        requests, self._requests = self._requests, None
        if requests is not None:
            await requests.close()

    def describe(self) -> str:
        """What this is, for people."""
        return f"BitbucketPullrequestPoller watching the Bitbucket repository {self.owner}/{self.slug}"

    # -- a look --------------------------------------------------------------------------------------------------------

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new; the next look starts from the same place if this one fails."""
        await maybe(self._processChanges, await maybe(self._getChanges))

    def _failed(self, failure: Failure) -> None:
        if failure.check(BitbucketError):
            words = "{source}: {why}; it looks again in {seconds:g} s"
            log.error(words, source=self.describe(), why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    @deferred
    async def _getChanges(self) -> list[dict[str, Any]]:
        """All open pull requests."""
        page: str | None = f"/repositories/{self.owner}/{self.slug}/pullrequests?state=OPEN&pagelen=50"
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            if page is None:
                break
            answer = await self._ask_bitbucket(page)
            found += answer["values"]
            page = answer.get("next")
            if page is not None and not page.startswith(self.api_url + "/"):
                raise BitbucketError(f"the next page of pull requests is said to be at {page}")
        return found

    @deferred
    async def _processChanges(self, result: Sequence[dict[str, Any]]) -> None:
        for pull in result:
            branch, short = pull["source"]["branch"]["name"], pull["source"]["commit"]["hash"]
            if self.branch is not None and branch not in self.branch:
                continue
            known = await maybe(self._getCurrentRev, pull["id"])
            if (known is not None and known.startswith(short)) or not await self._is_wanted(pull):
                continue
            revision = await self._whole_hash(pull)
            await self._reporter.report([self._change_of(pull, revision)], {_state_name(pull["id"]): revision})

    async def _is_wanted(self, pull: Mapping[str, Any]) -> bool:
        wanted = self.pullrequest_filter
        return bool(await maybe(wanted, pull)) if callable(wanted) else wanted

    def _change_of(self, pull: Mapping[str, Any], revision: str) -> dict[str, Any]:
        link = pull["links"]["html"]["href"]
        repository = (pull["source"].get("repository") or pull["destination"]["repository"])["links"]
        return {
            "author": pull["author"]["display_name"],
            "comments": f"pull-request #{pull['id']}: {pull['title']}\n{link}",
            "revision": revision,
            "when_timestamp": datetime.fromisoformat(pull["updated_on"]).timestamp() if self.useTimestamps else None,
            "branch": pull["source"]["branch"]["name"],
            "category": self.category,
            "project": self.project,
            "repository": (repository.get("html") or repository["self"])["href"],
            "revlink": link,
            "properties": {"pullrequesturl": link, **self.extractProperties(pull)},
            "src": "git",
        }

    async def _whole_hash(self, pull: Mapping[str, Any]) -> str:
        """All 40 characters of a pull request's commit, which lies in the repository that it comes from."""
        short: str = pull["source"]["commit"]["hash"]
        if len(short) >= 40:
            return short
        repository = pull["source"].get("repository") or pull["destination"]["repository"]
        answer = await self._ask_bitbucket(f"/repositories/{repository['full_name']}/commit/{short}")
        return str(answer["hash"])

    async def _ask_bitbucket(self, path: str) -> Any:
        assert self._requests is not None
        try:
            response = await self._requests.request("GET", path, timeout=REQUEST_SECONDS)
            if response.code == 200:
                return await response.json()
        except Exception as e:
            raise BitbucketError(f"{path}: no answer from Bitbucket: {e or type(e).__name__}") from e
        raise BitbucketError(f"{path}: Bitbucket answered {response.code}; is auth= right, and the repository's name?")

    # -- what was seen -------------------------------------------------------------------------------------------------

    @deferred
    async def _getCurrentRev(self, pr_id: int) -> str | None:
        """The revision of a pull request that was reported last."""
        return await self._reporter.state(_state_name(pr_id))


def _state_name(number: int) -> str:
    return f"pull_request{number}"
