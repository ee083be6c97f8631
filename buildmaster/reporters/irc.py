"""A bot in IRC channels: its configuration and its connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet import ssl
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.reporters.chat import access, events
from buildmaster.reporters.chat.asking import UsageError
from buildmaster.reporters.chat.bot import StatusBot
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.connecting import ThrottledClientFactory
from buildmaster.reporters.chat.contact import Contact
from buildmaster.reporters.chat.irc_bot import IRCChannel, IRCContact, IrcStatusBot
from buildmaster.reporters.chat.notices import Notices
from buildmaster.service import BuildbotService

__all__ = [
    "IRC",
    "Channel",
    "Contact",
    "IRCChannel",
    "IRCContact",
    "IrcStatusBot",
    "IrcStatusFactory",
    "StatusBot",
    "ThrottledClientFactory",
    "UsageError",
]

log = Logger()


class IrcStatusFactory(ThrottledClientFactory):
    """Makes a bot for each connection, and connections as long as its service runs."""

    protocol = IrcStatusBot
    noisy = False

    def __init__(
        self,
        nickname: str,
        password: str | None,
        join_channels: Sequence[Any],
        pm_to_nicks: Sequence[Any],
        authz: Mapping[Any, Any] | None,
        tags: Sequence[str] | None,
        notify_events: Iterable[str] | None,
        noticeOnChannel: bool = False,
        useRevisions: bool = False,
        showBlameList: bool = False,
        useSASL: bool = False,
        parent: Any = None,
        lostDelay: float | None = None,
        failedDelay: float | None = None,
        useColors: bool = True,
    ) -> None:
        reactor = parent.master.reactor if parent is not None and parent.master is not None else None
        super().__init__(lostDelay, failedDelay, reactor)
        self.parent = parent
        self.p: Any = None
        """The bot that is signed on; None while there is none."""
        self._made: Any = None
        self._arguments = (nickname, password, join_channels, pm_to_nicks, noticeOnChannel)
        self._options: dict[str, Any] = {
            "authz": authz,
            "tags": tags,
            "notify_events": notify_events,
            "useRevisions": useRevisions,
            "showBlameList": showBlameList,
            "useColors": useColors,
            "useSASL": useSASL,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "p": None, "_made": None}

    def buildProtocol(self, address: Any) -> Any:
        """A bot for a connection."""
        bot: Any = self.protocol(*self._arguments, reactor=self.reactor, **self._options)
        bot.factory = self
        as_deferred(bot.setServiceParent(self.parent)).addErrback(lambda f: log.failure("IRC: no bot", f))
        self._made = bot
        return bot

    def signed_on(self, bot: Any) -> None:
        """A bot is ready."""
        self.connected()
        self.p = bot
        if getattr(self.parent, "_notices", None) is not None:
            self.parent._notices.hurry()

    def lost(self, bot: Any) -> None:
        """A bot's connection has ended."""
        if self.p is bot:
            self.p = None
        if bot.parent is not None:
            as_deferred(bot.disownServiceParent()).addErrback(lambda f: log.failure("IRC: the bot did not end", f))

    def shutdown(self) -> None:
        """Say good-bye and make no connection any more."""
        self.stop_connecting()
        bot = self._made
        if bot is not None and bot.transport is not None:
            bot.quit("the master is shutting down or reconfiguring")
            bot.transport.loseConnection()


