"""Documented address: filters of changes."""

from buildmaster.base.filters import ChangeFilter

__all__ = [
    "ChangeFilter",
]
