"""Low-level Subversion: command lines and what ``svn --xml`` prints."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import attrs

PASSWORD_FROM_STDIN = (1, 10)
"""Since this version a password need not be on the command line."""


def parse_version(output: str) -> tuple[int, ...] | None:
    """The version in what ``svn --version --quiet`` prints: ``(1, 14, 2)``."""
    match = re.match(r"\s*(\d+(?:\.\d+)+)", output)
    return tuple(int(part) for part in match.group(1).split(".")) if match else None


@attrs.frozen
class ChangedPath:
    """A path that a revision changed."""

    path: str  # without a slash in front; directories end with one
    action: str  # A, M, D or R


@attrs.frozen
class LogEntry:
    """One revision."""

    revision: int
    author: str
    comments: str
    paths: Sequence[ChangedPath]


def parse_log(output: bytes | str) -> list[LogEntry]:
    """Read ``svn log --xml --verbose``, in its order.  Raises ValueError for what is no such thing."""
    return [
        LogEntry(
            int(entry.attrib["revision"]),
            entry.findtext("author") or "unknown",
            (entry.findtext("msg") or "").rstrip("\n"),
            [_changed_path(path) for path in entry.iterfind("paths/path")],
        )
        for entry in _parse(output).iter("logentry")
    ]


def _changed_path(element: ET.Element) -> ChangedPath:
    path = (element.text or "").lstrip("/")
    if element.attrib.get("kind") == "dir" and path and not path.endswith("/"):
        path += "/"
    return ChangedPath(path, element.attrib.get("action", "M"))


def parse_root(output: bytes | str) -> str:
    """The repository's root URL in what ``svn info --xml`` prints."""
    root = _parse(output).findtext(".//repository/root")
    if not root:
        raise ValueError("svn info names no root of the repository")
    return root.rstrip("/")


@attrs.frozen
class Info:
    """What is checked out in a directory."""

    url: str
    revision: str
    last_changed: str  # the revision in which the directory was changed last


def parse_info(output: bytes | str) -> Info:
    """Read ``svn info --xml`` of one directory.  Raises ValueError for what is no such thing."""
    entry = _parse(output).find("entry")
    url = entry.findtext("url") if entry is not None else None
    if entry is None or not url:
        raise ValueError("svn info names no URL")
    commit = entry.find("commit")
    last = commit.attrib.get("revision", "") if commit is not None else ""
    return Info(url.rstrip("/"), entry.attrib.get("revision", ""), last)


def parse_unversioned(output: bytes | str) -> list[str]:
    """The paths that are not under version control, in what ``svn status --xml`` prints."""
    return [
        entry.attrib["path"]
        for entry in _parse(output).iter("entry")
        for status in entry.iterfind("wc-status")
        if status.attrib.get("item") in ("unversioned", "ignored")
    ]


def _parse(output: bytes | str) -> ET.Element:
    try:
        return ET.fromstring(output)
    except ET.ParseError as e:
        raise ValueError(f"svn printed no XML: {e}") from e
