"""The bot of Telegram (https://core.telegram.org/bots/api), and what people there can tell it.

A command that needs a builder and was given none is answered with buttons; pressing one is as typing the command whole.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe, sleep
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.mq.failing import TryLater, words
from buildmaster.reporters.chat.asking import UsageError
from buildmaster.reporters.chat.bot import StatusBot
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.contact import Contact, command
from buildmaster.reporters.chat.webhook import WebhookResource

log = Logger()

MOST_BUTTONS = 50
MOST_QUERIES = 1000
ANSWER_SECONDS = 60.0
PARTS = 4000
"""Characters that a message may have; a longer text is cut into several."""

Buttons = Sequence[Sequence[Mapping[str, str]]]


class TelegramChannel(Channel):
    """A chat: a group, or the conversation with one person."""

    def __init__(self, bot: Any, channel: Any) -> None:
        given = channel if isinstance(channel, Mapping) else {"id": channel, "type": "unknown"}
        super().__init__(bot, given["id"])
        self.chat_info = dict(given)


class TelegramContact(Contact):
    """Somebody in a chat; known to ``authz`` by the number, or the user name with or without ``@``."""

    def __init__(self, user: Any, channel: Any = None) -> None:
        super().__init__(user["id"], channel)
        self.user_info = user

    @property
    def chat_id(self) -> Any:
        """The chat's number."""
        return self.channel.id

    @property
    def user_full_name(self) -> str:
        """First and last name."""
        names = (self.user_info.get("first_name"), self.user_info.get("last_name"))
        return " ".join(name for name in names if name) or str(self.user_id)

    @property
    def user_name(self) -> str:
        """The first name."""
        return str(self.user_info.get("first_name") or self.user_id)

    def user_names(self) -> list[Any]:
        """The number, and the user name, which only its owner has."""
        name = self.user_info.get("username")
        return [self.user_id, str(self.user_id), *([name, f"@{name}"] if name else [])]

    def describeUser(self) -> str:
        """Who speaks, and where."""
        name = self.user_info.get("username")
        who = f"{self.user_full_name} (@{name})" if name else self.user_full_name
        title = self.channel.chat_info.get("title")
        return who if self.is_private_chat or not title else f"{who} on '{title}'"

    def access_denied(self, *args: Any, **kwargs: Any) -> Any:
        """Answer that this is not allowed."""
        return self.send(f"Sorry, {self.user_name}, you are not allowed to do that.")

    async def query_button(self, what: str, builders: Iterable[str], form: str) -> None:
        """Offer a button for each builder, which stands for the command ``form`` with the builder's name in it."""
        rows = [[self.bot.button(name, form.format(shlex.quote(name)))] for name in list(builders)[:MOST_BUTTONS]]
        if not rows:
            await maybe(self.send, "There are no builders for that.")
            return
        await maybe(self.send, what, reply_markup={"inline_keyboard": rows})

    @deferred
    async def get_running_builders(self) -> list[str]:
        """The names of builders that build now."""
        builders = await self.bot.getAllBuilders()
        return [b["name"] for b in builders if await self.bot.getRunningBuilds(b["builderid"])]

    @command("start", "make the bot's acquaintance")
    async def command_START(self, args: str, **kwargs: Any) -> None:
        await self.command_HELLO(args, **kwargs)
        known = "" if self.channel.notify_events else " Tell me 'notify on' to hear of builds."
        await maybe(self.send, f"I am the bot of {self.master.config.title}.{known} 'commands' says what I know.")

    @command("getid", "tell the numbers of user and chat")
    async def command_GETID(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, f"Your number is {self.user_id}.")
        if not self.is_private_chat:
            await maybe(self.send, f"The number of this chat is {self.chat_id}.")

    @command("nay", "never mind the last question")
    async def command_NAY(self, args: str, tmessage: Any = None, **kwargs: Any) -> None:
        asked = (tmessage or {}).get("reply_to_message")
        if asked is not None:
            await self.bot.edit_keyboard(self.chat_id, asked["message_id"])

    @Contact.overrideCommand
    async def command_STATUS(self, args: str, **kwargs: Any) -> None:
        """Without a builder: of all."""
        await super().command_STATUS(args, **kwargs)

    @Contact.overrideCommand
    async def command_LAST(self, args: str, **kwargs: Any) -> None:
        """Without a builder: ask which."""
        await self._or_ask("last", args, super().command_LAST, "Of which builder?", "/last {}", kwargs)

    @Contact.overrideCommand
    async def command_WATCH(self, args: str, **kwargs: Any) -> None:
        """Without a builder: ask which."""
        await self._or_ask("watch", args, super().command_WATCH, "Which builder?", "/watch {}", kwargs)

    @Contact.overrideCommand
    async def command_FORCE(self, args: str, **kwargs: Any) -> None:
        """Without a builder: ask which."""
        whole = args.removeprefix("build").strip() and args
        await self._or_ask("force", whole, super().command_FORCE, "Build what?", "/force build {} by a button", kwargs)

    @Contact.overrideCommand
    async def command_STOP(self, args: str, **kwargs: Any) -> None:
        """Without a builder: ask which."""
        whole = args.removeprefix("build").strip() and args
        await self._or_ask("stop", whole, super().command_STOP, "Stop what?", "/stop build {} by a button", kwargs)

    async def _or_ask(self, name: str, args: str, act: Any, question: str, form: str, kwargs: Any) -> None:
        if args:
            await act(args, **kwargs)
        elif name in ("watch", "stop"):
            await self.query_button(question, await self.get_running_builders(), form)
        else:
            await self.query_button(question, [b["name"] for b in await self.bot.getAllBuilders()], form)


