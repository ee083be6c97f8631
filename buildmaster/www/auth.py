"""Authentication: how the web front finds out who somebody is.

An auth object is given as ``c['www']['auth']``.  It makes the resources behind ``/auth/login`` and ``/auth/logout``,
and may log visitors in by itself from what a proxy says (:class:`RemoteUserAuth`).
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from twisted.cred import error as cred_error
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.portal import IRealm, Portal
from twisted.internet import defer
from twisted.web.error import Error
from twisted.web.guard import BasicCredentialFactory
from twisted.web.resource import IResource
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.configured import ConfiguredMixin
from buildmaster.base.errors import error
from buildmaster.base.strings import bytes2unicode, unicode2bytes
from buildmaster.www import htpasswd
from buildmaster.www.resource import ErrorPage, Redirect, Resource, protect_redirect_url

SESSION_SECRET_LENGTH = 128
SESSION_SECRET_ALGORITHM = "HS256"


class UserInfoProviderBase(ConfiguredMixin):
    """Finds more about a user than the login told; subclasses ask a directory, a database …"""

    name = "noinfo"
    #: the master, once the authentication belongs to one
    master: Any = None

    def getUserInfo(self, username: str) -> Any:
        """A dict (or a Deferred of one) with ``email``, ``full_name``, ``groups`` … of this user."""
        return defer.succeed({"email": username})


class AuthRootResource(Resource):
    """``/auth``: login and logout as the configured auth makes them."""

    def getChild(self, path: bytes, request: Any) -> Any:
        if path == b"login":
            return self.master.www.auth.getLoginResource()
        if path == b"logout":
            return self.master.www.auth.getLogoutResource()
        return ErrorPage(404, "No such page")


class AuthBase(ConfiguredMixin):
    """Base of all authentication plugins."""

    #: whether visitors of a page who are not logged in are sent to the login at once
    autologin = False

    def __init__(self, userInfoProvider: Any = None) -> None:
        self.userInfoProvider = UserInfoProviderBase() if userInfoProvider is None else userInfoProvider
        self.master: Any = None

    def getConfigDict(self) -> dict[str, Any]:
        """What the front end may know: the name of the method."""
        return {"name": self.name or type(self).__name__}

    def reconfigAuth(self, master: Any, new_config: Any) -> Any:
        """The auth belongs to this master from now on."""
        self.master = master
        provider = getattr(self, "userInfoProvider", None)  # a subclass may not have called our constructor
        if provider is not None:
            provider.master = master

    def maybeAutoLogin(self, request: Any) -> Any:
        """Log a visitor in from what the request itself proves; may return a Deferred."""
        return defer.succeed(None)

    def getLoginResource(self) -> Any:
        """The resource behind ``/auth/login``."""
        return ErrorPage(501, "This master has no login: c['www']['auth'] is not set")

    def getLogoutResource(self) -> Any:
        """The resource behind ``/auth/logout``."""
        return LogoutResource(self.master)

    @deferred
    async def updateUserInfo(self, request: Any) -> None:
        """Complete the session's user info from the provider and store it in the visitor's cookie."""
        visitor = request.getSession()
        if self.userInfoProvider is not None:
            found = await maybe(self.userInfoProvider.getUserInfo, visitor.user_info["username"])
            visitor.user_info.update(found)
        visitor.updateSession(request)

    @property
    def has_form(self) -> bool:
        """Whether the login page may ask for a name and a password."""
        return False


class NoAuth(AuthBase):
    """Nobody can log in; everybody is anonymous."""


class LoginResource(Resource):
    """A login that redirects to where the visitor came from."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self.renderLogin)

    def renderLogin(self, request: Any) -> Any:
        """Log in and return bytes or raise :class:`Redirect`; subclasses say how."""
        raise Error(501, b"this login has no way to find out who you are")


