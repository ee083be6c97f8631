"""TLS without a check of the other side's certificate, for settings that ask for it (``verify=False``)."""

from __future__ import annotations

from typing import Any

from twisted.internet import ssl
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IPolicyForHTTPS)
class UncheckedCertificates:
    """Accepts any certificate."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return ssl.CertificateOptions(verify=False)
