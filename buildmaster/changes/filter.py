"""Documented address: filters of changes."""

from buildmaster.base.filters import ChangeFilter, NotABranch

__all__ = ["ChangeFilter", "NotABranch"]