class LogoutResource(Resource):
    """Forgets the visitor."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        request.getSession().forget(request)
        request.redirect(redirect_target(self.master, request))
        return b""

    render_POST = render_GET


class PreAuthenticatedLoginResource(LoginResource):
    """The rest of a login once the name is proven."""

    def __init__(self, master: Any, username: str | bytes) -> None:
        super().__init__(master)
        self.username = username

    @deferred
    async def renderLogin(self, request: Any) -> bytes:
        await log_in(self.master, request, bytes2unicode(self.username))
        raise Redirect(redirect_target(self.master, request))

    render_POST = LoginResource.render_GET


async def log_in(master: Any, request: Any, username: str) -> None:
    """Make this request's visitor the user of this name."""
    request.getSession().user_info = {"username": username}
    await maybe(master.www.auth.updateUserInfo, request)


def redirect_target(master: Any, request: Any) -> bytes:
    """Where to go after a login or logout: the page named in ``redirect``, never another site.

    It is relative, so that it is right under whatever name the browser reached the master.
    """
    wanted = bytes2unicode(request.args.get(b"redirect", [b""])[0], errors="replace")
    return protect_redirect_url("../" + site_path(wanted))


def site_path(wanted: str) -> str:
    """A visitor's wish where to go, as a path below the site's root; the root if it leads anywhere else."""
    path = wanted.lstrip("#")
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or path.startswith(("//", "/\\", "\\")):
        return ""
    return path.lstrip("/")


def _redirect(master: Any, request: Any) -> Redirect:
    """The exception that ends a login."""
    return Redirect(redirect_target(master, request))


class RemoteUserAuth(AuthBase):
    """Trusts the user name that a proxy in front of the master puts into a header.

    ``header`` is that header, ``headerRegex`` finds ``username`` (and perhaps ``realm``) in its value.  Nobody may be
    able to reach the master's port but through the proxy.
    """

    header = b"REMOTE_USER"
    headerRegex = re.compile(rb"(?P<username>[^ @]+)@(?P<realm>[^ @]+)")

    def __init__(self, header: Any = None, headerRegex: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.userInfoProvider is None:
            self.userInfoProvider = UserInfoProviderBase()
        if header is not None:
            self.header = unicode2bytes(header)
        if headerRegex is not None:
            self.headerRegex = re.compile(unicode2bytes(headerRegex)) if _is_text(headerRegex) else headerRegex
        if "username" not in self.headerRegex.groupindex:
            error("RemoteUserAuth: headerRegex needs a group (?P<username>...)")

    def getLoginResource(self) -> Any:
        """Reached only if the proxy did not say who is there."""
        return _RemoteUserLogin(self.master, self.header)

    @deferred
    async def maybeAutoLogin(self, request: Any) -> None:
        """Take the name from the header; raises an :class:`Error` (403) if its value does not match the pattern."""
        value = request.getHeader(self.header)
        if value is None:
            return
        found = self.headerRegex.match(value)
        if found is None:
            raise Error(403, b'the header "' + self.header + b'" does not match ' + self.headerRegex.pattern)
        user_info = {name: bytes2unicode(text) for name, text in found.groupdict().items()}
        visitor = request.getSession()
        if any(visitor.user_info.get(name) != value for name, value in user_info.items()):
            visitor.user_info = user_info
            await maybe(self.updateUserInfo, request)


class _RemoteUserLogin(LoginResource):
    def __init__(self, master: Any, header: bytes) -> None:
        super().__init__(master)
        self.header = header

    @deferred
    async def renderLogin(self, request: Any) -> bytes:
        await maybe(self.master.www.auth.maybeAutoLogin, request)
        if request.getSession().user_info.get("anonymous"):
            message = b'no header "' + self.header + b'" in the request: check that the proxy in front sets it'
            raise Error(403, message)
        raise _redirect(self.master, request)


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes))


@implementer(IRealm)
class AuthRealm:
    """Gives a proven name its login resource."""

    def __init__(self, master: Any, auth: AuthBase) -> None:
        self.auth = auth
        self.master = master

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        if IResource in interfaces:
            return (IResource, PreAuthenticatedLoginResource(self.master, avatarId), lambda: None)
        raise TypeError("this realm has web resources only")