class TelegramStatusBot(StatusBot):
    """The bot, without a way to get messages: see :class:`TelegramPollingBot` and :class:`TelegramWebhookBot`.

    ``outgoing_http`` is a session for ``https://api.telegram.org/botTOKEN``.
    """

    contactClass = TelegramContact
    channelClass = TelegramChannel
    commandPrefix = "/"

    offline_string = "offline ❌"
    idle_string = "idle 💤"
    running_string = "running 🌀:"
    results_emoji: ClassVar[Mapping[int, str]] = {
        SUCCESS: " ✅",
        WARNINGS: " ⚠️",
        FAILURE: "❗",
        EXCEPTION: "‼️",
        RETRY: " 🔄",
        CANCELLED: " 🚫",
        SKIPPED: " ⏭️",
    }

    def __init__(
        self,
        token: str,
        outgoing_http: Any,
        chat_ids: Sequence[Any],
        *args: Any,
        retry_delay: float = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.token = token
        self.chat_ids = chat_ids
        self.retry_delay = retry_delay
        self.http_client = outgoing_http
        self.nickname: str | None = None
        self.query_cache: OrderedDict[str, str] = OrderedDict()
        self._queries = 0

    def user_key(self, user: Any) -> Any:
        """The user's number."""
        return user["id"] if isinstance(user, Mapping) else user

    def channel_key(self, channel: Any) -> Any:
        """The chat's number."""
        return channel["id"] if isinstance(channel, Mapping) else channel

    def state_name(self) -> str:
        """A bot is known by its service."""
        service: Any = self.parent
        return str(service.name)

    @deferred
    async def startService(self) -> None:
        """Learn the bot's own name, and begin in the chats of the configuration."""
        await as_deferred(super().startService())
        await self.loadState()
        for chat in self.chat_ids:
            known = chat in self.channels
            channel = self.getChannel(chat)
            if not known:
                channel.notify_events = set(self.notify_events)

    async def set_nickname(self) -> None:
        """Ask for the bot's name unless it is known."""
        if self.nickname is None:
            me = await self.post("/getMe")
            self.set_name(me["username"])

    def set_name(self, name: str) -> None:
        """Commands may have the bot's name behind them."""
        self.nickname = name
        self.commandSuffix = f"@{name}"

    # -- the interface of Telegram -------------------------------------------------------------------------------------

    async def post(self, path: str, timeout: float = ANSWER_SECONDS, **params: Any) -> Any:
        """The result of a method of the interface.

        Raises :class:`~buildmaster.mq.failing.TryLater` if the server is away or busy, and
        :class:`.UsageError` for what it refuses; the token, which is in the address, stays out of both.
        """
        given = {name: value for name, value in params.items() if value is not None}
        if "seconds" in given:  # the interface's own ``timeout`` would be taken for ours
            given["timeout"] = given.pop("seconds")
        try:
            response = await self.http_client.post(path, json=given, timeout=timeout)
            answer = json.loads(await response.content())
        except Exception as e:
            raise TryLater(f"Telegram is not there: {words(e).replace(self.token, '…')}", unreachable=True) from None
        if answer.get("ok"):
            return answer.get("result")
        said = f"Telegram refuses {path[1:]}: {answer.get('description', response.code)}"
        if response.code == 429 or response.code >= 500:
            raise TryLater(said)
        raise UsageError(said)

    @deferred
    async def send_message(
        self,
        chat: Any,
        message: str,
        parse_mode: str | None = None,
        reply_to_message_id: int | None = None,
        reply_markup: Any = None,
        notify: bool = True,
        disable_web_page_preview: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Say something in a chat; fires with the number of the last message."""
        sent = None
        for part in parts(message):
            sent = await self.post(
                "/sendMessage",
                chat_id=chat,
                text=part,
                parse_mode=parse_mode,
                reply_to_message_id=reply_to_message_id,
                reply_markup=reply_markup,
                disable_notification=True if not notify else None,
                disable_web_page_preview=disable_web_page_preview,
            )
        return None if sent is None else sent.get("message_id")

    @deferred
    async def edit_message(self, chat: Any, msg: int, message: str, parse_mode: str | None = None) -> None:
        """Put another text into a message of the bot."""
        await self.post("/editMessageText", chat_id=chat, message_id=msg, text=message, parse_mode=parse_mode)

    @deferred
    async def edit_keyboard(self, chat: Any, msg: int, keyboard: Buttons | None = None) -> None:
        """Put other buttons under a message of the bot, or none."""
        markup = {"inline_keyboard": keyboard} if keyboard is not None else None
        await self.post("/editMessageReplyMarkup", chat_id=chat, message_id=msg, reply_markup=markup)

    @deferred
    async def delete_message(self, chat: Any, msg: int) -> None:
        """Delete a message."""
        await self.post("/deleteMessage", chat_id=chat, message_id=msg)

    @deferred
    async def send_sticker(self, chat: Any, sticker: str, **kwargs: Any) -> None:
        """Send a sticker."""
        await self.post("/sendSticker", chat_id=chat, sticker=sticker, **kwargs)

    @deferred
    async def answer_query(self, query_id: str, notify: str | None = None) -> None:
        """Say that a button's press was noticed."""
        await self.post("/answerCallbackQuery", callback_query_id=query_id, text=notify)

    def button(self, text: str, said: str) -> dict[str, str]:
        """A button that is as saying something."""
        self._queries += 1
        key = str(self._queries)
        self.query_cache[key] = said
        while len(self.query_cache) > MOST_QUERIES:
            self.query_cache.popitem(last=False)
        return {"text": text, "callback_data": key}

    # -- what people say -----------------------------------------------------------------------------------------------

    async def process_update(self, update: Mapping[str, Any]) -> None:
        """Deal with something that Telegram tells of: a message or a button; an error is logged."""
        try:
            if "callback_query" in update:
                await self._pressed(update["callback_query"])
            elif "text" in update.get("message", {}):
                await self._said(update["message"])
        except Exception as e:  # policy: skip this one, the next is dealt with
            log.failure("Telegram: {why}", why=words(e).replace(self.token, "…"))

    async def _said(self, message: Mapping[str, Any]) -> None:
        text = message["text"].lstrip()
        chat, user = message["chat"], message["from"]
        private = chat.get("type") == "private" or chat["id"] == user["id"]
        name = f"@{self.nickname}" if self.nickname else None
        if not private and not text.startswith("/"):
            if name is None or not text.startswith(name):
                return
            text = text.removeprefix(name).lstrip(" ,:")
        head = text.split(None, 1)[0] if text else ""
        if "@" in head and head.startswith("/") and name is not None and not head.endswith(name):
            return  # it is for another bot
        await self.getContact(user, chat).handleMessage(text, tmessage=message)

    async def _pressed(self, query: Mapping[str, Any]) -> None:
        message = query.get("message")
        said = self.query_cache.pop(query.get("data", ""), None)
        if said is None or message is None:
            await self.answer_query(query["id"], "This button is too old.")
            return
        await self.answer_query(query["id"])
        chat = message["chat"]
        await self.edit_keyboard(chat["id"], message["message_id"])
        await self.getContact(query["from"], chat).handleMessage(said, tmessage=message)

    def format_build_status(self, build: Any, short: bool = False) -> str:
        """The result in words and a sign."""
        return super().format_build_status(build, short) + self.results_emoji.get(build["results"], "")


class TelegramPollingBot(TelegramStatusBot):
    """Asks Telegram for messages, again and again."""

    def __init__(self, *args: Any, poll_timeout: float = 120, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.poll_timeout = poll_timeout
        self._polling: defer.Deferred[Any] | None = None

    @deferred
    async def startService(self) -> None:
        """Begin to ask."""
        await super().startService()
        self._polling = as_deferred(self.do_polling())
        self._polling.addErrback(lambda f: None if f.check(defer.CancelledError) else log.failure("Telegram", f))

    @deferred
    async def stopService(self) -> None:
        """Ask no more."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
        await as_deferred(super().stopService())

    async def do_polling(self) -> None:
        """Ask until the bot is stopped; while the server is away, every ``retry_delay`` seconds."""
        offset = 0
        greeted = False
        while True:
            try:
                if not greeted:
                    await self.post("/deleteWebhook")
                    await self.set_nickname()
                    greeted = True
                updates = await self.post(
                    "/getUpdates", self.poll_timeout + ANSWER_SECONDS, offset=offset or None, seconds=self.poll_timeout
                )
            except (TryLater, UsageError) as e:
                log.warn("Telegram: {why}; the next attempt in {s:g} s", why=str(e), s=self.retry_delay)
                await sleep(self.master.reactor, self.retry_delay)
                continue
            for update in updates or ():
                offset = max(offset, update["update_id"] + 1)
                await self.process_update(update)


class TelegramWebhookBot(TelegramStatusBot):
    """Is called by Telegram at the master's web site, at a secret address."""

    name = "telegram"

    def __init__(self, token: str, *args: Any, certificate: Any = None, **kwargs: Any) -> None:
        super().__init__(token, *args, **kwargs)
        self._certificate = certificate
        # nobody else can guess the address, and the token itself stays out of the web server's log
        self.webhook = _Webhook(self, "telegram" + hashlib.sha256(token.encode()).hexdigest()[:40])

    @deferred
    async def startService(self) -> None:
        """Tell Telegram the address."""
        await super().startService()
        await self.webhook.setServiceParent(self)
        as_deferred(self._begin()).addErrback(lambda f: log.failure("Telegram: no webhook", f))

    async def _begin(self) -> None:
        while self.running:
            try:
                await self.set_nickname()
                await self.set_webhook(self._address(), self._certificate)
                return
            except (TryLater, UsageError) as e:
                log.warn("Telegram: {why}; the next attempt in {s:g} s", why=str(e), s=self.retry_delay)
                await sleep(self.master.reactor, self.retry_delay)

    def _address(self) -> str:
        base: str = self.master.config.buildbotURL
        return (base if base.endswith("/") else base + "/") + self.webhook.path

    @deferred
    async def set_webhook(self, url: str, certificate: Any = None) -> None:
        """Have messages posted to this address; ``certificate`` is the text of one that nobody else vouches for."""
        if certificate is None:
            await self.post("/setWebhook", url=url)
            return
        content = certificate.read() if hasattr(certificate, "read") else certificate
        body = content.encode() if isinstance(content, str) else content
        await self.http_client.post("/setWebhook", data={"url": url}, files={"certificate": ("cert.pem", body)})

    def get_update(self, request: Any) -> Any:
        """What a request tells; raises ValueError for nonsense."""
        update = json.loads(request.content.read())
        if not isinstance(update, dict) or "update_id" not in update:
            raise ValueError("not an update")
        return update

    @deferred
    async def process_webhook(self, request: Any) -> bytes:
        """Deal with a request of Telegram."""
        try:
            update = self.get_update(request)
        except ValueError:
            request.setResponseCode(400)
            return b"not an update"
        await self.process_update(update)
        return b""


class _Webhook(WebhookResource):
    def __init__(self, bot: TelegramWebhookBot, path: str) -> None:
        super().__init__(path)
        self._bot = bot

    def process_webhook(self, request: Any) -> Any:
        return self._bot.process_webhook(request)


def parts(message: str) -> Iterable[str]:
    """A text in pieces that Telegram takes, cut between lines where that is possible."""
    left = message.strip()
    while len(left) > PARTS:
        cut = left.rfind("\n", 0, PARTS)
        cut = cut if cut > 0 else PARTS
        yield left[:cut]
        left = left[cut:].lstrip("\n")
    if left:
        yield left
