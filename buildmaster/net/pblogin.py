"""Who may come in through a Perspective Broker port: user names, passwords and what each of them gets.

A wrong password and an unknown name are refused alike: the same answer after the same work.  Nothing here opens a port
(:mod:`.pblisten` does) or knows what an avatar is for.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.net.pbreader import FastBanana

log = Logger()

LOGIN_DEADLINE = 60.0
"""Seconds that a peer may stay connected without having logged in."""

AvatarFactory = Callable[[Any, str], Any]
"""``factory(mind, username)``: the avatar (its Deferred or coroutine) for a peer that has proved its password."""


class Refused(pb.Error):
    """A peer that knows its password is not wanted now; the message tells it why."""


class GoAway(Exception):
    """The peer shall be disconnected without an answer, so that it comes again later."""


@attrs.frozen
class User:
    """One name that may log in."""

    password: bytes
    factory: AvatarFactory


@implementer(IRealm, ICredentialsChecker)
class Door:
    """The names of one port, as Twisted's newcred wants them: checker and realm in one."""

    credentialInterfaces = (pb.IUsernameMD5Password,)

    def __init__(self, opened: Callable[[], defer.Deferred[None]]) -> None:
        """``opened()`` fires when logins may be answered: at once, except while a configuration is being made live."""
        self.users: dict[str, User] = {}
        self._opened = opened
        self._decoy = User(os.urandom(16), lambda mind, name: None)

    @deferred
    async def requestAvatarId(self, credentials: Any) -> str:
        """The name of a peer whose answer to the challenge is right; raises UnauthorizedLogin for any other."""
        name = _text(credentials.username)
        response = credentials.response if isinstance(credentials.response, bytes) else b""
        await self.admit(name, response, lambda password: pb.respond(credentials.challenge, password))
        return name

    async def admit(self, name: str, proof: bytes, expected: Callable[[bytes], bytes]) -> User:
        """The user whose password gives ``proof`` by ``expected(password)``; raises UnauthorizedLogin for any other."""
        await self._opened()
        user = self.users.get(name, self._decoy)
        right = hmac.compare_digest(expected(user.password), proof)
        if not right or user is self._decoy:
            log.info("refused the login of {name!r}: unknown name or wrong password", name=name[:100])
            raise UnauthorizedLogin()
        return user

    @deferred
    async def requestAvatar(self, avatarId: str, mind: Any, *interfaces: Any) -> tuple[Any, Any, Callable[[], Any]]:
        """Make the avatar of a peer that has logged in."""
        try:
            user = self.users.get(avatarId)
            if user is None:  # unregistered between its two messages
                raise UnauthorizedLogin()
            avatar = await maybe(user.factory, mind, avatarId)
            if avatar is None:
                raise UnauthorizedLogin()
            if hasattr(avatar, "attached"):
                avatar = await maybe(avatar.attached, mind) or avatar
            if getattr(getattr(mind, "broker", None), "disconnected", False):
                _leave(avatar, mind)
                raise GoAway("it left while it was logging in")
        except (Refused, UnauthorizedLogin):
            raise
        except Exception as e:
            _turn_away(avatarId, mind, e)
            raise Refused("try again later") from e
        return pb.IPerspective, avatar, lambda: _leave(avatar, mind)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _turn_away(name: str, mind: Any, why: Exception) -> None:
    """Close the connection instead of answering: to the real worker an error is final, a lost connection is not."""
    if not isinstance(why, GoAway):
        log.failure("the login of {name!r} failed; it is disconnected and may come again", Failure(why), name=name)
    transport = getattr(getattr(mind, "broker", None), "transport", None)
    if transport is not None:
        transport.abortConnection()


def _leave(avatar: Any, mind: Any) -> None:
    left = getattr(avatar, "detached", None)
    if left is not None:
        gone = defer.maybeDeferred(left, mind)
        gone.addErrback(lambda f: log.failure("a PB client's good-bye failed", f))


class Broker(FastBanana, pb.Broker):
    """A connection that reads fast and does not fill the log with the tracebacks of refused logins."""

    def _sendFailure(self, fail: Failure, requestID: int) -> None:
        if fail.check(UnauthorizedLogin, Refused):
            self._sendError(fail, requestID)
        else:
            super()._sendFailure(fail, requestID)


class ServerFactory(pb.PBServerFactory):
    """Connections of one port; those that do not log in are dropped after :data:`LOGIN_DEADLINE`."""

    protocol = Broker
    noisy = False

    def __init__(self, door: Door, clock: Any, held: Callable[[], bool]) -> None:
        super().__init__(Portal(cast(IRealm, door), [cast(ICredentialsChecker, door)]))
        self._clock = clock
        self._held = held

    def buildProtocol(self, addr: Any) -> pb.Broker:
        """A peer has connected."""
        broker = super().buildProtocol(addr)
        broker.login_timer = self._clock.callLater(LOGIN_DEADLINE, self._late, broker)
        broker.notifyOnDisconnect(lambda: broker.login_timer.active() and broker.login_timer.cancel())
        return broker

    def clientConnectionMade(self, protocol: pb.Broker) -> None:
        """A peer has shown that it speaks the protocol.

        Nagle's algorithm is turned off: it would hold a call back until the peer has acknowledged the answer sent just
        before, and a peer that has nothing to say delays that by 40 ms.
        """
        transport: Any = protocol.transport
        if hasattr(transport, "setTcpKeepAlive"):
            transport.setTcpKeepAlive(True)
            transport.setTcpNoDelay(True)

    def _late(self, broker: Any) -> None:
        if self._held():
            broker.login_timer = self._clock.callLater(LOGIN_DEADLINE, self._late, broker)
        elif not _has_avatar(broker) and broker.transport is not None:
            broker.transport.abortConnection()


def _has_avatar(protocol: pb.Broker) -> bool:
    """Whether the peer of this connection has logged in: only then something is to be cleaned up after it."""
    return bool(protocol._localCleanup)
