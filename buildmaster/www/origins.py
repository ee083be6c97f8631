"""Which pages may talk to this master: cross-origin rules (CORS) and the check of Origin on every POST."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import attrs


@attrs.frozen
class OriginPolicy:
    """What an Origin header may say."""

    #: origins of ``c['www']['allowed_origins']``, compiled; they may read and control through the API
    allowed: tuple[re.Pattern[str], ...] = ()
    #: the origin of ``buildbotURL``, which browsers behind a proxy see
    own: str = ""
    #: only programs of this machine reach the port; then a name that is not this machine's is a stranger's, who had it
    #: point here to have his page count as ours (DNS rebinding)
    local_only: bool = False

    @classmethod
    def of(cls, patterns: Iterable[str], buildbot_url: str, local_only: bool = False) -> OriginPolicy:
        """The policy of a configuration; ``patterns`` are file name patterns (``*``, ``?``)."""
        compiled = tuple(re.compile(fnmatch.translate(pattern.lower().rstrip("/"))) for pattern in patterns)
        return cls(compiled, origin_of(buildbot_url), local_only)

    def may_cross(self, origin: str) -> bool:
        """Whether a page of another origin may use the API."""
        return any(pattern.match(origin.lower()) for pattern in self.allowed)

    def is_own(self, origin: str, host: str) -> bool:
        """Whether ``origin`` is this very site, asked for under this Host header."""
        if not origin or origin == "null":
            return False
        if origin.lower() == self.own:
            return True
        parts = urlsplit(origin)
        if self.local_only and not is_this_machine(parts.hostname or ""):
            return False
        netloc = parts.netloc.lower()
        return bool(netloc) and netloc == _without_default_port(origin, host)

    def refuses(self, request: Any) -> bool:
        """Whether a request that changes something comes from a page that may not.

        Browsers send Origin with every POST; scripts do not, and they carry no visitor's cookies by accident.
        Old browsers send at least a Referer.
        """
        origin = header(request, b"origin")
        if not origin:
            referer = header(request, b"referer")
            origin = origin_of(referer) if referer else ""
            if not origin:
                return header(request, b"sec-fetch-site") in ("cross-site", "same-site")
        return not (self.is_own(origin, header(request, b"host")) or self.may_cross(origin))


def header(request: Any, name: bytes) -> str:
    """A request header as text, empty if it is not there."""
    value = request.getHeader(name)
    return value.decode("latin-1") if value else ""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else ""


def is_this_machine(hostname: str) -> bool:
    """Whether the name of a host is one of the machine that asks."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def _without_default_port(origin: str, host: str) -> str:
    """The Host header as an Origin of that scheme spells it."""
    host = host.lower()
    default = ":443" if origin.lower().startswith("https:") else ":80"
    return host.removesuffix(default)
