"""A bot in chats of Telegram: its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.net.httpclient import HTTPSession
from buildmaster.reporters.chat import access
from buildmaster.reporters.chat.asking import UsageError
from buildmaster.reporters.chat.bot import StatusBot
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.contact import Contact
from buildmaster.reporters.chat.notices import Notices
from buildmaster.reporters.chat.telegram_bot import (
    TelegramChannel,
    TelegramContact,
    TelegramPollingBot,
    TelegramStatusBot,
    TelegramWebhookBot,
)
from buildmaster.reporters.chat.webhook import WebhookResource
from buildmaster.reporters.irc import check_events
from buildmaster.service import BuildbotService

__all__ = [
    "Channel",
    "Contact",
    "StatusBot",
    "TelegramBot",
    "TelegramChannel",
    "TelegramContact",
    "TelegramPollingBot",
    "TelegramStatusBot",
    "TelegramWebhookBot",
    "UsageError",
    "WebhookResource",
]

log = Logger()


class TelegramBot(BuildbotService):
    """A bot in chats of Telegram.

    :param bot_token: the bot's token, as its father gave it; may be a secret
    :param chat_ids: the numbers of chats that are told of events (a chat says its number when it is asked ``/getid``)
    :param authz: who may give which command: a dictionary from commands (or tuples of them) to True, False or a list of
        users (their numbers or user names); ``""`` stands for harmless commands (by default allowed), ``"!"`` for
        ``force``, ``stop`` and ``shutdown`` (by default not)
    :param bot_username: the bot's user name; None asks Telegram
    :param tags: show only builders that have one of these tags
    :param notify_events: the events of which chats are told until they choose others
    :param showBlameList: whether the authors are named when a build did not succeed
    :param useRevisions: whether builds are told of with the revisions that they include
    :param useWebhook: whether Telegram calls the master, whose web site it must be able to reach over HTTPS, instead of
        being asked by it
    :param certificate: with ``useWebhook``, the web site's certificate if nobody else vouches for it: text or a file
    :param pollTimeout: seconds that Telegram may wait for something to tell
    :param retryDelay: seconds before Telegram is asked again after an error
    """

    name: Any = "TelegramBot"
    secrets: Sequence[str] = ["bot_token"]
    session_class = HTTPSession

    bot: TelegramStatusBot | None = None
    _http: HTTPSession | None = None
    _notices: Notices | None = None

    def checkConfig(
        self,
        bot_token: Any,
        chat_ids: Sequence[Any] | None = None,
        authz: Any = None,
        bot_username: str | None = None,
        tags: Sequence[str] | None = None,
        notify_events: Any = None,
        showBlameList: bool = True,
        useRevisions: bool = False,
        useWebhook: bool = False,
        certificate: Any = None,
        pollTimeout: float = 120,
        retryDelay: float = 30,
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig()
        access.check_authz("TelegramBot", authz)
        check_events("TelegramBot", notify_events)
        if chat_ids is not None and not isinstance(chat_ids, list | tuple):
            error(f"TelegramBot: chat_ids must be a list of numbers, not {chat_ids!r}")
        for name, seconds in (("pollTimeout", pollTimeout), ("retryDelay", retryDelay)):
            if not isinstance(seconds, int | float) or seconds < 0:
                error(f"TelegramBot: {name} must be a number of seconds, not {seconds!r}")
        if certificate is not None and not useWebhook:
            error("TelegramBot: a certificate is of use together with useWebhook=True only")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        bot_token: str,
        chat_ids: Sequence[Any] | None = None,
        authz: Mapping[Any, Any] | None = None,
        bot_username: str | None = None,
        tags: Sequence[str] | None = None,
        notify_events: Any = None,
        showBlameList: bool = True,
        useRevisions: bool = False,
        useWebhook: bool = False,
        certificate: Any = None,
        pollTimeout: float = 120,
        retryDelay: float = 30,
    ) -> None:
        """Leave, and come again as these arguments say."""
        await maybe(super().reconfigService)
        if self.bot is not None:
            await as_deferred(self.bot.disownServiceParent())
        self._http = self.session_class(self, f"https://api.telegram.org/bot{bot_token}")
        how: dict[str, Any] = {"certificate": certificate} if useWebhook else {"poll_timeout": pollTimeout}
        kind: Any = TelegramWebhookBot if useWebhook else TelegramPollingBot
        self.bot = bot = kind(
            bot_token,
            self._http,
            chat_ids or [],
            authz,
            tags=tags,
            notify_events=notify_events,
            showBlameList=showBlameList,
            useRevisions=useRevisions,
            retry_delay=retryDelay,
            **how,
        )
        if bot_username is not None:
            bot.set_name(bot_username)
        await as_deferred(bot.setServiceParent(self))

    @deferred
    async def startService(self) -> None:
        """Begin, and tell of what happens."""
        await super().startService()
        self._notices = Notices(self, lambda: self.bot)
        await self._notices.start()

    @deferred
    async def stopService(self) -> None:
        """Leave."""
        notices, self._notices = self._notices, None
        if notices is not None:
            await notices.stop()
        await super().stopService()
        if self._http is not None:
            await self._http.close()
