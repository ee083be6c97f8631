"""What the web hooks of Bitbucket Cloud and of Bitbucket Server have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.pullrequest import PullRequestMixin
from buildmaster.www.hooks.reading import Refused, body, check_signature, header, json_payload, pick, pick_list
from buildmaster.www.hooks.values import rendered

log = Logger()

GIT_BRANCH_REF = "refs/heads/{}"
GIT_MERGE_REF = "refs/pull-requests/{}/merge"
GIT_TAG_REF = "refs/tags/{}"

_HEADER_EVENT = b"X-Event-Key"
_EVENT = re.compile(r"[a-z0-9_]+\Z")

Changes = tuple[list[dict[str, Any]], str]


class BitbucketEvents(PullRequestMixin):
    """Makes changes of events; a subclass with a method ``handle_EVENT(payload)`` takes more of them.

    ``:`` in an event's name is ``_`` in that of its method.  ``options`` may have ``codebase``, that of all changes or
    a function of the payload; ``bitbucket_property_whitelist``, patterns of names of the pull request that become
    properties; and ``secret`` (may be a renderable or a secret), with which deliveries have to be signed.
    """

    known_options: ClassVar[frozenset[str] | None] = frozenset({"codebase", "bitbucket_property_whitelist", "secret"})
    property_basename = "bitbucket"
    service = "Bitbucket"

    def __init__(self, master: Any, options: dict[str, Any] | None = None) -> None:
        self.master = master
        self.options = options if isinstance(options, Mapping) else {}
        self._codebase = self.options.get("codebase")
        self._secret = self.options.get("secret")
        self.external_property_whitelist = list(self.options.get("bitbucket_property_whitelist") or [])

    def getChanges(self, request: Any) -> Any:
        """A Deferred of (changes, ``"git"``)."""
        return self.process(request)

    @deferred
    async def process(self, request: Any) -> Changes:
        """The changes of a request; raises ValueError for one that can't be taken."""
        payload = await maybe(self._get_payload, request)
        key = header(request, _HEADER_EVENT)
        if not key:
            raise Refused("Header X-Event-Key was not present")
        event = key.replace(":", "_")
        handler = getattr(self, f"handle_{event}", None) if _EVENT.match(event) else None
        if handler is None:
            raise Refused(f"Unknown event: {event[:80]}")
        changes, src = await maybe(handler, payload)
        return changes, src

    @deferred
    async def _get_payload(self, request: Any) -> dict[str, Any]:
        secret = await rendered(self._secret, self.master)
        if secret:
            signature = header(request, b"X-Hub-Signature")
            if not signature:
                raise Refused("the request has no signature: set the secret in the settings of the web hook", 403)
            check_signature(signature, str(secret), body(request))
        return json_payload(request, form=False)

    # -- events --------------------------------------------------------------------------------------------------------

    def handle_repo_push(self, payload: dict[str, Any]) -> Changes:
        """Branches and tags that moved, were made or deleted: one change for each."""
        changes = []
        for moved in pick_list(payload, "push.changes"):
            is_there = isinstance(moved, Mapping) and bool(moved.get("new"))
            ref, category = pick(moved, "new" if is_there else "old", dict), "push" if is_there else "ref-deleted"
            pattern = GIT_TAG_REF if ref.get("type") in ("tag", "annotated_tag") else GIT_BRANCH_REF
            revision = pick(ref, "target.hash")
            changes.append(self._moved(payload, pattern.format(pick(ref, "name")), revision, category))
        return changes, "git"

    def handle_pullrequest_created(self, payload: dict[str, Any]) -> Changes:
        """A new pull request, to be built as merged."""
        return self.handle_pullrequest(payload, self._merged(payload), "created")

    def handle_pullrequest_updated(self, payload: dict[str, Any]) -> Changes:
        """A pull request that got other commits, or another title."""
        return self.handle_pullrequest(payload, self._merged(payload), "updated")

    def handle_pullrequest_fulfilled(self, payload: dict[str, Any]) -> Changes:
        """A pull request that was merged: the branch that it went to."""
        branch = pick(self._end(payload, "destination", "toRef"), "branch.name")
        return self.handle_pullrequest(payload, GIT_BRANCH_REF.format(branch), "fulfilled")

    def handle_pullrequest_rejected(self, payload: dict[str, Any]) -> Changes:
        """A pull request that was declined: the branch that it came from."""
        branch = pick(self._end(payload, "source", "fromRef"), "branch.name")
        return self.handle_pullrequest(payload, GIT_BRANCH_REF.format(branch), "rejected")

    def handle_pullrequest(self, payload: dict[str, Any], refname: str, category: str) -> Changes:
        """The change of a pull request's event."""
        pull = pick(payload, "pullrequest", dict)
        number, link = pick(pull, "id", int), self._link(pull)
        change = {
            **self._common(payload),
            "revision": pick(self._end(payload, "source", "fromRef"), "commit.hash"),
            "revlink": link,
            "branch": refname,
            "category": f"pull-{category}",
            "comments": f"{self.service} Pull Request #{number}",
            "properties": {"pullrequesturl": link, **self.extractProperties(pull)},
        }
        return [change], "git"

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _moved(self, payload: dict[str, Any], branch: str, revision: str, category: str) -> dict[str, Any]:
        return {
            **self._common(payload),
            "revision": revision,
            "revlink": f"{self._page(payload)}/commits/{revision}",
            "branch": branch,
            "category": category,
            "comments": f"{self.service} commit {revision}",
        }

    def _common(self, payload: dict[str, Any]) -> dict[str, Any]:
        project = pick(payload, "repository", dict).get("project")
        common = {
            "author": self._author(pick(payload, "actor", dict)),
            "repository": self._repository(payload),
            "project": str(project.get("name") or "none") if isinstance(project, Mapping) else "none",
        }
        if self._codebase is not None:
            common["codebase"] = self._codebase(payload) if callable(self._codebase) else self._codebase
        return common

    @staticmethod
    def _author(actor: Mapping[str, Any]) -> str:
        shown = actor.get("display_name") or actor.get("displayName") or ""
        names = ("nickname", "username", "name", "account_id")
        name = next((actor[key] for key in names if actor.get(key)), None)
        return f"{shown} <{name}>" if name else str(shown)

    @staticmethod
    def _end(payload: dict[str, Any], *names: str) -> Mapping[str, Any]:
        """One of the two ends of a pull request, by the first of these names that it has."""
        pull = pick(payload, "pullrequest", dict)
        return pick(pull, next((name for name in names if pull.get(name)), names[0]), dict)

    def _merged(self, payload: dict[str, Any]) -> str:
        return GIT_MERGE_REF.format(pick(payload, "pullrequest.id", int))

    def _repository(self, payload: dict[str, Any]) -> str:
        """The address of the repository, as a change has it."""
        return next(links_of(pick(payload, "repository", dict), "self"))

    def _page(self, payload: dict[str, Any]) -> str:
        """The repository's page, without a slash at its end."""
        return self._repository(payload).rstrip("/")

    def _link(self, pull: Mapping[str, Any]) -> str:
        """The pull request's page."""
        return next(links_of(pull, "html", "self"))


def links_of(record: Mapping[str, Any], *names: str) -> Iterator[str]:
    """A record's links of these names; Cloud gives one for each, Server a list.  Raises Refused if there is none."""
    links = pick(record, "links", dict)
    for name in names:
        given = links.get(name)
        for link in given if isinstance(given, list) else [given]:
            if isinstance(link, Mapping) and isinstance(link.get("href"), str):
                yield link["href"]
    raise Refused(f"the payload has no links.{names[0]}.href")
