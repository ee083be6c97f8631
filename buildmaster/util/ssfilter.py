"""Documented address: filters of source stamps."""

from buildmaster.base.filters import NotABranch, SourceStampFilter

__all__ = ["NotABranch", "SourceStampFilter"]
