"""Documented address: warnings about configurations."""

from __future__ import annotations

import warnings

__all__ = ["ConfigWarning", "DeprecatedApiWarning", "warn_deprecated"]


class ConfigWarning(Warning):
    """Something in a configuration that works but is probably not meant."""


class DeprecatedApiWarning(Warning):
    """A name that will go away."""


def warn_deprecated(version: str, msg: str, stacklevel: int = 2) -> None:
    """Warn that something has been deprecated since ``version``."""
    warnings.warn(f"[{version} and later] {msg}", category=DeprecatedApiWarning, stacklevel=stacklevel + 1)
