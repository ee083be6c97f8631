"""Documented address; the objects live in :mod:`buildmaster.base.errors`."""

from buildmaster.base.errors import ConfigErrors, capture_config_errors, error

__all__ = ["ConfigErrors", "capture_config_errors", "error"]