class IRC(BuildbotService):
    """A bot in the channels of an IRC server.

    :param host: the server
    :param nick: the bot's name
    :param channels: channels that it joins: names, or dictionaries with ``channel``, and perhaps ``password`` and
        ``notify_events``
    :param pm_to_nicks: people who are told in private: nicks, or dictionaries with ``nick`` and ``notify_events``
    :param port: the server's port
    :param allowForce: the older way to allow ``force`` and ``stop`` to everybody; use ``authz``
    :param tags: show only builders that have one of these tags
    :param password: of the bot's account, for NickServ or SASL; may be a secret
    :param notify_events: the events of which channels and people are told until they choose others
    :param showBlameList: whether the authors are named when a build did not succeed
    :param useRevisions: whether builds are told of with the revisions that they include
    :param useSSL: whether the connection is inside TLS; the server's certificate must be valid
    :param useSASL: whether the bot logs in to its account by SASL instead of NickServ
    :param lostDelay: seconds before it connects again after a connection was lost
    :param failedDelay: seconds before it connects again after a connection failed
    :param useColors: whether results have colours
    :param allowShutdown: the older way to allow ``shutdown`` to everybody; use ``authz``
    :param noticeOnChannel: whether it speaks by notices in channels
    :param authz: who may give which command: a dictionary from commands (or tuples of them) to True, False or a list of
        nicks; ``""`` stands for harmless commands (by default allowed), ``"!"`` for ``force``, ``stop``, ``shutdown``,
        ``join`` and ``leave`` (by default not)
    """

    name: Any = "IRC"
    secrets: Sequence[str] = ["password"]
    compare_attrs: Sequence[str] = ()

    verify_certificate = True
    """Whether the server's certificate must be valid; a subclass may set False for a server without a proper one."""

    f: IrcStatusFactory | None = None
    _connector: Any = None
    _notices: Notices | None = None

    def checkConfig(
        self,
        host: str,
        nick: str,
        channels: Sequence[Any],
        pm_to_nicks: Sequence[Any] | None = None,
        port: int = 6667,
        allowForce: bool | None = None,
        tags: Sequence[str] | None = None,
        password: Any = None,
        notify_events: Any = None,
        showBlameList: bool = True,
        useRevisions: bool = False,
        useSSL: bool = False,
        useSASL: bool = False,
        lostDelay: float | None = None,
        failedDelay: float | None = None,
        useColors: bool = True,
        allowShutdown: bool | None = None,
        noticeOnChannel: bool = False,
        authz: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        for name, value in (("allowForce", allowForce), ("allowShutdown", allowShutdown)):
            if value not in (True, False, None):
                error(f"IRC: {name} must be True or False, not {value!r}; authz says more")
        for name, items, key in (("channels", channels, "channel"), ("pm_to_nicks", pm_to_nicks or [], "nick")):
            _check_places(name, items, key)
        check_events("IRC", notify_events)
        access.check_authz("IRC", authz)
        for name, delay in (("lostDelay", lostDelay), ("failedDelay", failedDelay)):
            if delay is not None and (not isinstance(delay, int | float) or delay < 0):
                error(f"IRC: {name} must be a number of seconds, not {delay!r}")
        if useSASL and not password:
            error("IRC: useSASL needs a password")
        super().checkConfig(**kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        host: str,
        nick: str,
        channels: Sequence[Any],
        pm_to_nicks: Sequence[Any] | None = None,
        port: int = 6667,
        allowForce: bool | None = None,
        tags: Sequence[str] | None = None,
        password: str | None = None,
        notify_events: Any = None,
        showBlameList: bool = True,
        useRevisions: bool = False,
        useSSL: bool = False,
        useSASL: bool = False,
        lostDelay: float | None = None,
        failedDelay: float | None = None,
        useColors: bool = True,
        allowShutdown: bool | None = None,
        noticeOnChannel: bool = False,
        authz: Any = None,
        **kwargs: Any,
    ) -> None:
        """Leave, and come again as these arguments say."""
        await maybe(super().reconfigService)
        if self.f is not None:
            self.f.shutdown()
        self.f = IrcStatusFactory(
            nick,
            password,
            channels,
            pm_to_nicks or [],
            access.with_retired(authz, allowForce, allowShutdown),
            tags,
            notify_events or [],
            noticeOnChannel,
            useRevisions,
            showBlameList,
            useSASL,
            self,
            lostDelay,
            failedDelay,
            useColors,
        )
        self._connect(host, port, useSSL)

    def _connect(self, host: str, port: int, use_ssl: bool) -> None:
        factory: Any = self.f
        if use_ssl:
            options: Any = ssl.CertificateOptions(verify=False)
            if self.verify_certificate:
                options = ssl.optionsForClientTLS(host)
            factory = TLSMemoryBIOFactory(options, True, factory)
        self._connector = self.master.reactor.connectTCP(host, port, factory)

    @deferred
    async def startService(self) -> None:
        """Connect, and tell of what happens."""
        await super().startService()
        self._notices = Notices(self, lambda: None if self.f is None else self.f.p)
        await self._notices.start()

    @deferred
    async def stopService(self) -> None:
        """Leave."""
        notices, self._notices = self._notices, None
        if notices is not None:
            await notices.stop()
        if self.f is not None:
            self.f.shutdown()
        if self._connector is not None:
            self._connector.disconnect()
        await super().stopService()


def _check_places(name: str, items: Any, key: str) -> None:
    if not isinstance(items, list | tuple):
        error(f"IRC: {name} must be a list, not {items!r}")
        return
    for item in items:
        if isinstance(item, Mapping):
            if not isinstance(item.get(key), str):
                error(f"IRC: {item!r} in {name} has no {key!r}")
            unknown = sorted(set(map(str, item)) - {key, "password", "notify_events"})
            if unknown:
                error(f"IRC: {item!r} in {name} has unknown keys: {', '.join(unknown)}")
            check_events("IRC", item.get("notify_events"))
        elif not isinstance(item, str):
            error(f"IRC: {item!r} in {name} must be a name or a dictionary")


def check_events(kind: str, names: Any) -> None:
    """Report what is wrong with a list of events."""
    if names is None:
        return
    if not isinstance(names, list | tuple | set | frozenset | dict):
        error(f"{kind}: notify_events must be a list of events, not {names!r}")
        return
    for name in names:
        if not isinstance(name, str) or not events.is_event(name):
            known = ", ".join(events.NAMES)
            error(
                f"{kind}: {name!r} in notify_events is no event; there are {known}, and 'failureToSuccess' and the like"
            )
