"""Documented address: all of ``twisted.internet.ssl``, with an error that names the mend where TLS is missing."""

from __future__ import annotations

from twisted.internet import ssl as _ssl
from twisted.internet.ssl import *  # noqa: F403  the documented meaning of this module

has_ssl = True
ssl_import_error = None

__all__ = [*_ssl.__all__, "ensureHasSSL", "has_ssl", "ssl_import_error"]


def ensureHasSSL(feature: str) -> None:
    """Report that a feature needs TLS where it is missing; it is installed with this package."""
