"""The web service: listens, follows the configuration, and knows who is asking and what he may do.

It composes the site out of the other files here and holds what they share: settings, origins, the session secret.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet import endpoints
from twisted.logger import Logger
from twisted.web import guard
from twisted.web.error import Error

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import ConfigErrors
from buildmaster.db import state
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin
from buildmaster.www import origins, session
from buildmaster.www.auth import SESSION_SECRET_LENGTH, AuthBase, AuthRootResource, NoAuth
from buildmaster.www.avatar import AvatarResource
from buildmaster.www.badges import BadgesResource
from buildmaster.www.change_hook import ChangeHookResource, guarded
from buildmaster.www.dashboards import DashboardsResource
from buildmaster.www.frontend import ConfigResource, ThemeResource
from buildmaster.www.late import metrics, websocket
from buildmaster.www.pages.site import PagesRoot
from buildmaster.www.plugin import load_plugins
from buildmaster.www.resource import Directory
from buildmaster.www.rest import RestRootResource
from buildmaster.www.settings import Settings
from buildmaster.www.site import BuildbotSite
from buildmaster.www.sse import EventResource
from buildmaster.www.static import StaticResource

log = Logger()

STATE_OBJECT = ("www", "buildbot.www.service.WWWService")
LISTEN_BACKLOG = 1024
OPEN_WARNING = (
    "the web server at {port} has no authz: EVERYBODY who can reach it may force, stop and cancel builds. "
    "Set c['www']['authz'] (and 'auth'), or let it listen on tcp:...:interface=127.0.0.1 only"
)

OPEN_HOOKS_WARNING = (
    "the web hooks {hooks} have neither a secret nor c['www']['change_hook_auth']: EVERYBODY who can reach {port} may "
    "send changes"
)


class WWWService(ReconfigurableServiceMixin, AsyncMultiService):
    """``master.www``."""

    name = "www"

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self.origins = origins.OriginPolicy()
        self.site: BuildbotSite | None = None
        self.port: str | None = None
        self.dashboards: Any = None
        self._listening: Any = None
        self._warned_of: str | None = None
        self._auth: AuthBase = NoAuth()
        self._hooks: Any = None
        self._warned_of_hooks: tuple[str, ...] = ()
        self._hung: dict[bytes, Any] = {}
        self._resources: list[Any] = []
        self._open: list[Any] = []
        self._plugins: list[str] = []

    # -- following the configuration -----------------------------------------------------------------------------------

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Take over a new configuration; listen elsewhere if the port changed.

        The new port is opened before the old one is closed; if it can't be, the old one stays and the error is raised.
        """
        settings = Settings.of(new_config.www)
        port = endpoint_description(settings.port)
        if port is not None and self.site is None:
            await self.setupSite(new_config)
        listening = await self._listen(port) if port is not None and port != self.port else None
        self.settings = settings
        local_only = port is not None and is_local(port)
        self.origins = origins.OriginPolicy.of(settings.allowed_origins, new_config.buildbotURL or "", local_only)
        await self.reconfigSite(new_config)
        if port != self.port:
            await self._stop_listening()
            self.port, self._listening = port, listening
        if port is not None and settings.authz is None and self._warned_of != port and not is_local(port):
            log.warn(OPEN_WARNING, port=port)
        self._warned_of = port if settings.authz is None else None
        self._warn_of_open_hooks(port)
        await as_deferred(super().reconfigServiceWithBuildbotConfig(new_config))

    def _warn_of_open_hooks(self, port: str | None) -> None:
        """Say once which hooks take changes from strangers."""
        hooks = () if port is None or is_local(port) or self.settings.change_hook_auth else self._hooks.open_dialects()
        if hooks and hooks != self._warned_of_hooks:
            log.warn(OPEN_HOOKS_WARNING, hooks=", ".join(hooks), port=port)
        self._warned_of_hooks = hooks

    async def _listen(self, port: str) -> Any:
        assert self.site is not None
        endpoint = endpoints.serverFromString(self.master.reactor, port)
        try:
            return await endpoint.listen(self.site)
        except Exception as error:
            raise ConfigErrors([f"c['www']['port']: can't listen on {port}: {error}"])

    @deferred
    async def setupSite(self, new_config: Any) -> None:
        """Make the tree of resources and the site."""
        settings = Settings.of(new_config.www)
        root = PagesRoot(self.master)
        events, sockets = EventResource(self.master), websocket(self.master)
        self._hooks = ChangeHookResource(self.master)
        self._open = [events, sockets, root, self._hooks]
        self.dashboards, badges = DashboardsResource(self.master), BadgesResource(self.master)
        self._open.append(self.dashboards)
        children: dict[bytes, Any] = {
            b"api": RestRootResource(self.master),
            b"auth": AuthRootResource(self.master),
            b"avatar": AvatarResource(self.master),
            b"badges": badges,
            b"config": ConfigResource(self.master),
            b"metrics": metrics(self.master),
            b"plugins": Directory(badges=badges),
            b"sse": events,
            b"static": StaticResource(),
            b"theme.css": ThemeResource(self.master),
            b"ws": sockets,
            b"wsgi_dashboards": self.dashboards,
        }
        for path, resource in {**children, **self._hung}.items():
            root.putChild(path, resource)
        self.site = self._make_site(root, settings)
        self.site.setSessionSecret(await self.makeSessionSecret())

    def _make_site(self, root: Any, settings: Settings) -> BuildbotSite:
        site = BuildbotSite(root, *self._access_log(settings), self.master.reactor.seconds)
        site.master = self.master
        return site

    def _access_log(self, settings: Settings) -> tuple[str | None, int, int | None]:
        """Path, size in bytes at which it is rotated, and number of old files; as twistd.log unless it is set."""
        path = str(Path(self.master.basedir, settings.logfileName)) if settings.logfileName else None
        rotation = self.master.log_rotation
        length, count = settings.logRotateLength, settings.maxRotatedFiles
        return path, length or rotation.rotateLength, rotation.maxRotatedFiles if count is None else count

    @deferred
    async def reconfigSite(self, new_config: Any) -> None:
        """Give each resource, the auth and the rules the new configuration."""
        if self.settings.authz is not None:
            self.settings.authz.setMaster(self.master)
        self._auth = self.settings.auth or NoAuth()
        await maybe(self._auth.reconfigAuth, self.master, new_config)
        for resource in self._resources:
            await maybe(resource.reconfigResource, new_config)
        expiry = self.settings.cookie_expiration_time
        if self.site is not None:
            self.site.session_lasts = expiry
            self.site.log_to(*self._access_log(self.settings))
            self.site.resource.putChild(b"change_hook", guarded(self._hooks, self.settings.change_hook_auth))
            self.configPlugins(self.site.resource, new_config)

    def hang(self, path: str, resource: Any) -> None:
        """Have a resource at ``/path``, from now on or as soon as there is a web server."""
        self._hung[path.encode()] = resource
        if self.site is not None:
            self.site.resource.putChild(path.encode(), resource)

    def take_down(self, path: str) -> None:
        """Have a resource that was hung no more."""
        self._hung.pop(path.encode(), None)
        if self.site is not None:
            self.site.resource.delEntity(path.encode())

    def resourceNeedsReconfigs(self, resource: Any) -> None:
        """Have ``resource.reconfigResource(new_config)`` called with each new configuration."""
        self._resources.append(resource)

    def configPlugins(self, root: Any, new_config: Any) -> None:
        """Hang the installed web plugins that ``c['www']['plugins']`` names below ``root``, and only those."""
        for name in self._plugins:
            root.delEntity(name.encode())
        self._plugins = []
        for name, plugin in load_plugins(new_config.www.get("plugins") or {}).items():
            plugin.setMaster(self.master)
            plugin.setConfiguration(new_config.www["plugins"][name])
            if plugin.resource is not None:
                root.putChild(name.encode(), plugin.resource)
                self._plugins.append(name)

    @deferred
    async def makeSessionSecret(self) -> str:
        """The secret of sessions: from the database, made there by the first master that needs it."""
        return await self.master.db.write(_stored_secret, secrets.token_hex(SESSION_SECRET_LENGTH // 2))

    @deferred
    async def stopService(self) -> None:
        """Close the port and all answers that would otherwise never end."""
        await self._stop_listening()
        for resource in self._open:
            await maybe(resource.close_all)
        await as_deferred(super().stopService())

    async def _stop_listening(self) -> None:
        listening, self._listening, self.port = self._listening, None, None
        if listening is not None:
            await maybe(listening.stopListening)

    def getPortnum(self) -> int:
        """The TCP port that is listened on; useful when the configuration says 0."""
        return self._listening.getHost().port

    # -- who is asking ------------------------------------------------------------------------------------

    @property
    def auth(self) -> AuthBase:
        """The configured authentication."""
        return self._auth

    def setupProtectedResource(self, resource_obj: Any, checkers: Any) -> Any:
        """A resource that asks for name and password by HTTP; ``resource_obj`` is the realm that makes it."""
        portal = Portal(resource_obj, checkers)
        return guard.HTTPAuthSessionWrapper(portal, self._auth.credentialFactories)  # type: ignore[attr-defined]

    async def visitor(self, request: Any) -> dict[str, Any]:
        """The user info of whoever sent this request, logging him in if the request proves who he is."""
        if not isinstance(self._auth, NoAuth):
            await maybe(self._auth.maybeAutoLogin, request)
        return session.peek(request, request.site)

    def getUserInfos(self, request: Any) -> dict[str, Any]:
        """The user info of this request's session."""
        return session.peek(request, request.site)

    def user_of_cookies(self, header: str) -> dict[str, Any]:
        """The user info that a Cookie header carries."""
        try:
            cookies = SimpleCookie(header)
        except CookieError:
            cookies = SimpleCookie()
        assert self.site is not None
        for name in (session.COOKIE, session.SECURE_COOKIE):
            found = cookies.get(name.decode())
            if found is not None:
                try:
                    return session.read_token(found.value, self.site.session_secret, self.site.clock())
                except session.InvalidToken:
                    continue
        return session.build_anonymous_user_info()

    # -- what he may do ------------------------------------------------------------------------------------

    @deferred
    async def assertUserAllowed(self, request: Any, ep: Any, action: str, options: Any) -> None:
        """Raise :class:`~.authz.authz.Forbidden` unless this request's visitor may do this."""
        if self.settings.authz is not None:
            user = await self.visitor(request)
            await maybe(self.settings.authz.assertUserAllowed, ep, action, options, user)

    @deferred
    async def assert_user_info_allowed(self, user: dict[str, Any], ep: Any, action: str, options: Any) -> None:
        """The same for a user who is known already."""
        if self.settings.authz is not None:
            await maybe(self.settings.authz.assertUserAllowed, ep, action, options, user)

    async def may(self, request: Any, ep: Any, action: str) -> bool:
        """Whether this request's visitor may do this; the pages ask before they show a button."""
        try:
            await self.assertUserAllowed(request, ep, action, {})
        except Error:
            return False
        return True

    def check_cross_origin(self, request: Any) -> None:
        """Answer for a page of another origin only if it is allowed; raises an Error (400) otherwise."""
        origin = origins.header(request, b"origin")
        if not origin or self.origins.is_own(origin, origins.header(request, b"host")):
            return
        if not self.origins.may_cross(origin):
            raise Error(400, b"invalid origin")
        headers = request.responseHeaders
        headers.setRawHeaders(b"access-control-allow-origin", [origin.encode("latin-1")])
        headers.setRawHeaders(b"access-control-allow-headers", [b"Content-Type"])
        headers.setRawHeaders(b"access-control-max-age", [b"3600"])
        headers.addRawHeader(b"vary", b"Origin")


def endpoint_description(port: str | int | None) -> str | None:
    """The Twisted endpoint that a configured port stands for."""
    if port is None:
        return None
    text = str(port)
    if text.isdigit():
        text = f"tcp:{text}"
    if text.startswith("tcp:") and "backlog=" not in text:
        text += f":backlog={LISTEN_BACKLOG}"
    return text


def is_local(port: str) -> bool:
    """Whether only programs of this machine can reach this endpoint."""
    return port.startswith("unix:") or "interface=127." in port or "interface=localhost" in port


def _stored_secret(txn: Any, candidate: str) -> str:
    objectid = state.object_id(txn, *STATE_OBJECT)
    return state.create(txn, objectid, "session_secret", candidate)
