"""Addresses of repositories and databases, taken apart."""

from __future__ import annotations

import re
from typing import NamedTuple

_WITH_SCHEME = re.compile(
    r"^(?P<proto>[a-z][a-z0-9+.-]*)://(?:(?P<user>[^/@:]+)(?::(?P<password>[^/@]*))?@)?(?P<domain>[^/:@]+)"
    r"(?::(?P<port>\d+))?/(?P<path>.+?)(?:\.git)?/?$",
    re.IGNORECASE,
)
_SCP = re.compile(r"^(?:(?P<user>[^/@:]+)@)?(?P<domain>[^/:@]+):(?P<path>[^/].*?)(?:\.git)?/?$")
_PASSWORD = re.compile(r"^(?P<begin>[a-z][\w+.-]*://[^/:@]*:)[^/@]*(?=@)", re.IGNORECASE)


class GitUrl(NamedTuple):
    """The parts of a repository's address."""

    proto: str
    user: str | None
    password: str | None
    domain: str
    port: int | None
    owner: str
    """Who it belongs to, with all groups: ``group/subgroup``."""
    repo: str


def giturlparse(url: str) -> GitUrl | None:
    """The parts of ``https://host/owner/repo.git``, ``git@host:owner/repo`` and the like; None for anything else."""
    match = _WITH_SCHEME.match(url) or _SCP.match(url)
    if match is None:
        return None
    found = match.groupdict()
    owner, _, repo = found["path"].rpartition("/")
    if not owner or not repo:
        return None
    port = found.get("port")
    return GitUrl(
        proto=found.get("proto") or "ssh",
        user=found["user"],
        password=found.get("password"),
        domain=found["domain"],
        port=int(port) if port else None,
        owner=owner,
        repo=repo,
    )


def stripUrlPassword(url: str) -> str:
    """An address with ``xxxx`` in the place of its password, for showing."""
    return _PASSWORD.sub(r"\g<begin>xxxx", url)
