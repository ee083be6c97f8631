"""A real IRC server in memory, the bot of a master in it, and people who type."""

from __future__ import annotations

from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.protocol import Protocol
from twisted.test import iosim
from twisted.words import service
from zope.interface import implementer


@implementer(ICredentialsChecker)
class _Anybody:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> Any:
        name = credentials.username
        return name.decode() if isinstance(name, bytes) else name


class Person(Protocol):
    """Types lines and reads what comes."""

    def __init__(self) -> None:
        self.read = b""

    def dataReceived(self, data: bytes) -> None:
        self.read += data


class IrcWorld:
    """``kit`` is the master's; the bot is connected whenever :meth:`pump` finds that it wants to."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit
        realm = service.InMemoryWordsRealm("irc")
        realm.createUserOnRequest = realm.createGroupOnRequest = True
        self.server = service.IRCFactory(realm, Portal(realm, [_Anybody()]))
        self.lines: list[str] = []  # what the bot sent, as it was sent
        self.is_there = True
        self._pumps: list[Any] = []
        self._bots: list[Any] = []

    def connect(self) -> None:
        """Let the bot's newest attempt to connect succeed, or fail if nobody is there."""
        attempts = self.kit.reactor.tcpClients
        while attempts:
            factory = attempts.pop(0)[2]
            if not self.is_there:
                from twisted.internet.error import ConnectionRefusedError
                from twisted.python.failure import Failure

                factory.clientConnectionFailed(_Connector(self, factory), Failure(ConnectionRefusedError()))
                continue
            bot = factory.buildProtocol(None)
            sent = bot.sendLine

            def send(line: str, sent: Any = sent) -> None:
                self.lines.append(line)
                sent(line)

            bot.sendLine = send
            self._bots.append((bot, factory, self._join(bot)))
        self.pump()

    def _join(self, client: Any) -> Any:
        protocol = self.server.buildProtocol(None)
        transport = iosim.FakeTransport(client, isServer=False)
        pump = iosim.connect(protocol, iosim.FakeTransport(protocol, isServer=True), client, transport)
        self._pumps.append(pump)
        return pump

    def cut(self) -> None:
        """The bot's connection breaks."""
        from twisted.internet.error import ConnectionLost
        from twisted.python.failure import Failure

        bot, factory, pump = self._bots.pop()
        self._pumps.remove(pump)
        pump.server.connectionLost(Failure(ConnectionLost()))
        bot.connectionLost(Failure(ConnectionLost()))
        factory.clientConnectionLost(_Connector(self, factory), Failure(ConnectionLost()))
        self.pump()

    def pump(self) -> None:
        """Let everything happen that happens by itself."""
        moved = True
        while moved:
            self.kit.pump()
            moved = sum(bool(pump.flush()) for pump in self._pumps) > 0

    def person(self, nick: str, *channels: str) -> Talk:
        """Somebody joins these channels."""
        return Talk(self, nick, channels)


class _Connector:
    def __init__(self, world: IrcWorld, factory: Any) -> None:
        self.world, self.factory = world, factory

    def connect(self) -> None:
        self.world.kit.reactor.connectTCP("irc", 6667, self.factory)

    def disconnect(self) -> None:
        """Nothing is open."""


class Talk:
    """What one person types and hears."""

    def __init__(self, world: IrcWorld, nick: str, channels: Any) -> None:
        self._world, self.nick = world, nick
        self._person = Person()
        world._join(self._person)
        self.type("PASS x", f"NICK {nick}", f"USER {nick} 0 * :{nick}", *(f"JOIN {channel}" for channel in channels))
        self.heard()

    def type(self, *lines: str) -> None:
        """Send lines of the protocol."""
        for line in lines:
            self._person.transport.write(line.encode() + b"\r\n")
        self._world.pump()

    def say(self, where: str, what: str) -> list[str]:
        """Say something, a moment after what was said before; what the bot says then."""
        self._world.kit.advance(1)
        self.type(f"PRIVMSG {where} :{what}")
        return self.heard()

    def heard(self) -> list[str]:
        """What the bot has said since it was asked last, without who and where."""
        self._world.pump()
        read, self._person.read = self._person.read.decode(), b""
        said = [line.split(" ", 3) for line in read.split("\r\n") if " PRIVMSG " in line or " NOTICE " in line]
        return [words[3].removeprefix(":") for words in said if words[0].startswith(":bb!")]
