"""The documented records.  Times are aware datetimes."""

from __future__ import annotations

import datetime
from typing import Any

import attrs

from buildmaster.db.documented.base import Model

Time = datetime.datetime


@attrs.define
class BuilderModel(Model):
    """A builder."""

    id: int
    name: str
    description: str | None = None
    description_format: str | None = None
    description_html: str | None = None
    projectid: int | None = None
    tags: list[str] = attrs.field(factory=list)
    masterids: list[int] = attrs.field(factory=list)


@attrs.define
class BuildRequestModel(Model):
    """A request for one build."""

    buildrequestid: int
    buildsetid: int
    builderid: int
    buildername: str
    submitted_at: Time
    complete_at: Time | None = None
    complete: bool = False
    results: int | None = None
    waited_for: bool = False
    priority: int = 0
    claimed_at: Time | None = None
    claimed_by_masterid: int | None = None

    @property
    def claimed(self) -> bool:
        """Whether some master has it."""
        return self.claimed_at is not None


@attrs.define
class BuildModel(Model):
    """A build; ``complete_at`` and ``results`` are None while it runs."""

    id: int
    number: int  # of the builder's builds, from 1
    builderid: int
    buildrequestid: int
    workerid: int | None
    masterid: int
    started_at: Time
    complete_at: Time | None
    locks_duration_s: int
    state_string: str
    results: int | None


@attrs.define
class BuildSetModel(Model):
    """A buildset; ``results`` is -1 until it has ended."""

    bsid: int
    external_idstring: str | None
    reason: str | None
    submitted_at: Time
    complete: bool = False
    complete_at: Time | None = None
    results: int | None = None
    parent_buildid: int | None = None
    parent_relationship: str | None = None
    rebuilt_buildid: int | None = None
    sourcestamps: list[int] = attrs.field(factory=list)  # their ids


@attrs.define
class ChangeModel(Model):
    """A change; ``properties`` maps names to (value, source)."""

    changeid: int
    author: str
    committer: str | None
    comments: str
    branch: str | None
    revision: str | None
    revlink: str | None
    when_timestamp: Time
    category: str | None
    sourcestampid: int
    parent_changeids: list[int] = attrs.field(factory=list)
    repository: str = ""
    codebase: str = ""
    project: str = ""
    files: list[str] = attrs.field(factory=list)
    properties: dict[str, tuple[Any, str]] = attrs.field(factory=dict)


@attrs.define
class ChangeSourceModel(Model):
    """A change source, and the master that runs it."""

    id: int
    name: str
    masterid: int | None = None


@attrs.define
class LogModel(Model):
    """A log; its type is ``s`` (with channels), ``t`` (text), ``h`` (HTML) or ``d`` (deleted)."""

    id: int
    name: str
    slug: str
    stepid: int
    complete: bool
    num_lines: int
    type: str


@attrs.define
class MasterModel(Model):
    """A master."""

    id: int
    name: str
    active: bool
    last_active: Time


@attrs.define
class PatchModel(Model):
    """A difference on top of a revision."""

    patchid: int
    body: bytes
    level: int
    author: str
    comment: str
    subdir: str | None = None


@attrs.define
class ProjectModel(Model):
    """A project."""

    id: int
    name: str
    slug: str
    description: str | None
    description_format: str | None
    description_html: str | None


@attrs.define
class SchedulerModel(Model):
    """A scheduler, and the master that runs it."""

    id: int
    name: str
    enabled: bool = True
    masterid: int | None = None


@attrs.define
class SourceStampModel(Model):
    """Which source to build, of one codebase."""

    ssid: int
    branch: str | None
    revision: str | None
    repository: str
    created_at: Time
    codebase: str = ""
    project: str = ""
    patch: PatchModel | None = None


@attrs.define
class UrlModel(Model):
    """A link of a step."""

    name: str
    url: str


@attrs.define
class StepModel(Model):
    """A step of a build."""

    id: int
    number: int
    name: str
    buildid: int
    started_at: Time | None
    locks_acquired_at: Time | None
    complete_at: Time | None
    state_string: str
    results: int | None
    urls: list[UrlModel]
    hidden: bool = False


@attrs.define
class UserModel(Model):
    """A user; ``attributes`` is None where they were not asked for."""

    uid: int
    identifier: str
    bb_username: str | None = None
    bb_password: str | None = None
    attributes: dict[str, str] | None = None


@attrs.define
class BuilderMasterModel(Model):
    """A builder on a master."""

    builderid: int
    masterid: int


@attrs.define
class WorkerModel(Model):
    """A worker."""

    id: int
    name: str
    workerinfo: dict[str, Any]
    paused: bool = False
    pause_reason: str | None = None
    graceful: bool = False
    configured_on: list[BuilderMasterModel] = attrs.field(factory=list)
    connected_to: list[int] = attrs.field(factory=list)  # ids of masters
