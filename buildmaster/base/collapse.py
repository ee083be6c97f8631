"""What must match for an older build request to be superfluous beside a newer one.

The documented rule: both have exactly the same codebases; in each, repository, project and branch are equal, no source
stamp has a patch, and either both source stamps come from changes or neither does and the revisions are equal;
the properties that their schedulers set are equal.  All of it is an equality, so it fits in one key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from buildmaster.base.records import PropertiesDict, SourceStamp

_encode = msgspec.json.Encoder(enc_hook=repr, order="deterministic").encode

BUILTIN = "builtin"
CUSTOM = "custom"


def mode_of(collapse_requests: Any) -> str | None:
    """How requests are collapsed under this value of ``collapseRequests``; None: never."""
    if callable(collapse_requests):
        return CUSTOM
    return BUILTIN if collapse_requests or collapse_requests is None else None


def scheduler_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Those properties of a buildset that must match: all that its scheduler set, except its name."""
    return {
        name: value for name, (value, source) in properties.items() if source == "Scheduler" and name != "scheduler"
    }


def match_key(stamps: Iterable[SourceStamp], properties: PropertiesDict) -> str | None:
    """What two requests for the same builder must share to be collapsed; None for one that never is.

    ``has_changes`` of each stamp must be known.
    """
    parts = []
    for stamp in stamps:
        if stamp.patch is not None:
            return None
        version = True if stamp.has_changes else [stamp.revision]
        parts.append([stamp.codebase, stamp.repository, stamp.project, stamp.branch, version])
    parts.sort(key=repr)
    return hashlib.sha1(_encode([parts, scheduler_properties(properties)])).hexdigest()
