"""The dialect ``bitbucketcloud``.

Source of the payloads: "Event payloads" of Bitbucket Cloud's documentation,
https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/.
"""

from __future__ import annotations

from typing import Any

from buildmaster.www.hooks.bitbucket_events import (
    _HEADER_EVENT,
    GIT_BRANCH_REF,
    GIT_MERGE_REF,
    GIT_TAG_REF,
    BitbucketEvents,
    links_of,
)
from buildmaster.www.hooks.reading import pick

__all__ = ["GIT_BRANCH_REF", "GIT_MERGE_REF", "GIT_TAG_REF", "_HEADER_EVENT", "BitbucketCloudEventHandler"]


class BitbucketCloudEventHandler(BitbucketEvents):
    """``/change_hook/bitbucketcloud``: a change's category is ``push``, ``ref-deleted`` or ``pull-…``."""

    known_options = BitbucketEvents.known_options
    service = "Bitbucket Cloud"

    def _page(self, payload: dict[str, Any]) -> str:
        return next(links_of(pick(payload, "repository", dict), "html", "self")).rstrip("/")


bitbucketcloud = BitbucketCloudEventHandler
