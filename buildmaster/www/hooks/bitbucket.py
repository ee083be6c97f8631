"""The dialect ``bitbucket``: the POST service that Bitbucket had before its web hooks.

Source of the payload: "POST hook management" of Bitbucket's documentation.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer

from buildmaster.www.hooks.base import BaseHookHandler
from buildmaster.www.hooks.reading import argument, as_object, form_field, header, pick, pick_list, read_json
from buildmaster.www.hooks.values import seconds_of


class BitBucketHandler(BaseHookHandler):
    """``/change_hook/bitbucket``; ``?project=`` in the hook's address sets the project of its changes."""

    def getChanges(self, request: Any) -> Any:
        """A Deferred of (changes, ``"git"`` or ``"hg"``)."""
        payload = as_object(read_json(form_field(request)))
        repository = pick(payload, "repository", dict)
        url = pick(payload, "canon_url") + pick(repository, "absolute_url")
        common = {
            "repository": url,
            "project": argument(request, b"project", ""),
            "properties": {"event": header(request, b"X-Event-Key")},
        }
        changes = [{**_of_commit(commit, url), **common} for commit in pick_list(payload, "commits")]
        return defer.succeed((changes, pick(repository, "scm")))


def _of_commit(commit: Any, url: str) -> dict[str, Any]:
    revision = pick(commit, "raw_node")
    return {
        "author": pick(commit, "raw_author"),
        "files": [pick(entry, "file") for entry in pick_list(commit, "files")],
        "comments": pick(commit, "message"),
        "revision": revision,
        "when_timestamp": seconds_of(pick(commit, "utctimestamp"), "utctimestamp"),
        "branch": commit.get("branch"),
        "revlink": f"{url}commits/{revision}",
    }


bitbucket = BitBucketHandler
