"""The dialect ``github``: pushes, tags and pull requests.

Source of the payloads: "Webhook events and payloads" and "Validating webhook deliveries" of GitHub's documentation.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import DeadlineExceeded, deferred, maybe, with_deadline
from buildmaster.base.pullrequest import PullRequestMixin
from buildmaster.net.github_api import (
    HOSTED_BASE_URL,
    REPOSITORY,
    ApiError,
    GitHubApi,
    file_names,
    pull_request_comments,
)
from buildmaster.www.hooks.base import BaseHookHandler
from buildmaster.www.hooks.reading import (
    Refused,
    argument,
    body,
    check_signature,
    header,
    json_payload,
    pick,
    pick_list,
)
from buildmaster.www.hooks.values import person, rendered, seconds_of

log = Logger()

DEFAULT_GITHUB_API_URL = HOSTED_BASE_URL
DEFAULT_SKIPS_PATTERN = [r"\[ *skip *ci *\]", r"\[ *ci *skip *\]"]

LOOKUP_DEADLINE = 4.0
"""Seconds that one question to GitHub's API may take: GitHub itself waits ten seconds for the answer to its hook."""

MOST_COMMITS_AS_PROPERTY = 50
"""Commits of a push up to which each of its changes may have all of them as the property ``github.commits``."""

_EVENT = re.compile(r"[a-z0-9_]+\Z")
_BUILT_ACTIONS = ("opened", "reopened", "synchronize")
_BRANCH, _TAG = "refs/heads/", "refs/tags/"

Changes = tuple[list[dict[str, Any]], str]


