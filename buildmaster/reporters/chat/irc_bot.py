"""The bot of IRC while it is connected (RFC 2812, by Twisted's client), and what people there can tell it."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.words.protocols import irc

from buildmaster.base.aio import DeadlineExceeded, as_deferred, deferred, maybe, with_deadline
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.reporters.chat.bot import StatusBot
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.contact import Contact, command, dangerousCommand

log = Logger()

BURST = 5
"""How many lines the bot says at once; of a longer answer the others follow second by second."""

MOST_LINES = 500
"""How many lines may wait to be said; what is more is dropped, with a line in the log."""

OPS_SECONDS = 10.0
"""How long the server may take to say who is an operator of a channel."""

COLORS = {SUCCESS: 3, WARNINGS: 8, FAILURE: 4, SKIPPED: 12, EXCEPTION: 6, RETRY: 13, CANCELLED: 12}
"""Results in the colours of mIRC."""


def named(item: Any, key: str) -> tuple[str, Mapping[str, Any]]:
    """(name, options) of a channel or nick that is configured as a name or a dictionary."""
    return (item, {}) if isinstance(item, str) else (item[key], item)


class IRCChannel(Channel):
    """A channel, or the conversation with one person (its name is theirs then)."""


class IRCContact(Contact):
    """Somebody in a channel; known to ``authz`` by the nick."""

    OP_REQUIRED: ClassVar[Sequence[str]] = ("NOTIFY", "MUTE", "UNMUTE", "HUSH", "UNHUSH")

    def act(self, action: str) -> Any:
        """Do something, as ``/me`` does."""
        return self.bot.groupDescribe(self.channel.id, action)

    def getCommandMethod(self, command: str) -> Any:
        """In a channel some commands are the operators', unless ``authz`` says who may give them."""
        method = super().getCommandMethod(command)
        required = command.upper() in self.OP_REQUIRED and command.upper() not in self.bot.authz
        if method is None or method == self.access_denied or not required or self.is_private_chat:
            return method
        if command.upper() == "UNMUTE" and not self.channel.muted:
            return method

        async def if_operator(args: str, **kwargs: Any) -> None:
            if args.split()[:1] == ["list"] or self.user_id in await maybe(self.bot.getChannelOps, self.channel.id):
                await maybe(method, args, **kwargs)
            else:
                await maybe(
                    self.channel.send, f"Only operators of this channel may '{command.lower()}', {self.user_id}."
                )

        return if_operator

    def handleAction(self, action: str) -> Any:
        """Somebody does something to the bot; it does the same."""
        words = action.split()
        me = self.bot.nickname.lower()
        if me not in (word.strip(".,!?").lower() for word in words):
            return None
        return self.act(" ".join(self.user_id if word.strip(".,!?").lower() == me else word for word in words) + " too")

    def is_silly(self, message: str) -> bool:
        """A mere exclamation needs no answer."""
        return not message.strip("!?. ")

    @command("mute", "suppress all messages until a corresponding 'unmute' is issued")
    async def command_MUTE(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, "I say nothing until somebody tells me to 'unmute'.")
        self.channel.muted = True

    @command("unmute", "go on telling after a 'mute'")
    async def command_UNMUTE(self, args: str, **kwargs: Any) -> None:
        was_muted, self.channel.muted = self.channel.muted, False
        await maybe(self.send, "I talk again." if was_muted else "Nobody had told me to be quiet.")

    @command("hush", "the older name of 'mute'")
    async def command_HUSH(self, args: str, **kwargs: Any) -> None:
        await self.command_MUTE(args, **kwargs)

    @command("unhush", "the older name of 'unmute'")
    async def command_UNHUSH(self, args: str, **kwargs: Any) -> None:
        await self.command_UNMUTE(args, **kwargs)

    @dangerousCommand
    @command("join #channel", "join a channel")
    async def command_JOIN(self, args: str, **kwargs: Any) -> None:
        for channel in self.splitArgs(args):
            self.bot.join(channel)

    @dangerousCommand
    @command("leave #channel", "leave a channel")
    async def command_LEAVE(self, args: str, **kwargs: Any) -> None:
        for channel in self.splitArgs(args):
            self.bot.leave(channel)

    @command("dance", "dance a little")
    async def command_DANCE(self, args: str, **kwargs: Any) -> None:
        for figure in ("<(^_^<)", "(>^_^)>", "<(^_^)>"):
            await maybe(self.send, figure)


