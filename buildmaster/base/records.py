"""The frozen records that travel between the rooms.

Times are epoch seconds (float, UTC) as they are stored; ``data/`` shows them as aware datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

PropertiesDict = Mapping[str, tuple[Any, str]]
"""Property name → (JSON-able value, source)."""


@attrs.frozen
class Fact:
    """Something that happened, in the order in which it was committed."""

    position: int  # dense, from 1, in commit order over all masters of the database
    kind: str  # resource name in the singular: "change", "build" …
    event: str  # a past fact: "new", "finished" …
    fields: Mapping[str, Any]  # every id of the routing keys, and what the event asserts
    masterid: int | None = None  # who committed it
    at: float = 0.0  # epoch seconds of the commit's batch


@attrs.frozen
class Patch:
    """A difference to be applied on top of a revision."""

    body: bytes
    level: int = 1  # how many leading path components to strip
    subdir: str = "."
    author: str = ""
    comment: str = ""
    patchid: int | None = None


@attrs.frozen
class SourceStamp:
    """Which source to build, of one codebase."""

    codebase: str = ""
    repository: str = ""
    project: str = ""
    branch: str | None = None
    revision: str | None = None
    patch: Patch | None = None
    ssid: int | None = None  # None until stored
    created_at: float | None = None
    has_changes: bool | None = None  # whether changes refer to it; None: not known here


@attrs.frozen
class NewChange:
    """A change as a source reports it, checked but not stored yet."""

    author: str
    comments: str
    files: Sequence[str] = ()
    committer: str | None = None
    revision: str | None = None
    when_timestamp: int = 0  # epoch seconds
    branch: str | None = None
    category: str | None = None
    revlink: str = ""
    properties: PropertiesDict = attrs.field(factory=dict)
    repository: str = ""
    codebase: str = ""
    project: str = ""
    uid: int | None = None  # the user object behind the author, when known
    idempotency_key: str | None = None  # a second change with this key is the first one


@attrs.frozen
class Change:
    """A stored change."""

    changeid: int
    author: str
    comments: str
    files: Sequence[str]
    committer: str | None
    revision: str | None
    when_timestamp: int
    branch: str | None
    category: str | None
    revlink: str | None
    properties: PropertiesDict
    repository: str
    codebase: str
    project: str
    ssid: int
    parent_changeids: Sequence[int] = ()


@attrs.frozen
class NewBuildset:
    """A decision to build: one request for each builder."""

    builderids: Sequence[int]
    sourcestamps: Sequence[SourceStamp | int]  # stored ones by id
    scheduler: str | None
    reason: str = ""
    properties: PropertiesDict = attrs.field(factory=dict)
    waited_for: bool = False
    external_idstring: str | None = None
    parent_buildid: int | None = None
    parent_relationship: str | None = None
    rebuilt_buildid: int | None = None
    priority: int = 0
    idempotency_key: str | None = None  # a second buildset with this key is the first one
    changeids: Sequence[int] = ()  # all the changes that led to it
    collapse: Mapping[int, str] = attrs.field(factory=dict)  # builderid → "builtin" or "custom"; else never collapsed


@attrs.frozen
class Request:
    """A stored build request."""

    requestid: int
    buildsetid: int
    builderid: int
    priority: int
    state: int  # a RequestState
    submitted_at: float
    waited_for: bool
    results: int | None = None
    complete_at: float | None = None
    claimed_by_masterid: int | None = None
    claimed_at: float | None = None
    collapse_key: str | None = None
    superseded_by: int | None = None
    retries: int = 0
