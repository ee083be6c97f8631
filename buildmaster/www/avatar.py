"""Pictures of users: ``/avatar?email=&username=&size=`` asks each configured method until one knows the user."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote, urlencode

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.configured import ConfiguredMixin
from buildmaster.base.errors import error
from buildmaster.base.strings import bytes2unicode, unicode2bytes
from buildmaster.www import headers
from buildmaster.www.resource import Redirect, Resource

#: what browsers show as a picture; anything else a directory might hold is not passed on
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: a grey person
NOBODY = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" fill="#9aa4b2"/>'
    b'<circle cx="16" cy="12" r="6" fill="#fff"/><path d="M4 32c0-8 5-12 12-12s12 4 12 12z" fill="#fff"/></svg>'
)


class AvatarBase(ConfiguredMixin):
    """Base of all avatar methods; knows nobody."""

    name = "noavatar"
    master: Any = None

    def getUserAvatar(self, email: bytes, username: bytes | None, size: int, defaultAvatarUrl: bytes) -> Any:
        """A pair (content type, data), None, or a Deferred of either; raises :class:`Redirect` to a picture's URL.

        ``size`` is in pixels.
        """
        return None


class AvatarGravatar(AvatarBase):
    """Pictures of gravatar.com, found by a hash of the e-mail address."""

    name = "gravatar"
    #: what gravatar draws for somebody it does not know
    default = "retro"

    def getUserAvatar(self, email: bytes, username: bytes | None, size: int, defaultAvatarUrl: bytes) -> Any:
        digest = hashlib.md5(unicode2bytes(email).lower(), usedforsecurity=False).hexdigest()
        query = urlencode({"d": self.default, "s": str(size)})
        raise Redirect(f"//www.gravatar.com/avatar/{digest}?{query}")


class AvatarGitHub(AvatarBase):
    """Pictures of GitHub users: by user name, without asking GitHub's API first.

    ``github_api_endpoint`` is the API of a GitHub Enterprise server.  With a ``token`` (or ``client_id`` and
    ``client_secret``) users who are known by their e-mail address only are searched for too.  ``verify=False`` takes
    the server's certificate as it is.
    """

    name = "github"
    DEFAULT_GITHUB_API_URL = "https://api.github.com"
    client: Any = None

    def __init__(
        self,
        github_api_endpoint: str | None = None,
        token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        debug: bool = False,
        verify: bool = True,
    ) -> None:
        if (client_id and not client_secret) or (client_secret and not client_id):
            error("AvatarGitHub: client_id and client_secret must be given together")
        if client_secret and token:
            error("AvatarGitHub: give client_id and client_secret, or a token, not both")
        self.github_api_endpoint = (github_api_endpoint or self.DEFAULT_GITHUB_API_URL).rstrip("/")
        self.token = token
        self.client_creds = (client_id, client_secret) if client_id else None
        self.debug = debug
        self.verify = verify
        self._found: dict[str, str | None] = {}

    @deferred
    async def getUserAvatar(self, email: Any, username: Any, size: int, defaultAvatarUrl: bytes) -> Any:
        url = await self._url(bytes2unicode(email) if email else "", bytes2unicode(username) if username else "")
        if url is None:
            return None
        raise Redirect(url + ("&" if "?" in url else "?") + urlencode({"s": str(size)}))

    async def _url(self, email: str, username: str) -> str | None:
        key = username or email
        if key not in self._found:
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[key] = await self._ask(email, username)
        return self._found[key]

    async def _ask(self, email: str, username: str) -> str | None:
        if username:
            answer = await self._get(f"/users/{quote(username, safe='')}")
            return answer.get("avatar_url") if answer else None
        if not email:
            return None
        answer = await self._get("/search/users?" + urlencode({"q": f"{email} in:email"}))
        items = (answer or {}).get("items") or []
        return items[0].get("avatar_url") if items else None

    async def _get(self, path: str) -> dict[str, Any] | None:
        import treq  # the only place that calls out of the house

        sent = {"User-Agent": "buildmaster", "Accept": "application/vnd.github+json"}
        if self.token:
            sent["Authorization"] = f"token {self.token}"
        options: dict[str, Any] = {"headers": sent, "timeout": 10, "reactor": self.master.reactor}
        if self.client_creds:
            options["auth"] = self.client_creds
        if self.client is not None:
            answer = await maybe(self.client.get, self.github_api_endpoint + path, **options)
        else:
            options["agent"] = _agent(self.master.reactor, self.verify)
            answer = await treq.get(self.github_api_endpoint + path, **options)
        return await answer.json() if answer.code == 200 else None


def _agent(reactor: Any, verify: bool) -> Any:
    from twisted.web.client import Agent

    if verify:
        return Agent(reactor)
    from buildmaster.www.insecure import UncheckedCertificates

    return Agent(reactor, contextFactory=UncheckedCertificates())


class AvatarResource(Resource):
    """``/avatar``."""

    isLeaf = True
    needsReconfig = True
    defaultAvatarUrl = b"img/nobody.png"
    avatarMethods: list[Any] = []

    def reconfigResource(self, new_config: Any) -> None:
        methods = new_config.www.get("avatar_methods", [AvatarGravatar()])
        self.avatarMethods = list(methods) if isinstance(methods, (list, tuple)) else [methods]
        for method in self.avatarMethods:
            method.master = self.master

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self.renderAvatar)

    @deferred
    async def renderAvatar(self, request: Any) -> bytes:
        """The picture of the first method that knows the user, else a grey person."""
        email = request.args.get(b"email", [b""])[0]
        username = request.args.get(b"username", [None])[0]
        request.setHeader(b"cache-control", b"public, max-age=3600")
        for method in self.avatarMethods:
            found = await maybe(method.getUserAvatar, email, username, _size(request), self.defaultAvatarUrl)
            if found and bytes2unicode(found[0]).lower() in _IMAGE_TYPES:
                request.setHeader(b"content-type", unicode2bytes(found[0]))
                return unicode2bytes(found[1])
        headers.foreign(request)
        request.setHeader(b"content-type", b"image/svg+xml")
        return NOBODY


def _size(request: Any) -> int:
    """Pixels asked for, in sane bounds."""
    try:
        return min(512, max(8, int(request.args.get(b"size", [b"32"])[0])))
    except ValueError:
        return 32
