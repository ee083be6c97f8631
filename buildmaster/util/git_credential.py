"""Documented address: credentials for git."""

from buildmaster.net.git_credential import GitCredentialInputRenderer, GitCredentialOptions

__all__ = [
    "GitCredentialInputRenderer",
    "GitCredentialOptions",
]
