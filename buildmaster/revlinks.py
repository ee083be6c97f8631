"""Documented address: links from a revision to its page."""

from buildmaster.base.revlinks import (
    BitbucketRevlink,
    GithubRevlink,
    GitlabRevlink,
    GitwebMatch,
    RevlinkMatch,
    RevlinkMultiplexer,
    SourceforgeGitRevlink,
    SourceforgeGitRevlink_AlluraPlatform,
    default_revlink_matcher,
)

__all__ = [
    "BitbucketRevlink",
    "GithubRevlink",
    "GitlabRevlink",
    "GitwebMatch",
    "RevlinkMatch",
    "RevlinkMultiplexer",
    "SourceforgeGitRevlink",
    "SourceforgeGitRevlink_AlluraPlatform",
    "default_revlink_matcher",
]
