"""``/auth/login`` of OAuth 2.0: to the service and back (RFC 6749, section 4.1).

The way back is believed only from the browser that was sent: its cookie holds a random value that the service returns
as ``state`` (section 10.12), and where on this site the visitor wants to go.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from twisted.logger import Logger
from twisted.web.error import Error

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.strings import bytes2unicode
from buildmaster.www import session
from buildmaster.www.auth import LoginResource, site_path
from buildmaster.www.resource import Redirect

log = Logger()

COOKIE = b"BUILDMASTER_OAUTH2"
LASTS_SECONDS = 15 * 60
"""How long a visitor may take at the service."""
LARGEST_SESSION = 3800
"""Bytes; browsers do not keep cookies of more than 4096."""
STALE = (
    "this login was not begun by this browser within the last quarter of an hour. Log in again, at the address that is "
    "c['buildbotURL']: "
)


class OAuth2LoginResource(LoginResource):
    """Sends visitors to the service, and makes users of those who come back with a code."""

    def __init__(self, master: Any, auth: Any) -> None:
        super().__init__(master)
        self.auth = auth

    @deferred
    async def renderLogin(self, request: Any) -> bytes:
        """Always a redirect, or an error (403)."""
        if b"error" in request.args:
            told = _argument(request, b"error_description") or _argument(request, b"error")
            raise Error(403, f"{self.auth.name} refuses the login: {told}".encode())
        code = _argument(request, b"code")
        if not code:
            raise Redirect(await self._begin(request))
        wanted = self._finish_state(request)
        user_info = await self._confirm(code)
        await self._log_in(request, user_info)
        raise Redirect("../" + wanted)

    async def _begin(self, request: Any) -> str:
        state = secrets.token_urlsafe(32)
        redirect = site_path(_argument(request, b"redirect"))
        self._set_cookie(request, self._seal({"state": state, "redirect": redirect}), LASTS_SECONDS)
        url: str = await maybe(self.auth.getLoginURL, redirect, state)
        return url

    def _finish_state(self, request: Any) -> str:
        """The way to go on, from the cookie; raises an Error unless the request brings the state that is in it."""
        cookie = request.getCookie(self._cookie_name(request))
        self._set_cookie(request, b"", 0)  # it is good for one login
        try:
            kept = session.read_token(cookie or b"", self._key(), self._now())
        except session.InvalidToken:
            kept = {}
        state = _argument(request, b"state")
        if not kept or not hmac.compare_digest(kept["state"].encode(), state.encode()):
            raise Error(403, (STALE + self.auth.homeUri).encode())
        wanted: str = kept["redirect"]
        return wanted

    async def _confirm(self, code: str) -> dict[str, Any]:
        try:
            user_info = await maybe(self.auth.verifyCode, code)
        except Error:
            raise
        except Exception:  # policy: this login fails, and the log says why
            log.failure("{name} did not confirm a login", name=self.auth.name)
            raise Error(403, f"{self.auth.name} did not confirm this login; try again".encode())
        if not user_info or not (user_info.get("username") or user_info.get("email")):
            raise Error(403, f"{self.auth.name} did not say who you are".encode())
        return dict(user_info)

    async def _log_in(self, request: Any, user_info: dict[str, Any]) -> None:
        visitor = request.getSession()
        visitor.user_info = user_info
        await maybe(self.auth.updateUserInfo, request)
        if len(visitor.uid) > LARGEST_SESSION:
            groups = len(user_info.get("groups") or ())
            visitor.forget(request)
            log.warn("{user} has too many groups for a cookie: {groups}", user=user_info, groups=groups)
            raise Error(403, f"you are in too many groups ({groups}) for a browser's cookie".encode())

    # -- the cookie ----------------------------------------------------------------------------------------------------

    def _key(self) -> bytes:
        """Another key than that of sessions: what is sealed here is no login."""
        secret = self.www.site.session_secret
        raw = secret.encode() if isinstance(secret, str) else secret
        return hmac.new(raw, b"oauth2 state", hashlib.sha256).digest()

    def _seal(self, values: dict[str, str]) -> bytes:
        return session.make_token(values, self._now() + LASTS_SECONDS, self._key())

    def _now(self) -> float:
        now: float = self.www.site.clock()
        return now

    def _cookie_name(self, request: Any) -> bytes:
        return b"_".join([COOKIE, *(request.sitepath or [])])

    def _set_cookie(self, request: Any, value: bytes, seconds: int) -> None:
        secure = request.isSecure() or session.is_https_proxy(request)
        name = self._cookie_name(request)
        request.addCookie(name, value, path=b"/", max_age=str(seconds), httpOnly=True, secure=secure, sameSite=b"lax")


def _argument(request: Any, name: bytes) -> str:
    text: str = bytes2unicode(request.args.get(name, [b""])[0], errors="replace")
    return text