class IrcStatusBot(StatusBot, irc.IRCClient):
    """The bot while it is connected."""

    contactClass = IRCContact
    channelClass = IRCChannel
    results_colors: ClassVar[Mapping[int, int]] = COLORS

    versionName: Any = "buildmaster"
    sourceURL: Any = None
    factory: Any = None

    def __init__(
        self,
        nickname: str,
        password: str | None,
        join_channels: Iterable[Any],
        pm_to_nicks: Iterable[Any],
        noticeOnChannel: bool,
        *args: Any,
        useColors: bool = False,
        useSASL: bool = False,
        reactor: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.nickname = nickname
        self.join_channels = [named(each, "channel") for each in join_channels]
        self.pm_to_nicks = [named(each, "nick") for each in pm_to_nicks]
        self.noticeOnChannel = noticeOnChannel
        self.useColors = useColors
        self.useSASL = useSASL
        self.account_password = password
        self.reactor = reactor
        self._lines: deque[tuple[str, str]] = deque()
        self._budget = BURST
        self._turn: LoopingCall | None = None
        self._names: dict[str, tuple[list[str], list[defer.Deferred[list[str]]]]] = {}
        self._alive: LoopingCall | None = None

    def user_key(self, user: Any) -> Any:
        """Nicks are the same in upper and lower case."""
        return str(user).lower()

    def channel_key(self, channel: Any) -> Any:
        """So are channels."""
        return str(channel).lower()

    def state_name(self) -> str:
        """A bot is known by its nick and its service."""
        return str(self.factory.parent.name if self.factory is not None else self.nickname)

    # -- the connection ------------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """Log in, by SASL if that is wanted."""
        if self.useSASL and self.account_password:
            self.sendLine("CAP REQ :sasl")
        super().connectionMade()

    def connectionLost(self, reason: Any = None) -> None:
        """The factory makes a new bot and connects again."""
        if self._turn is not None and self._turn.running:
            self._turn.stop()
        self._lines.clear()
        if self.factory is not None:
            self.factory.lost(self)
        super().connectionLost(reason)

    def irc_CAP(self, prefix: str, params: Sequence[str]) -> None:
        """The server says whether it knows SASL."""
        if len(params) > 1 and params[1] == "ACK":
            self.sendLine("AUTHENTICATE PLAIN")
        elif len(params) > 1 and params[1] == "NAK":
            log.error("IRC: the server knows no SASL; the bot goes on without its account")
            self.sendLine("CAP END")

    def irc_AUTHENTICATE(self, prefix: str, params: Sequence[str]) -> None:
        """The server asks for the password (RFC 4616)."""
        secret = "\0".join([self.nickname, self.nickname, self.account_password or ""])
        self.sendLine("AUTHENTICATE " + base64.b64encode(secret.encode()).decode())

    def irc_903(self, prefix: str, params: Sequence[str]) -> None:
        """The account is ours."""
        self.sendLine("CAP END")

    def irc_904(self, prefix: str, params: Sequence[str]) -> None:
        """The password is wrong."""
        log.error("IRC: the server refuses the bot's password; the bot goes on without its account")
        self.sendLine("CAP END")

    def startHeartbeat(self) -> None:
        """Ask the server now and then whether it is there."""
        self.stopHeartbeat()
        self._alive = LoopingCall(lambda: self.sendLine(f"PING {self.hostname or self.nickname}"))
        self._alive.clock = self.reactor
        self._alive.start(self.heartbeatInterval, now=False)

    def stopHeartbeat(self) -> None:
        """Ask no more."""
        alive, self._alive = self._alive, None
        if alive is not None and alive.running:
            alive.stop()

    def signedOn(self) -> None:
        """The server has let us in."""
        as_deferred(self._sign_on()).addErrback(lambda f: log.failure("IRC: the bot could not begin", f))

    async def _sign_on(self) -> None:
        if self.account_password and not self.useSASL:
            self.msg("Nickserv", f"IDENTIFY {self.account_password}")
        await self.loadState()
        for name, options in self.join_channels:
            self._prepare(name, options)
            self.join(name, options.get("password"))
        for name, options in self.pm_to_nicks:
            self._prepare(name, options)
        if self.factory is not None:
            self.factory.signed_on(self)

    def _prepare(self, name: str, options: Mapping[str, Any]) -> None:
        """A channel of the configuration is told of its events unless somebody has chosen others for it."""
        known = self.channel_key(name) in self.channels
        channel = self.getChannel(name)
        if not known:
            channel.notify_events = set(options.get("notify_events") or self.notify_events)

    def joined(self, channel: str) -> None:
        """We are in a channel."""
        self.log(f"joined {channel}")
        self.getChannel(channel)

    def left(self, channel: str) -> None:
        """We have left one."""
        self.log(f"left {channel}")
        self._forget(channel)

    def kickedFrom(self, channel: str, kicker: str, message: str) -> None:
        """We were thrown out of one."""
        self.log(f"kicked from {channel} by {kicker}: {message}")
        self._forget(channel)

    def _forget(self, name: str) -> None:
        channel = self.channels.pop(self.channel_key(name), None)
        if channel is not None:
            as_deferred(channel.disownServiceParent()).addErrback(lambda f: log.failure("IRC: leaving failed", f))

    # -- what others say -----------------------------------------------------------------------------------------------

    def privmsg(self, user: str, channel: str, message: str) -> None:
        """Somebody says something to the bot: in private, or in a channel after its nick."""
        nick = user.split("!", 1)[0]
        message = irc.stripFormatting(message)
        if channel.lower() == self.nickname.lower():
            self._handle(self.getContact(nick, nick), message)
            return
        me = self.nickname.lower()
        for separator in (":", ",", " "):
            if message.lower().startswith(me + separator):
                self._handle(self.getContact(nick, channel), message[len(me) + 1 :].lstrip())
                return

    def _handle(self, contact: Any, message: str) -> None:
        as_deferred(contact.handleMessage(message)).addErrback(lambda f: log.failure("IRC: a message failed", f))

    def action(self, user: str, channel: str, data: str) -> None:
        """Somebody does something in a channel."""
        nick = user.split("!", 1)[0]
        self.getContact(nick, nick if channel.lower() == self.nickname.lower() else channel).handleAction(data)

    # -- what the bot says ---------------------------------------------------------------------------------------------

    def send_message(self, chat: Any, message: str, **kwargs: Any) -> None:
        """Say something, line by line, not too fast."""
        lines = [(chat, line) for line in message.split("\n") if line.strip()]
        if len(self._lines) + len(lines) > MOST_LINES:
            log.error("IRC: more than {n} lines wait to be said; a message is dropped", n=MOST_LINES)
            return
        self._lines.extend(lines)
        self._say()
        if self._turn is None:
            self._turn = turn = LoopingCall(self._next_second)
            turn.clock = self.reactor
            turn.start(1.0, now=False)

    def _say(self) -> None:
        while self._lines and self._budget > 0:
            self._budget -= 1
            self.groupSend(*self._lines.popleft())

    def _next_second(self) -> None:
        """Servers throw out who says too much at once (RFC 1459, 8.10)."""
        self._budget = min(BURST, self._budget + 1)
        self._say()
        turn = self._turn
        if self._budget == BURST and turn is not None:
            self._turn = None
            turn.stop()

    def groupSend(self, dest: str, message: str) -> None:
        """Say a line, as a notice where that is wanted."""
        if self.noticeOnChannel and dest.startswith(("#", "&", "+", "!")):
            self.notice(dest, message)
        else:
            self.msg(dest, message)

    def groupDescribe(self, dest: str, action: str) -> None:
        """Do something."""
        self.describe(dest, action)

    def format_build_status(self, build: Any, short: bool = False) -> str:
        """The result in words, in its colour if that is wanted."""
        said = super().format_build_status(build, short)
        color = self.results_colors.get(build["results"])
        return f"\x03{color}{said}\x0f" if self.useColors and color is not None else said

    # -- who is an operator --------------------------------------------------------------------------------------------

    def getNames(self, channel: str) -> defer.Deferred[list[str]]:
        """The nicks in a channel, operators with ``@`` in front; fails if the server does not answer."""
        answer: defer.Deferred[list[str]] = defer.Deferred()
        self._names.setdefault(channel.lower(), ([], []))[1].append(answer)
        self.sendLine(f"NAMES {channel}")
        return with_deadline(answer, OPS_SECONDS, self.reactor, f"NAMES {channel}")

    @deferred
    async def getChannelOps(self, channel: str) -> list[str]:
        """The operators of a channel; none if the server does not say."""
        try:
            names = await maybe(self.getNames, channel)
        except DeadlineExceeded:
            return []
        return [name.lstrip("~&@%+") for name in names if name.startswith(("~", "&", "@", "%"))]

    def irc_RPL_NAMREPLY(self, prefix: str, params: Sequence[str]) -> None:
        """Some of the nicks in a channel."""
        channel = params[2].lower()
        if channel in self._names:
            self._names[channel][0].extend(params[3].split())

    def irc_RPL_ENDOFNAMES(self, prefix: str, params: Sequence[str]) -> None:
        """Those were all."""
        names, waiting = self._names.pop(params[1].lower(), ([], []))
        for answer in waiting:
            if not answer.called:
                answer.callback(names)
