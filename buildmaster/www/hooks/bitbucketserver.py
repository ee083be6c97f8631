"""The dialect ``bitbucketserver``: Bitbucket Server and Data Center.

Source of the payloads: "Event payload" of Bitbucket Data Center's documentation, and the documentation of the plug-in
"Post Webhooks for Bitbucket", whose payloads are like those of Bitbucket Cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.www.hooks.bitbucket_events import (
    _HEADER_EVENT,
    GIT_BRANCH_REF,
    GIT_MERGE_REF,
    GIT_TAG_REF,
    BitbucketEvents,
    Changes,
)
from buildmaster.www.hooks.reading import pick, pick_list

__all__ = ["GIT_BRANCH_REF", "GIT_MERGE_REF", "GIT_TAG_REF", "_HEADER_EVENT", "BitbucketServerEventHandler"]


class BitbucketServerEventHandler(BitbucketEvents):
    """``/change_hook/bitbucketserver``: a change's category is ``push``, ``ref-deleted`` or ``pull-…``."""

    known_options = BitbucketEvents.known_options
    service = "Bitbucket Server"

    def handle_diagnostics_ping(self, payload: dict[str, Any]) -> Changes:
        """Somebody tries the hook out."""
        return [], "git"

    def handle_repo_refs_changed(self, payload: dict[str, Any]) -> Changes:
        """A push, as the plug-in tells it or as Bitbucket Server does."""
        if "changes" not in payload:
            return self.handle_repo_push(payload)
        changes = []
        for moved in pick_list(payload, "changes"):
            deleted = pick(moved, "type") == "DELETE"
            revision = pick(moved, "fromHash" if deleted else "toHash")
            changes.append(self._moved(payload, pick(moved, "ref.id"), revision, "ref-deleted" if deleted else "push"))
        return changes, "git"

    # -- Bitbucket Server's own events of pull requests ----------------------------------------------------------------

    def handle_pr_opened(self, payload: dict[str, Any]) -> Changes:
        """A new pull request."""
        return self.handle_pullrequest_created(_as_the_plugin(payload))

    def handle_pr_from_ref_updated(self, payload: dict[str, Any]) -> Changes:
        """A pull request that got other commits."""
        return self.handle_pullrequest_updated(_as_the_plugin(payload))

    def handle_pr_merged(self, payload: dict[str, Any]) -> Changes:
        """A pull request that was merged."""
        return self.handle_pullrequest_fulfilled(_as_the_plugin(payload))

    def handle_pr_declined(self, payload: dict[str, Any]) -> Changes:
        """A pull request that was declined."""
        return self.handle_pullrequest_rejected(_as_the_plugin(payload))

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _repository(self, payload: dict[str, Any]) -> str:
        return super()._repository(payload).removesuffix("browse")

    def _link(self, pull: Mapping[str, Any]) -> str:
        return pull["link"] if isinstance(pull.get("link"), str) else super()._link(pull)


def _as_the_plugin(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of one of Bitbucket Server's own events in the form of the plug-in's."""
    pull = pick(payload, "pullRequest", dict)
    ends = {}
    for name in ("fromRef", "toRef"):
        ref = pick(pull, name, dict)
        ends[name] = {
            **ref,
            "branch": {"name": pick(ref, "displayId")},
            "commit": {"hash": pick(ref, "latestCommit")},
        }
    repository = pick(ends["toRef"], "repository", dict)
    return {**payload, "repository": repository, "pullrequest": {**pull, **ends}}


bitbucketserver = BitbucketServerEventHandler
