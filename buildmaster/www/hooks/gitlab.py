"""The dialect ``gitlab``: pushes, tags, merge requests and comments on them.

Source of the payloads: "Webhook events" of GitLab's documentation, https://docs.gitlab.com/user/project/integrations/webhook_events/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.www.hooks.base import BaseHookHandler
from buildmaster.www.hooks.reading import (
    Refused,
    argument,
    as_object,
    body,
    header,
    pick,
    pick_list,
    read_json,
    same_secret,
)
from buildmaster.www.hooks.values import person, rendered, seconds_of

log = Logger()

_REF = re.compile(r"refs/(?:heads|tags)/(.+)\Z", re.DOTALL)
_NOTHING = re.compile(r"0+\Z")


class GitLabHandler(BaseHookHandler):
    """``/change_hook/gitlab``; the option ``secret`` (may be a renderable or a secret) is the hook's secret token.

    ``?project=`` and ``?codebase=`` in the hook's address set both for all its changes.
    """

    known_options = frozenset({"secret"})

    @deferred
    async def getChanges(self, request: Any) -> tuple[list[dict[str, Any]], str]:
        """The changes of a request; of an event that is none of ours none."""
        secret = await rendered(self.options.get("secret"), self.master)
        if secret and not same_secret(header(request, b"X-Gitlab-Token") or "", str(secret)):
            raise Refused("Invalid secret: the secret token of the hook is not the one that is configured here", 403)
        payload = as_object(read_json(body(request)))
        changes = self._changes_of(payload, argument(request, b"codebase"))
        project = argument(request, b"project")
        if project is not None:
            changes = [{**change, "project": project} for change in changes]
        return changes, "git"

    def _changes_of(self, payload: dict[str, Any], codebase: str | None) -> list[dict[str, Any]]:
        event = payload.get("object_kind") or pick(payload, "event_name")
        if event in ("push", "tag_push"):
            repository = pick(payload, "repository", dict)
            user, url = str(payload.get("user_name") or ""), pick(repository, "url")
            return self._process_change(payload, user, pick(repository, "name"), url, event, codebase=codebase)
        if event == "merge_request":
            return self._process_merge_request_change(payload, event, codebase=codebase)
        if event == "note" and pick(payload, "object_attributes.noteable_type") == "MergeRequest":
            return self._process_note_addition_to_merge_request(payload, event, codebase=codebase)
        log.info("gitlab hook: {event} is no change", event=event)
        return []

    def _process_change(
        self,
        payload: dict[str, Any],
        user: str,
        repo: str,
        repo_url: str,
        event: str,
        codebase: str | None = None,
    ) -> list[dict[str, Any]]:
        """The commits of a push to a branch or tag; of a deleted one nothing."""
        ref = _REF.match(pick(payload, "ref"))
        if ref is None or _NOTHING.match(pick(payload, "after")):
            log.info("gitlab hook: {ref} of {repo} is deleted, or no branch", ref=payload.get("ref"), repo=repo)
            return []
        common = {
            "branch": ref.group(1),
            "repository": repo_url,
            "project": _project_name(payload) or repo,
            "category": event,
            "properties": {"event": event},
            **_codebase(codebase),
        }
        return [{**_of_commit(commit), **common} for commit in pick_list(payload, "commits")]

    def _process_merge_request_change(
        self, payload: dict[str, Any], event: str, codebase: str | None = None
    ) -> list[dict[str, Any]]:
        """A merge request that was opened, opened again, or got other commits."""
        request = pick(payload, "object_attributes", dict)
        action, other_commits = request.get("action"), request.get("oldrev")
        if request.get("state") not in ("opened", "reopened"):
            return []
        if action not in (None, "open", "reopen") and not (action == "update" and other_commits):
            return []  # approvals, labels, titles …
        return [_of_merge_request(payload, request, event, codebase)]

    def _process_note_addition_to_merge_request(
        self, payload: dict[str, Any], event: str, codebase: str | None = None
    ) -> list[dict[str, Any]]:
        """A comment on a merge request: its text is the property ``comments``."""
        change = _of_merge_request(payload, pick(payload, "merge_request", dict), event, codebase)
        change["properties"]["comments"] = pick(payload, "object_attributes.note")
        return [change]


def _of_merge_request(
    payload: dict[str, Any], request: Mapping[str, Any], event: str, codebase: str | None
) -> dict[str, Any]:
    source, target = pick(request, "source", dict), pick(request, "target", dict)
    commit = pick(request, "last_commit", dict)
    return {
        "author": person(pick(commit, "author", dict)),
        "files": [],  # GitLab does not tell
        "comments": f"MR#{pick(request, 'iid', int)}: {pick(request, 'title')}\n\n{request.get('description') or ''}",
        "revision": pick(commit, "id"),
        "when_timestamp": seconds_of(pick(commit, "timestamp"), "last_commit.timestamp"),
        "branch": pick(request, "target_branch"),
        "repository": pick(target, "git_http_url"),
        "project": _project_name(payload) or pick(target, "name"),
        "category": event,
        "revlink": pick(request, "url"),
        "properties": {
            "source_branch": pick(request, "source_branch"),
            "source_project_id": request.get("source_project_id"),
            "source_repository": pick(source, "git_http_url"),
            "source_git_ssh_url": source.get("git_ssh_url"),
            "target_branch": pick(request, "target_branch"),
            "target_project_id": request.get("target_project_id"),
            "target_repository": pick(target, "git_http_url"),
            "target_git_ssh_url": target.get("git_ssh_url"),
            "event": event,
        },
        **_codebase(codebase),
    }


def _of_commit(commit: Any) -> dict[str, Any]:
    return {
        "author": person(pick(commit, "author", dict)),
        "files": [*pick_list(commit, "added"), *pick_list(commit, "modified"), *pick_list(commit, "removed")],
        "comments": pick(commit, "message"),
        "revision": pick(commit, "id"),
        "when_timestamp": seconds_of(pick(commit, "timestamp"), "timestamp"),
        "revlink": pick(commit, "url"),
    }


def _project_name(payload: Mapping[str, Any]) -> str | None:
    project = payload.get("project")
    name = project.get("name") if isinstance(project, Mapping) else None
    return name if isinstance(name, str) else None


def _codebase(codebase: str | None) -> dict[str, str]:
    return {} if codebase is None else {"codebase": codebase}


gitlab = GitLabHandler
