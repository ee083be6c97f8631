"""``c['manhole']``: a Python prompt inside the running master, by telnet or ssh.  Who gets in can do everything.

Twisted's conch does the work; it is imported when a manhole starts, because its packages are an extra.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence
from glob import glob
from importlib.util import find_spec
from typing import Any, cast

from twisted.cred import checkers, credentials, portal
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import defer, endpoints, error, protocol
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base import errors
from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.compare import ComparableMixin
from buildmaster.service import AsyncMultiService

log = Logger()

INSTALL = "pip install 'buildmaster-ci[manhole]'"


class Listing(str):
    """Text that a prompt shows as it is."""

    def __repr__(self) -> str:
        return str(self)


def show(x: Any) -> Listing:
    """The attributes of an object, without its methods, a line each."""
    lines = []
    for name in sorted(name for name in dir(x) if not name.startswith("__")):
        try:
            value = getattr(x, name)
        except Exception as e:  # policy: shown in place of the value
            value = e
        if not callable(value):
            shown = repr(value)
            lines.append(f"{name}: {shown if len(shown) <= 100 else shown[:100] + '…'}")
    return Listing("\n".join(lines))


@implementer(checkers.ICredentialsChecker)
class PasswordChecker:
    """One name and password."""

    credentialInterfaces = (credentials.IUsernamePassword,)

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._name, self._password = _bytes(username), _bytes(password)

    def requestAvatarId(self, given: Any) -> defer.Deferred[Any]:
        """The name, if both are right."""
        name = hmac.compare_digest(_bytes(given.username), self._name)
        password = hmac.compare_digest(_bytes(given.password), self._password)
        return defer.succeed(self._name) if name and password else defer.fail(UnauthorizedLogin())


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class _BaseManhole(AsyncMultiService, ComparableMixin):
    """Listens on ``port`` (a number or strports text); by ssh if there is a directory of host keys, else by telnet.

    ``checker`` is a credentials checker of Twisted, or None for a subclass that makes one in :meth:`make_checker`.
    """

    compare_attrs: Sequence[str] = ("port", "ssh_hostkey_dir")

    def __init__(self, port: int | str, checker: Any, ssh_hostkey_dir: str | None = None) -> None:
        super().__init__()
        kind = type(self).__name__
        self.port = f"tcp:{port}" if str(port).isdigit() else str(port)
        self.checker = checker
        self.ssh_hostkey_dir = ssh_hostkey_dir
        self._listening: Any = None
        self._sessions: set[Any] = set()
        if ":" not in self.port:
            errors.error(
                f"{kind}: port must be a number or strports text, say 'tcp:1234:interface=127.0.0.1', not {port!r}"
            )
        if find_spec("bcrypt") is None or find_spec("cryptography") is None:
            errors.error(f"{kind} needs packages that are not installed: {INSTALL}")

    def make_checker(self) -> Any:
        """The credentials checker."""
        return self.checker

    def _path(self, path: str) -> str:
        """A path of the configuration: relative ones are below the master's directory."""
        return os.path.join(self.master.basedir, os.path.expanduser(path))

    def _namespace(self) -> dict[str, Any]:
        return {"master": self.master, "show": show}

    @deferred
    async def startService(self) -> None:
        """Listen; raises ConfigErrors if that cannot be done."""
        shell = _shell_factory(self._namespace(), self._sessions)
        try:
            if self.ssh_hostkey_dir is None:
                factory = _telnet_factory(shell, self.make_checker())
            else:
                factory = _ssh_factory(shell, self.make_checker(), _host_keys(self._path(self.ssh_hostkey_dir)))
            endpoint = endpoints.serverFromString(self.master.reactor, self.port)
            self._listening = await endpoint.listen(factory)
        except (error.CannotListenError, ValueError, OSError) as e:
            raise errors.ConfigErrors([f"{type(self).__name__} cannot listen on {self.port!r}: {e}"]) from e
        log.info("manhole listening on {port}", port=self.port)
        await as_deferred(super().startService())

    @deferred
    async def stopService(self) -> None:
        """Listen no longer, and end the sessions."""
        await as_deferred(super().stopService())
        listening, self._listening = self._listening, None
        if listening is not None:
            await as_deferred(defer.maybeDeferred(listening.stopListening))
        for session in list(self._sessions):
            session.terminal.loseConnection()


def _shell_factory(namespace: dict[str, Any], sessions: set[Any]) -> Callable[[], Any]:
    from twisted.conch.insults import insults
    from twisted.conch.manhole import ColoredManhole

    class Shell(ColoredManhole):
        """A prompt that is known while it is open."""

        def connectionMade(self) -> None:
            sessions.add(self)
            super().connectionMade()

        def connectionLost(self, reason: Any) -> None:
            sessions.discard(self)
            super().connectionLost(reason)

    return lambda: insults.ServerProtocol(Shell, dict(namespace))