class TwistedICredAuthBase(AuthBase):
    """Name and password, checked by Twisted credential checkers.

    Scripts log in with HTTP Basic at ``/auth/login``; people by the form of the login page.
    """

    def __init__(self, credentialFactories: Iterable[Any], checkers: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.userInfoProvider is None:
            self.userInfoProvider = UserInfoProviderBase()
        self.credentialFactories = list(credentialFactories)
        self.checkers = list(checkers)

    @property
    def has_form(self) -> bool:
        return True

    def getLoginResource(self) -> Any:
        return _PasswordLogin(
            self.master,
            self,
            self.master.www.setupProtectedResource(AuthRealm(self.master, self), self.checkers),
        )

    async def check_password(self, username: str, password: str) -> str | None:
        """The user's name if the password is right, else None."""
        realm: Any = AuthRealm(self.master, self)
        portal = Portal(realm, self.checkers)
        credentials: Any = UsernamePassword(username.encode(), password.encode())
        try:
            _, avatar, _ = await portal.login(credentials, None, IResource)
        except (cred_error.UnauthorizedLogin, cred_error.LoginFailed):
            return None
        proven: Any = avatar
        return bytes2unicode(proven.username)


class _PasswordLogin(Resource):
    """``/auth/login`` of name and password: HTTP Basic by GET, the form by POST."""

    isLeaf = True

    def __init__(self, master: Any, auth: TwistedICredAuthBase, protected: Any) -> None:
        super().__init__(master)
        self.auth = auth
        self.protected = protected

    def render_GET(self, request: Any) -> Any:
        request.postpath = []
        return self.protected.getChildWithDefault(b"", request).render(request)

    def render_POST(self, request: Any) -> int:
        if request.getHeader(b"authorization"):
            return self.render_GET(request)
        return self.asyncRenderHelper(request, self._check_form)

    async def _check_form(self, request: Any) -> bytes:
        if self.master.www.origins.refuses(request):
            raise Error(403, b"this form was sent from another site")
        username, password = (
            bytes2unicode(request.args.get(key, [b""])[0], errors="replace") for key in (b"username", b"password")
        )
        proven = await self.auth.check_password(username, password)
        if proven is None:
            raise Redirect("../login?failed=1")
        await log_in(self.master, request, proven)
        raise Redirect(redirect_target(self.master, request))


@implementer(ICredentialsChecker)
class PasswordTable:
    """Names and passwords of the configuration.

    An unknown name takes as long as a wrong password.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, users: Mapping[Any, Any]) -> None:
        self._passwords = {unicode2bytes(name): unicode2bytes(password) for name, password in users.items()}
        self._nobody = os.urandom(16)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        name, given = unicode2bytes(credentials.username), unicode2bytes(credentials.password)
        right = self._passwords.get(name, self._nobody)
        if hmac.compare_digest(right, given) and name in self._passwords:
            return defer.succeed(name)
        return defer.fail(cred_error.UnauthorizedLogin())


class UserPasswordAuth(TwistedICredAuthBase):
    """Names and passwords given in the configuration: a dict, or a list of pairs."""

    def __init__(self, users: Any, **kwargs: Any) -> None:
        try:
            table = dict(users)
        except (TypeError, ValueError):
            error("UserPasswordAuth: users must be a dict {name: password} or a list of (name, password)")
            table = {}
        super().__init__([BasicCredentialFactory(b"buildbot")], [PasswordTable(table)], **kwargs)


@implementer(ICredentialsChecker)
class CustomAuth(TwistedICredAuthBase):
    """Subclass it and override :meth:`check_credentials`."""

    credentialInterfaces = [IUsernamePassword]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([BasicCredentialFactory(b"buildbot")], [self], **kwargs)

    @deferred
    async def requestAvatarId(self, cred: Any) -> str:
        """The name, if :meth:`check_credentials` says so."""
        username = bytes2unicode(cred.username)
        if await maybe(self.check_credentials, username, bytes2unicode(cred.password)):
            return username
        raise cred_error.UnauthorizedLogin()

    def check_credentials(self, username: str, password: str) -> Any:
        """True (or a Deferred of it) if this user has this password."""
        return False


class HTPasswdAuth(TwistedICredAuthBase):
    """Names and passwords of an Apache ``.htpasswd`` file, read anew when it changes."""

    def __init__(self, passwdFile: str, **kwargs: Any) -> None:
        super().__init__([BasicCredentialFactory(b"buildbot")], [htpasswd.PasswordFile(passwdFile)], **kwargs)
