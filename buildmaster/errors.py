"""Documented address: errors of plugins and statistics."""

from buildmaster.base.errors import CaptureCallbackError, PluginDBError

__all__ = [
    "CaptureCallbackError",
    "PluginDBError",
]
