"""Documented address: waiting for what is under way."""

from buildmaster.base.deferwaiter import DeferWaiter, NonRepeatedActionHandler, RepeatedActionHandler

__all__ = [
    "DeferWaiter",
    "NonRepeatedActionHandler",
    "RepeatedActionHandler",
]
