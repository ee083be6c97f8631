"""The dialect ``gitorious``.

Source of the payload: "Web hooks" of Gitorious' documentation.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer

from buildmaster.www.hooks.base import BaseHookHandler
from buildmaster.www.hooks.reading import as_object, form_field, pick, pick_list, read_json
from buildmaster.www.hooks.values import person, seconds_of


class GitoriousHandler(BaseHookHandler):
    """``/change_hook/gitorious``."""

    def getChanges(self, request: Any) -> Any:
        """A Deferred of (changes, ``"git"``)."""
        payload = as_object(read_json(form_field(request)))
        repository = pick(payload, "repository", dict)
        owner = repository.get("owner")
        user = str(owner.get("name") or "") if isinstance(owner, dict) else ""
        project = pick(payload, "project.name")
        changes = self.process_change(payload, user, pick(repository, "name"), pick(repository, "url"), project)
        return defer.succeed((changes, "git"))

    def process_change(
        self, payload: dict[str, Any], user: str, repo: str, repo_url: str, project: str
    ) -> list[dict[str, Any]]:
        """The changes of a push to this repository."""
        common = {"branch": pick(payload, "ref"), "repository": repo_url, "project": project, "files": []}
        return [
            {
                "author": person(pick(commit, "author", dict)),
                "comments": pick(commit, "message"),
                "revision": pick(commit, "id"),
                "when_timestamp": seconds_of(pick(commit, "timestamp"), "timestamp"),
                "revlink": pick(commit, "url"),
                **common,
            }
            for commit in pick_list(payload, "commits")
        ]


gitorious = GitoriousHandler
