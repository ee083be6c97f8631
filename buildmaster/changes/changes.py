"""Documented address: changes as users' callbacks see them."""

from buildmaster.process.change import Change

__all__ = [
    "Change",
]
