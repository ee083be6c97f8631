"""Documented address: filters of source stamps."""

from buildmaster.base.filters import SourceStampFilter

__all__ = [
    "SourceStampFilter",
]
