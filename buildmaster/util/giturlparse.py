"""Documented address: taking a repository's address apart."""

from buildmaster.base.urls import GitUrl, giturlparse

__all__ = [
    "GitUrl",
    "giturlparse",
]
