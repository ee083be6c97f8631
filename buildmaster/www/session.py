"""Who is asking: sessions as signed cookies.

A session is a JSON Web Token (HS256) that holds what the authentication found out about the user and when it ends;
nothing is kept on the server but the secret, which lies in the database's state, so that a session outlives a restart
and is good on every master.  Anonymous visitors get no cookie.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import msgspec
from twisted.web import server

COOKIE = b"TWISTED_SESSION"
SECURE_COOKIE = b"TWISTED_SECURE_SESSION"
MAX_TOKEN_BYTES = 16 * 1024

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


class InvalidToken(ValueError):
    """A session token is malformed, forged or too old."""


def build_anonymous_user_info() -> dict[str, Any]:
    """What is known of a visitor who has not logged in."""
    return {"anonymous": True}


def build_cookie_name(is_secure: bool, sitepath: list[bytes]) -> bytes:
    """The session cookie's name for a site below ``sitepath``."""
    return b"_".join([SECURE_COOKIE if is_secure else COOKIE, *(sitepath or [])])


def make_token(user_info: dict[str, Any], expires: float, secret: str | bytes) -> bytes:
    """A signed token that says who the user is until ``expires`` (epoch seconds)."""
    body = _b64(msgspec.json.encode({"user_info": user_info, "exp": int(expires)}))
    signed = _HEADER + b"." + body
    return signed + b"." + _b64(_sign(signed, secret))


def read_token(token: str | bytes, secret: str | bytes, now: float) -> dict[str, Any]:
    """The user info in a token; raises :class:`InvalidToken`."""
    raw = token.encode("utf-8", "replace") if isinstance(token, str) else token
    signed, dot, signature = raw.rpartition(b".")
    head, _, body = signed.partition(b".")
    if not dot or head != _HEADER or len(raw) > MAX_TOKEN_BYTES:
        raise InvalidToken("not a session token")
    if not hmac.compare_digest(_b64(_sign(signed, secret)), signature):
        raise InvalidToken("wrong signature")
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    except (binascii.Error, msgspec.DecodeError) as error:
        raise InvalidToken(str(error))
    if not isinstance(claims, dict) or not isinstance(claims.get("user_info"), dict):
        raise InvalidToken("no user in the token")
    if claims.get("exp", 0) <= now:
        raise InvalidToken("expired")
    return claims["user_info"]


def parse_user_info_from_token(token: str | bytes, session_secret: str | bytes) -> dict[str, Any]:
    """The user info in a token; raises :class:`InvalidToken` (a ValueError) if it is not, or no longer, valid."""
    return read_token(token, session_secret, time.time())


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _sign(data: bytes, secret: str | bytes) -> bytes:
    return hmac.new(secret.encode() if isinstance(secret, str) else secret, data, hashlib.sha256).digest()


class BuildbotSession(server.Session):
    """What ``request.getSession()`` returns: ``user_info``, and :meth:`updateSession` to make it last.

    Never holds a timer: it lives as long as its request.
    """

    expDelay: timedelta = timedelta(days=7)
    """How long a session is good; the site's setting, if it has one."""

    def __init__(self, site: Any, token: str | bytes | None = None) -> None:
        """Raises KeyError, as Twisted expects of an unknown session, when ``token`` is not valid."""
        self.site = site
        self.expDelay = site.session_lasts
        self.user_info = build_anonymous_user_info()
        if token is not None:
            try:
                self.user_info = read_token(token, site.session_secret, site.clock())
            except InvalidToken as error:
                raise KeyError(str(error))

    @property
    def uid(self) -> bytes:
        """The token that is the cookie's value."""
        return make_token(self.user_info, self.site.clock() + self.expDelay.total_seconds(), self.site.session_secret)

    def updateSession(self, request: Any) -> None:
        """Put the present ``user_info`` into the visitor's cookie."""
        secure = request.isSecure() or is_https_proxy(request)
        name = build_cookie_name(request.isSecure(), request.sitepath)
        # one cookie of this name only: an earlier one in the same answer would win in some clients
        request.cookies[:] = [cookie for cookie in request.cookies if not cookie.startswith(name + b"=")]
        request.addCookie(
            name,
            self.uid,
            path=b"/",
            max_age=str(int(self.expDelay.total_seconds())),
            httpOnly=True,
            secure=secure,
            sameSite=b"lax",
        )

    def forget(self, request: Any) -> None:
        """Log out: take the cookie away."""
        self.user_info = build_anonymous_user_info()
        name = build_cookie_name(request.isSecure(), request.sitepath)
        request.addCookie(name, b"", path=b"/", max_age=b"0", httpOnly=True, sameSite=b"lax")

    def touch(self) -> None:
        """Nothing: a token's end is in the token."""

    def expire(self) -> None:
        """Nothing: there is no state to give up."""
        self.user_info = build_anonymous_user_info()

    def notifyOnExpire(self, callback: Any) -> None:
        """Nothing: nobody is told when a token grows too old."""


def is_https_proxy(request: Any) -> bool:
    """Whether a proxy in front says that the browser came by https."""
    return (request.getHeader(b"x-forwarded-proto") or b"").lower() == b"https"


def peek(request: Any, site: Any) -> dict[str, Any]:
    """The user info of a request, without making a session for a visitor who has none."""
    session = getattr(request, "_insecureSession", None) or getattr(request, "_secureSession", None)
    if session is not None:
        return session.user_info
    token = request.getCookie(build_cookie_name(request.isSecure(), request.sitepath or []))
    if not token:
        return build_anonymous_user_info()
    try:
        return read_token(token, site.session_secret, site.clock())
    except InvalidToken:
        return build_anonymous_user_info()