class GitHubEventHandler(PullRequestMixin):
    """Makes changes of what GitHub posts; a subclass with a method ``handle_EVENT(payload, event)`` takes more events.

    A handler method returns (changes, ``"git"``), or a Deferred or coroutine of it; each change is a dictionary of
    ``addChange``'s arguments.  A method of one argument is called with the payload alone.

    ``secret`` (may be a renderable or a secret) is what deliveries are signed with.  ``strict`` says what becomes of
    one without a signature: it is refused, unless ``strict`` is False.  ``codebase`` is that of all changes, or a
    function of the payload.  ``github_property_whitelist`` are patterns of names; of a pull request, or of a push as a
    whole, what they name becomes properties of the change.  A push is passed over whose newest commit's message matches
    one of the regular expressions ``skips``; ``None`` means the usual ones, ``[]`` none.  ``github_api_endpoint`` is
    asked for the files and the newest message of a pull request, with ``token`` if it is given; ``debug`` logs that,
    ``verify=False`` believes any certificate.  ``pullrequest_ref`` is the reference of a pull request to build,
    ``merge`` or ``head``.
    """

    property_basename = "github"

    def __init__(
        self,
        secret: Any,
        strict: bool | None,
        codebase: str | Callable[[dict[str, Any]], Any] | None = None,
        github_property_whitelist: Sequence[str] | None = None,
        master: Any = None,
        skips: Sequence[str] | None = None,
        github_api_endpoint: str | None = None,
        pullrequest_ref: str | None = None,
        token: Any = None,
        debug: bool = False,
        verify: bool = True,
    ) -> None:
        self._secret, self._strict, self._codebase, self._token = secret, strict, codebase, token
        self.external_property_whitelist = list(github_property_whitelist or [])
        self.master = master
        self.skips = list(DEFAULT_SKIPS_PATTERN if skips is None else skips)
        self.github_api_endpoint = (github_api_endpoint or DEFAULT_GITHUB_API_URL).rstrip("/")
        self.pullrequest_ref = pullrequest_ref or "merge"
        self.debug, self.verify = debug, verify
        self._api: GitHubApi | None = None
        if strict and not secret:
            raise ValueError("strict is set, but there is no secret: give the hook the secret that GitHub has")

    # -- a delivery ----------------------------------------------------------------------------------------------------

    @deferred
    async def process(self, request: Any) -> Changes:
        """The changes of a request; raises ValueError for one that can't be taken."""
        payload = await maybe(self._get_payload, request)
        event = header(request, b"X-GitHub-Event")
        handler = getattr(self, f"handle_{event}", None) if event and _EVENT.match(event) else None
        if handler is None:
            raise Refused(f"Unknown event: {event}")
        if self.debug:
            log.info("github hook: {event} of {repository}", event=event, repository=_name_of(payload))
        arguments = (payload, event) if _takes_two(handler) else (payload,)
        changes, src = await maybe(handler, *arguments)
        project = argument(request, b"project")
        if project is not None:
            changes = [{**change, "project": project} for change in changes]
        return changes, src

    @deferred
    async def _get_payload(self, request: Any) -> dict[str, Any]:
        """The payload of a request, once its signature was found to be right."""
        if self._secret:
            signature = header(request, b"X-Hub-Signature-256") or header(request, b"X-Hub-Signature")
            if signature:
                check_signature(signature, str(await rendered(self._secret, self.master)), body(request))
            elif self._strict is not False:
                raise Refused("the request has no signature: set the secret in the settings of GitHub's hook", 403)
        return json_payload(request)

    # -- events --------------------------------------------------------------------------------------------------------

    def handle_ping(self, _: dict[str, Any], __: str) -> Changes:
        """GitHub tries the hook out."""
        return [], "git"

    def handle_workflow_run(self, _: dict[str, Any], __: str) -> Changes:
        """GitHub's own builds are no changes."""
        return [], "git"

    def handle_push(self, payload: dict[str, Any], event: str) -> Any:
        """The commits of a push; of a new branch or a tag its newest one; of a deleted one nothing."""
        repository = pick(payload, "repository", dict)
        user = payload.get("pusher")
        properties = self.extractProperties(payload)
        if len(pick_list(payload, "commits")) > MOST_COMMITS_AS_PROPERTY:
            properties.pop("github.commits", None)
        changes = self._process_change(
            payload,
            user.get("name") if isinstance(user, Mapping) else None,
            pick(repository, "name"),
            pick(repository, "html_url"),
            repository.get("full_name") or pick(repository, "name"),
            event,
            properties,
        )
        return changes, "git"

    def _process_change(
        self,
        payload: dict[str, Any],
        user: str | None,
        repo: str,
        repo_url: str,
        project: str,
        event: str,
        properties: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """The changes of a push to this repository."""
        ref = pick(payload, "ref")
        prefix = _BRANCH if ref.startswith(_BRANCH) else _TAG
        if not ref.startswith(prefix):
            log.info("github hook: {ref} of {repo} is neither a branch nor a tag", ref=ref, repo=project)
            return []
        if payload.get("deleted"):
            log.info("github hook: {ref} of {repo} was deleted", ref=ref, repo=project)
            return []
        head = payload.get("head_commit")
        if isinstance(head, Mapping) and self._has_skip(str(head.get("message") or "")):
            log.info("github hook: {user} wants the push to {repo} skipped", user=user, repo=project)
            return []
        only_head = payload.get("created") or prefix == _TAG
        commits = ([head] if head else []) if only_head else pick_list(payload, "commits")
        common = {
            "branch": ref[len(prefix) :],
            "category": "tag" if prefix == _TAG else None,
            "repository": repo_url,
            "project": project,
            **self._codebase_of(payload),
        }
        return [{**_of_commit(commit, event, properties), **common} for commit in commits]

    @deferred
    async def handle_pull_request(self, payload: dict[str, Any], event: str) -> Changes:
        """A pull request that was opened, opened again, or got other commits."""
        pull = pick(payload, "pull_request", dict)
        number, revision = pick(payload, "number", int), pick(pull, "head.sha")
        project = pick(payload, "repository.full_name")
        if payload.get("action") not in _BUILT_ACTIONS:
            return [], "git"
        if self.skips and self._has_skip(await maybe(self._get_commit_msg, project, revision)):
            log.info(
                "github hook: the author wants pull request {number} of {repo} skipped", number=number, repo=project
            )
            return [], "git"
        link = pick(pull, "_links.html.href" if pull.get("_links") else "html_url")
        change = {
            "revision": revision,
            "when_timestamp": seconds_of(pick(pull, "created_at"), "pull_request.created_at"),
            "branch": f"refs/pull/{number}/{self.pullrequest_ref}",
            "files": await maybe(self._get_pr_files, project, number),
            "revlink": link,
            "repository": pick(payload, "repository.html_url"),
            "project": project,
            "category": "pull",
            "author": pick(payload, "sender.login"),
            "comments": pull_request_comments(number, pull),
            "properties": {
                **self.extractProperties(pull),
                "event": event,
                "basename": pick(pull, "base.ref"),
                "pullrequesturl": link,
            },
            **self._codebase_of(payload),
        }
        return [change], "git"

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def _codebase_of(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self._codebase is None:
            return {}
        return {"codebase": self._codebase(payload) if callable(self._codebase) else self._codebase}

    def _has_skip(self, msg: str) -> bool:
        """Whether a commit message asks not to be built."""
        return any(re.search(pattern, msg) for pattern in self.skips)

    @deferred
    async def _get_commit_msg(self, repo: str, sha: str) -> str:
        """The message of a commit, asked from GitHub; empty if it does not tell."""
        if not re.fullmatch(r"[0-9a-fA-F]{7,64}", sha):
            raise Refused("the payload's pull_request.head.sha is no commit")
        commit = await self._look_up(repo, f"commits/{sha}", GitHubApi.get)
        message = commit.get("commit", {}).get("message") if isinstance(commit, Mapping) else None
        return str(message or "")

    @deferred
    async def _get_pr_files(self, repo: str, number: int) -> list[str]:
        """The files that a pull request touches, asked from GitHub; none if it does not tell."""
        return file_names(await self._look_up(repo, f"pulls/{number}/files", GitHubApi.get_all) or [])

    async def _look_up(self, repo: str, path: str, how: Callable[..., Any]) -> Any:
        if not REPOSITORY.match(repo):
            raise Refused("the payload's repository.full_name is not of the form owner/name")
        reactor = self.master.reactor
        if self._api is None:
            token = await rendered(self._token, self.master)
            self._api = GitHubApi(reactor, self.github_api_endpoint, token, self.verify, self.debug)
        asked = how(self._api, f"/repos/{repo}/{path}", LOOKUP_DEADLINE)
        try:
            return await with_deadline(asked, LOOKUP_DEADLINE, reactor, f"GitHub, asked for {path},")
        except (ApiError, DeadlineExceeded) as error:
            log.warn(
                "github hook: the change of {repo} is taken without what GitHub was asked for: {e}", repo=repo, e=error
            )
            return None

    def close(self) -> defer.Deferred[None]:
        """Close the connections to GitHub; the master goes on without this handler."""
        api, self._api = self._api, None
        return defer.succeed(None) if api is None else defer.Deferred.fromCoroutine(api.close())


def _of_commit(commit: Any, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "author": person(pick(commit, "author", dict)),
        "committer": person(pick(commit, "committer", dict)),
        "files": [*pick_list(commit, "added"), *pick_list(commit, "modified"), *pick_list(commit, "removed")],
        "comments": pick(commit, "message"),
        "revision": pick(commit, "id"),
        "when_timestamp": seconds_of(pick(commit, "timestamp"), "timestamp"),
        "revlink": pick(commit, "url"),
        "properties": {**properties, "event": event, "github_distinct": commit.get("distinct", True)},
    }


def _takes_two(handler: Callable[..., Any]) -> bool:
    """Whether a handler method wants the event's name as well."""
    try:
        inspect.signature(handler).bind({}, "")
    except TypeError:
        return False
    return True


def _name_of(payload: Mapping[str, Any]) -> str:
    repository = payload.get("repository")
    return str(repository.get("full_name")) if isinstance(repository, Mapping) else "no repository"


class GitHubHandler(BaseHookHandler):
    """``/change_hook/github``; the work is done by a :class:`GitHubEventHandler`, or by the option ``class``."""

    known_options = frozenset(
        {
            "class",
            "codebase",
            "debug",
            "github_api_endpoint",
            "github_property_whitelist",
            "pullrequest_ref",
            "secret",
            "skips",
            "strict",
            "token",
            "verify",
        }
    )

    def __init__(self, master: Any, options: dict[str, Any] | None) -> None:
        super().__init__(master, options)
        get = self.options.get
        self.handler = (get("class") or GitHubEventHandler)(
            get("secret"),
            get("strict"),
            codebase=get("codebase"),
            github_property_whitelist=get("github_property_whitelist"),
            master=master,
            skips=get("skips"),
            github_api_endpoint=get("github_api_endpoint") or DEFAULT_GITHUB_API_URL,
            pullrequest_ref=get("pullrequest_ref") or "merge",
            token=get("token"),
            debug=bool(get("debug")),
            verify=get("verify", True),
        )

    def getChanges(self, request: Any) -> Any:
        """A Deferred of (changes, ``"git"``)."""
        return self.handler.process(request)

    def close(self) -> Any:
        """Close what the handler has open."""
        close = getattr(self.handler, "close", None)
        return close() if close is not None else defer.succeed(None)


github = GitHubHandler
