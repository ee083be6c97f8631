"""The Telegram bot of a whole master, against a web resource that answers as Telegram does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from buildmaster.base.errors import ConfigErrors
from buildmaster.net.httpclient import HTTPSession
from buildmaster.plugins import reporters, steps
from buildmaster.testing.worker import Command
from tests.support.http import Client
from tests.support.reporting import build, path_with, service

TOKEN = "123:secret"
BOB = {"id": 7, "first_name": "Bob", "username": "bob"}
GROUP = {"id": -5, "type": "group", "title": "builders"}


class Telegram(Resource):
    """Keeps what the bot does; ``tell`` gives it an update."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.is_there = True
        self._updates: list[Any] = []
        self._waiting: Any = None
        self._count = 0

    def render_POST(self, request: Any) -> Any:
        _, token, method = request.path.decode().split("/")
        assert token == f"bot{TOKEN}"
        args = json.loads(request.content.read())
        if not self.is_there:
            request.setResponseCode(502)
            return b'{"ok": false, "description": "Bad Gateway"}'
        if method == "getUpdates":
            self._updates = [u for u in self._updates if u["update_id"] >= args.get("offset", 0)]
            if not self._updates:
                self._waiting = request
                request.notifyFinish().addErrback(lambda _: setattr(self, "_waiting", None))
                return NOT_DONE_YET
            return self._answer(self._updates)
        if method == "getMe":
            return self._answer({"username": "thebot"})
        self.done.append((method, args))
        return self._answer({"message_id": 100 + len(self.done)})

    @staticmethod
    def _answer(result: Any) -> bytes:
        return json.dumps({"ok": True, "result": result}).encode()

    def tell(self, **update: Any) -> None:
        """Something happens."""
        self._count += 1
        self._updates.append({"update_id": self._count, **update})
        if self._waiting is not None:
            request, self._waiting = self._waiting, None
            request.write(self._answer(self._updates))
            request.finish()

    def said(self) -> list[tuple[Any, str]]:
        """(chat, text) of what the bot has said since it was asked last."""
        done, self.done = self.done, []
        return [(args["chat_id"], args["text"]) for method, args in done if method == "sendMessage"]


class World:
    def __init__(self, tmp_path: Path, script: Any = None, **kwargs: Any) -> None:
        self.telegram = Telegram()
        self.agent = agent = RequestTraversalAgent(self.telegram)

        class Session(HTTPSession):
            pass

        Session.agent = agent
        kind = type("TelegramBot", (reporters.TelegramBot,), {"session_class": Session})
        more = {"www": {"port": 8010}} if kwargs.get("useWebhook") else {}
        builders = {"b": [steps.ShellCommand(command=["x"], name="x")]}
        self.path = path_with(tmp_path, lambda: [kind(TOKEN, **kwargs)], builders, script=script, **more)
        self.flush()
        self.telegram.done = []

    def flush(self) -> None:
        for _ in range(5):
            self.agent.flush()
            self.path.kit.pump()

    def say(self, text: str, chat: Any = None) -> list[tuple[Any, str]]:
        """Bob says something; what the bot says then."""
        chat = chat or {"id": 7, "type": "private"}
        self.telegram.tell(message={"message_id": 1, "from": BOB, "chat": chat, "text": text})
        self.flush()
        return self.telegram.said()


LINK = "http://ci.example/builders/1/builds"


async def slow(command: Command) -> None:
    await command.sleep(10)
    command.rc(0)


