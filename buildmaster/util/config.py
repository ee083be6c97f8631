"""Documented address: showing what is configured."""

from buildmaster.base.configured import ConfiguredMixin

__all__ = [
    "ConfiguredMixin",
]
