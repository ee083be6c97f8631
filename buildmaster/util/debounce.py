"""Documented address: doing once what is asked for many times."""

from buildmaster.base.debounce import Debouncer, method

__all__ = [
    "Debouncer",
    "method",
]