def test_questions_in_private_and_in_groups(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.say("/list builders") == [(7, "I found the following builders: b")]
    assert world.say("status b") == [(7, "`b`: idle 💤")]
    assert world.say("/getid", GROUP) == [(-5, "Your number is 7."), (-5, "The number of this chat is -5.")]
    assert world.say("/status@thebot b", GROUP) == [(-5, "`b`: idle 💤")]
    assert world.say("/status@otherbot b", GROUP) == []
    assert world.say("@thebot, status b", GROUP) == [(-5, "`b`: idle 💤")]
    assert world.say("status b", GROUP) == []
    assert world.say("/start")[-1] == (
        7, "I am the bot of The Site. Tell me 'notify on' to hear of builds. 'commands' says what I know."
    )  # fmt: skip
    world.path.kit.stop()


def test_chats_are_told_of_builds(tmp_path: Path) -> None:
    world = World(tmp_path, chat_ids=[-5], notify_events=["finished"])
    build(world.path)
    world.flush()
    assert world.telegram.said() == [(-5, f"Build #1 ({LINK}/1) of `b` completed successfully ✅.")]
    world.telegram.is_there = False
    build(world.path)
    world.path.kit.advance(60)
    world.telegram.is_there = True
    world.path.kit.advance(120)
    world.flush()
    assert world.telegram.said() == [(-5, f"Build #2 ({LINK}/2) of `b` completed successfully ✅.")]
    world.path.kit.advance(40)
    world.flush()
    assert world.say("/version")[0][1].startswith("This is buildmaster")  # it asks for messages again
    world.path.kit.stop()


def test_a_button_is_as_good_as_a_whole_command(tmp_path: Path) -> None:
    world = World(tmp_path, script=slow, authz={"!": ["@bob"]})
    assert world.say("/force") == [(7, "Build what?")]
    world.telegram.tell(
        message={"message_id": 2, "from": {"id": 8, "first_name": "Eve"}, "chat": GROUP, "text": "/force"}
    )
    world.flush()
    assert world.telegram.said() == [(-5, "Sorry, Eve, you are not allowed to do that.")]
    world.say("/force")
    world.telegram.tell(message={"message_id": 3, "from": BOB, "chat": {"id": 7, "type": "private"}, "text": "/force"})
    world.flush()
    [[key]] = world.telegram.done[-1][1]["reply_markup"]["inline_keyboard"]
    assert key["text"] == "b"
    pressed = {
        "id": "q1",
        "from": BOB,
        "data": key["callback_data"],
        "message": {"message_id": 104, "chat": {"id": 7, "type": "private"}},
    }
    world.telegram.done = []
    world.telegram.tell(callback_query=pressed)
    world.flush()
    assert [method for method, _ in world.telegram.done] == [
        "answerCallbackQuery",
        "editMessageReplyMarkup",
        "sendMessage",
    ]
    assert world.telegram.said() == [(7, "Force build successfully requested.")]
    assert world.path.builds() == [("b", 1, None)]
    assert world.path.kit.get("buildsets")[0]["reason"] == "forced: by Bob (@bob): by a button"
    world.telegram.tell(callback_query=pressed)
    world.flush()
    assert world.telegram.done == [
        ("answerCallbackQuery", {"callback_query_id": "q1", "text": "This button is too old."})
    ]
    world.path.kit.stop()


def test_a_token_stays_out_of_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path)
    world.telegram.is_there = False
    world.say("/hello")
    world.path.kit.advance(1000)
    world.path.kit.stop()
    assert "secret" not in "".join(capfd.readouterr())


def test_telegram_may_call(tmp_path: Path) -> None:
    world = World(tmp_path, useWebhook=True)
    browser = Client(world.path.kit)
    update = {
        "update_id": 1,
        "message": {"message_id": 1, "from": BOB, "chat": {"id": 7, "type": "private"}, "text": "/last b"},
    }
    bot = service(world.path, "TelegramBot").bot
    address = bot._address().removeprefix("http://ci.example")
    assert address.startswith("/telegram") and TOKEN not in address
    answer = browser.post(address, json.dumps(update).encode())
    world.flush()
    assert answer.status == 200
    assert world.telegram.said() == [(7, "`b`: (no builds run since last restart)")]
    assert browser.post(address, b"nonsense").status == 400
    world.path.kit.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chat_ids": 5}, "chat_ids must be a list of numbers, not 5"),
        ({"certificate": "x"}, "a certificate is of use together with useWebhook=True only"),
        ({"pollTimeout": "x"}, "pollTimeout must be a number of seconds, not 'x'"),
        ({"notify_events": "finished"}, "notify_events must be a list of events, not 'finished'"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        reporters.TelegramBot("t", **arguments)
    assert raised.value.errors == [f"TelegramBot: {message}"]