def _telnet_factory(shell: Callable[[], Any], checker: Any) -> Any:
    from twisted.conch import telnet

    @implementer(portal.IRealm)
    class Realm:
        """Gives everybody who has logged in a prompt."""

        def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
            """A prompt."""
            return telnet.ITelnetProtocol, telnet.TelnetBootstrapProtocol(shell), lambda: None

    factory = protocol.ServerFactory()
    door = portal.Portal(cast(portal.IRealm, Realm()), [checker])
    factory.protocol = lambda: telnet.TelnetTransport(telnet.AuthenticatingTelnetProtocol, door)
    return factory


def _ssh_factory(shell: Callable[[], Any], checker: Any, keys: dict[bytes, Any]) -> Any:
    from twisted.conch import manhole_ssh

    class Session(manhole_ssh.TerminalSession):
        """A session whose client may close its input."""

        def eofReceived(self) -> None:
            """Nothing more is typed; what was typed is still answered."""

    realm: Any = manhole_ssh.TerminalRealm()
    realm.sessionFactory = Session
    realm.chainedProtocolFactory = shell
    factory = manhole_ssh.ConchFactory(portal.Portal(realm, [checker]))
    factory.publicKeys = {name: key.public() for name, key in keys.items()}
    factory.privateKeys = dict(keys)
    return factory


def _host_keys(directory: str) -> dict[bytes, Any]:
    from twisted.conch.ssh import keys

    found = [keys.Key.fromFile(path) for path in sorted(glob(os.path.join(directory, "ssh_host_*_key")))]
    if not found:
        raise ValueError(
            f"there is no host key in {directory}; make one: "
            f"ssh-keygen -q -N '' -t ed25519 -f {os.path.join(directory, 'ssh_host_ed25519_key')}"
        )
    return {key.sshType(): key for key in found}


class TelnetManhole(_BaseManhole):
    """A prompt by telnet for ``username`` with ``password``; all goes over the wire as plain text."""

    compare_attrs: Sequence[str] = ("username", "password")

    def __init__(self, port: int | str, username: str, password: str) -> None:
        self.username, self.password = username, password
        super().__init__(port, PasswordChecker(username, password))


class PasswordManhole(_BaseManhole):
    """A prompt by ssh for ``username`` with ``password``.

    ``ssh_hostkey_dir`` holds the master's own keys, as files ``ssh_host_*_key``; relative paths are below the
    master's directory.
    """

    compare_attrs: Sequence[str] = ("username", "password")

    def __init__(self, port: int | str, username: str, password: str, ssh_hostkey_dir: str) -> None:
        if not ssh_hostkey_dir:
            errors.error("PasswordManhole: ssh_hostkey_dir must be given, the directory of the master's ssh host keys")
        self.username, self.password = username, password
        super().__init__(port, PasswordChecker(username, password), ssh_hostkey_dir)


class AuthorizedKeysManhole(_BaseManhole):
    """A prompt by ssh, under any name, for those who have a key that ``keyfile`` lists, as ``authorized_keys`` does.

    ``ssh_hostkey_dir`` is as for :class:`PasswordManhole`; the file is read at each login.
    """

    compare_attrs: Sequence[str] = ("keyfile",)

    def __init__(self, port: int | str, keyfile: str, ssh_hostkey_dir: str) -> None:
        if not ssh_hostkey_dir:
            errors.error("AuthorizedKeysManhole: ssh_hostkey_dir must be given, the directory of the ssh host keys")
        self.keyfile = keyfile
        super().__init__(port, None, ssh_hostkey_dir)

    def make_checker(self) -> Any:
        """A checker of keys."""
        from twisted.conch import checkers as conch_checkers

        @implementer(conch_checkers.IAuthorizedKeysDB)
        class Keys:
            """The keys of the file, for everybody."""

            @staticmethod
            def getAuthorizedKeys(username: Any) -> list[Any]:
                """The keys."""
                with open(self._path(self.keyfile), "rb") as file:
                    return list(conch_checkers.readAuthorizedKeyFile(file))

        keys: Any = Keys()
        return conch_checkers.SSHPublicKeyChecker(keys)


class ArbitraryCheckerManhole(_BaseManhole):
    """A prompt by telnet for whom a credentials checker of Twisted lets in."""

    compare_attrs: Sequence[str] = ("checker",)

    def __init__(self, port: int | str, checker: Any) -> None:
        if not checkers.ICredentialsChecker.providedBy(checker):
            errors.error(f"ArbitraryCheckerManhole: checker must be an ICredentialsChecker, not {checker!r}")
        super().__init__(port, checker)
