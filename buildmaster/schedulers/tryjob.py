"""A try job, and the files that carry one.

A job file is a sequence of netstrings, the first of which is the version of its form.  Versions 1 to 4 are job id,
branch, base revision, patch level and patch; since 2 repository and project; since 3 who; since 4 a comment; and then
the names of the builders, one netstring each.  Version 5 is a single netstring of JSON.  An empty branch or base
revision is none.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

BEFORE_BUILDERS = {
    b"1": ("jobid", "branch", "baserev", "patch_level", "patch_body"),
    b"2": ("jobid", "branch", "baserev", "patch_level", "patch_body", "repository", "project"),
    b"3": ("jobid", "branch", "baserev", "patch_level", "patch_body", "repository", "project", "who"),
    b"4": ("jobid", "branch", "baserev", "patch_level", "patch_body", "repository", "project", "who", "comment"),
}


class BadJobfile(ValueError):
    """A job that makes no sense; the message says why."""


@attrs.frozen
class Job:
    """What a developer wants to be built."""

    branch: str | None
    base_revision: str | None
    patch_level: int
    patch_body: bytes | None  # None: there is no difference, the base itself is to be built
    job_id: str | None = None
    repository: str = ""
    project: str = ""
    who: str = ""
    comment: str = ""
    builder_names: Sequence[str] = ()
    properties: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Job:
        """A job from a dictionary, whose texts may be bytes.  Raises BadJobfile, which names the field."""
        body = given.get("patch_body")
        if isinstance(body, str):
            body = body.encode("utf-8")
        if body is not None and not isinstance(body, bytes):
            raise BadJobfile("patch_body is not a text")
        names = given.get("builderNames") or []
        if not isinstance(names, list | tuple):
            raise BadJobfile("builderNames is not a list")
        properties = given.get("properties") or {}
        if not isinstance(properties, Mapping):
            raise BadJobfile("properties is not a dictionary")
        return cls(
            _text(given, "branch") or None,
            _unquoted(_text(given, "baserev")) or None,
            _level(given.get("patch_level") or 0),
            body or None,
            _text(given, "jobid") or None,
            _text(given, "repository"),
            _text(given, "project"),
            _text(given, "who"),
            _text(given, "comment"),
            [_decoded(name, "builderNames") for name in names],
            {_decoded(name, "properties"): _value(value) for name, value in properties.items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """The job in the documented names."""
        return {
            "jobid": self.job_id,
            "branch": self.branch,
            "baserev": self.base_revision,
            "patch_level": self.patch_level,
            "patch_body": self.patch_body,
            "repository": self.repository,
            "project": self.project,
            "who": self.who,
            "comment": self.comment,
            "builderNames": list(self.builder_names),
            "properties": dict(self.properties),
        }


def parse(data: bytes) -> Job:
    """Read a job file.  Raises BadJobfile."""
    version, *fields = netstrings(data) or [b""]
    if version == b"5":
        return _parse_json(fields)
    names = BEFORE_BUILDERS.get(version)
    if names is None:
        raise BadJobfile(f"unknown version {version[:20]!r} of a job file; known are 1 to 5")
    if len(fields) < len(names):
        raise BadJobfile(f"a job file of version {version.decode()} has {len(names)} fields, this one {len(fields)}")
    given: dict[str, Any] = dict(zip(names, fields, strict=False))
    return Job.from_dict({**given, "builderNames": fields[len(names) :]})


def _parse_json(fields: Sequence[bytes]) -> Job:
    if len(fields) != 1:
        raise BadJobfile("a job file of version 5 has one field")
    try:
        given = json.loads(fields[0])
    except ValueError as e:
        raise BadJobfile(f"a job file of version 5 is JSON, but: {e}") from e
    if not isinstance(given, dict):
        raise BadJobfile("a job file of version 5 is a dictionary")
    if "patch_body_base64" in given:
        try:
            given["patch_body"] = base64.b64decode(given["patch_body_base64"], validate=True)
        except (ValueError, TypeError) as e:
            raise BadJobfile("patch_body_base64 is not base64") from e
    return Job.from_dict(given)


def netstrings(data: bytes) -> list[bytes]:
    """The texts of ``LENGTH:TEXT,LENGTH:TEXT,``.  Raises BadJobfile for what is no such thing."""
    found, at = [], 0
    while at < len(data):
        colon = data.find(b":", at, at + 12)
        digits = data[at:colon]
        if colon < 0 or not digits.isdigit():
            raise BadJobfile(f"no netstring at byte {at}")
        end = colon + 1 + int(digits)
        if data[end : end + 1] != b",":
            raise BadJobfile(f"the netstring at byte {at} is cut off")
        found.append(data[colon + 1 : end])
        at = end + 1
    return found


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return "" if value is None else _decoded(value, name)


def _decoded(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise BadJobfile(f"{name} is not a text")
    return value


def _unquoted(revision: str) -> str:
    """A revision as it is: the client of Buildbot sends one of Mercurial's as ``b'…'``."""
    return revision[2:-1] if revision.startswith("b'") and revision.endswith("'") else revision


def _value(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _level(value: Any) -> int:
    try:
        level = int(value)
    except (TypeError, ValueError):
        level = -1
    if not 0 <= level < 100:
        raise BadJobfile("patch_level is not a small number")
    return level
