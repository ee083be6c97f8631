"""Documented address: matching paths of the data API."""

from buildmaster.data.paths import Matcher

__all__ = [
    "Matcher",
]
