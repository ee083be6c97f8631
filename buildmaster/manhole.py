"""Documented address of the manholes."""

from __future__ import annotations

from buildmaster.net.manhole import (
    ArbitraryCheckerManhole,
    AuthorizedKeysManhole,
    PasswordManhole,
    TelnetManhole,
    show,
)

__all__ = ["ArbitraryCheckerManhole", "AuthorizedKeysManhole", "PasswordManhole", "TelnetManhole", "show"]
