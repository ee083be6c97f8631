"""Links from a revision to its page: the documented helpers for ``c['revlink']``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

Revlink = Callable[[str, str], "str | None"]
"""From revision and repository to an address, or None."""


class RevlinkMatch:
    """The link for repositories that match one of ``repo_urls`` (regular expressions, from the start of the address).

    ``revlink`` is the address with ``%s`` for the revision and ``\\1`` … for the groups of the expression.
    """

    def __init__(self, repo_urls: str | Iterable[str], revlink: str) -> None:
        urls = [repo_urls] if isinstance(repo_urls, str) else repo_urls
        self.repo_urls = [re.compile(url) for url in urls]
        self.revlink = revlink

    def __call__(self, rev: str, repo: str) -> str | None:
        for pattern in self.repo_urls:
            match = pattern.match(repo or "")
            if match:
                return match.expand(self.revlink) % quote(str(rev), safe="/:@")
        return None


class GitwebMatch(RevlinkMatch):
    """The link to a gitweb at the address ``revlink``; the expressions have a group named ``repo``."""

    def __init__(self, repo_urls: str | Iterable[str], revlink: str) -> None:
        super().__init__(repo_urls, revlink + r"?p=\g<repo>;a=commit;h=%s")


class RevlinkMultiplexer:
    """The first link that one of several callables gives."""

    def __init__(self, *revlinks: Revlink) -> None:
        self.revlinks = revlinks

    def __call__(self, rev: str, repo: str) -> str | None:
        for revlink in self.revlinks:
            url = revlink(rev, repo)
            if url is not None:
                return url
        return None


_PATH = r"([^/]+)/([^/]+?)(?:\.git)?/?$"

GithubRevlink = RevlinkMatch(
    [rf"(?:https?|git|ssh)://(?:[^@/]*@)?github\.com/{_PATH}", rf"git@github\.com:{_PATH}"],
    r"https://github.com/\1/\2/commit/%s",
)

GitlabRevlink = RevlinkMatch(
    [r"(?:https?|ssh)://(?:[^@/]*@)?gitlab\.com/(.+?)(?:\.git)?/?$", r"git@gitlab\.com:(.+?)(?:\.git)?/?$"],
    r"https://gitlab.com/\1/-/commit/%s",
)

BitbucketRevlink = RevlinkMatch(
    [rf"(?:https?|ssh)://(?:[^@/]*@)?bitbucket\.org/{_PATH}", rf"git@bitbucket\.org:{_PATH}"],
    r"https://bitbucket.org/\1/\2/commits/%s",
)

SourceforgeGitRevlink = RevlinkMatch(
    [r"(?:git|ssh)://(?:[^@/]*@)?([^./]+)\.git\.sourceforge\.net/gitroot/([^/]+/.*)$"],
    r"http://\1.git.sourceforge.net/git/gitweb.cgi?p=\2;a=commit;h=%s",
)

SourceforgeGitRevlink_AlluraPlatform = RevlinkMatch(
    [r"(?:git|ssh|https?)://(?:[^@/]*@)?git\.code\.sf\.net/p/([^/]+)/(.*?)/?$"],
    r"https://sourceforge.net/p/\1/\2/ci/%s/",
)

default_revlink_matcher = RevlinkMultiplexer(
    GithubRevlink,
    GitlabRevlink,
    BitbucketRevlink,
    SourceforgeGitRevlink_AlluraPlatform,
    SourceforgeGitRevlink,
)
"""What links revisions when ``c['revlink']`` is not set."""
