"""The IRC bot of a whole master in a real IRC server, both in memory."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import reporters, steps
from buildmaster.testing.worker import Command
from tests.support.irc_world import IrcWorld
from tests.support.reporting import build, path_with, service

LINK = "http://ci.example/builders/1/builds"


def irc(**kwargs: Any) -> Any:
    settings = {
        "host": "irc.example",
        "nick": "bb",
        "channels": ["#c"],
        "useColors": False,
        "failedDelay": 10,
        "lostDelay": 1,
    }
    return lambda: [reporters.IRC(**{**settings, **kwargs})]


async def slow(command: Command) -> None:
    await command.sleep(10)
    command.rc(0)


async def fails(command: Command) -> None:
    command.rc(1)


def world(tmp_path: Path, script: Any = None, builders: Any = None, **kwargs: Any) -> tuple[Any, IrcWorld]:
    """(master, world) with the bot in its channels."""
    path = path_with(tmp_path, irc(**kwargs), builders, script=script)
    made = IrcWorld(path.kit)
    made.connect()
    return path, made


def test_questions(tmp_path: Path) -> None:
    path, there = world(tmp_path, builders={"b": [steps.ShellCommand(command=["make"])], "c": []})
    bob = there.person("bob", "#c")
    assert bob.say("#c", "bb: list builders") == ["I found the following builders: b, c"]
    assert bob.say("#c", "BB, list workers") == ["I found the following workers: w"]
    assert bob.say("#c", "bb list changes") == ["I found the following recent changes:"]
    assert bob.say("#c", "bb: list") == ["Try 'list [all|N] builders|workers|changes'."]
    assert bob.say("#c", "list builders") == []
    assert bob.say("#c", "bb: status b") == ["`b`: idle"]
    assert bob.say("#c", "bb: status nosuch") == ["no such builder 'nosuch'"]
    path.kit.call(path.master.data.updates.addBuildset, False, builderids=[1], sourcestamps=[])
    path.kit.advance(60)
    assert bob.say("#c", "bb: status all") == [
        "`b`: idle, last build a minute ago: completed successfully",
        "`c`: idle",
    ]
    assert bob.say("#c", "bb: last b") == ["`b`: last build completed successfully (a minute ago)"]
    path.change("r1", author="al", comments="one\ntwo")
    assert bob.say("bb", "list 1 changes") == ["I found the following recent changes:", "al: one (main, r1)"]
    assert bob.say("bb", "help status") == ["Usage: status [_which_] - list status of a builder (or all builders)"]
    assert bob.say("bb", "help nosuch") == ["There is no such command 'nosuch'."]
    assert bob.say("bb", "what") == ["I don't know 'what'. Try 'commands'."]
    assert bob.say("bb", "commands") == [
        "The commands are: commands, dance, force, hello, help, hush, join, last, leave, list, mute, notify, shutdown, "
        "source, status, stop, unhush, unmute, version, watch"
    ]
    path.kit.stop()


def test_builds_are_told_of_as_wanted(tmp_path: Path) -> None:
    path, there = world(
        tmp_path,
        notify_events=["started", "failure"],
        channels=["#c", {"channel": "#d", "notify_events": ["finished"]}],
    )
    bob, ann = there.person("bob", "#c"), there.person("ann", "#d")
    build(path)
    assert (bob.heard(), ann.heard()) == (
        [f"Build #1 ({LINK}/1) of `b` started."],
        [f"Build #1 ({LINK}/1) of `b` completed successfully."],
    )
    path.kit.stop()


def test_people_are_told_in_private_and_of_who_broke_it(tmp_path: Path) -> None:
    path, there = world(tmp_path, script=fails, notify_events=["problem"], pm_to_nicks=["bob"], channels=[])
    bob = there.person("bob")
    build(path)
    assert bob.heard() == [f"Build #1 ({LINK}/1) of `b` failed: failed 'make' (failure); those responsible: me@x.org"]
    path.kit.stop()


def test_what_a_channel_is_told_of_can_be_chosen_and_outlasts_the_master(tmp_path: Path) -> None:
    path, there = world(tmp_path, authz={"notify": ["bob"]})
    bob, eve = there.person("bob", "#c"), there.person("eve", "#c")
    assert bob.say("#c", "bb: notify list") == ["No events are being notified."]
    assert bob.say("#c", "bb: notify on") == ["The following events are being notified: finished, started."]
    eve.heard()
    assert eve.say("#c", "bb: notify off") == ["Sorry, eve, you are not allowed to do that."]
    bob.heard()
    assert bob.say("#c", "bb: notify off started")[-1] == "The following events are being notified: finished."
    assert bob.say("#c", "bb: notify on nonsense")[0].startswith("There is no event 'nonsense'; there are 'started',")
    now = path.kit.reactor.seconds()
    path.kit.stop()
    path = path_with(tmp_path, irc(), now=now)
    there = IrcWorld(path.kit)
    there.connect()
    bob = there.person("bob", "#c")
    build(path)
    assert bob.heard() == [f"Build #1 ({LINK}/1) of `b` completed successfully."]
    path.kit.stop()


def test_only_operators_choose_unless_somebody_is_named(tmp_path: Path) -> None:
    path, there = world(tmp_path)
    bob = there.person("bob", "#c")
    assert bob.say("#c", "bb: mute") == ["Only operators of this channel may 'mute', bob."]
    bot = service(path, "IRC").f.p
    bot.getNames = lambda channel: ["@bob", "bb"]
    assert bob.say("#c", "bb: mute") == ["I say nothing until somebody tells me to 'unmute'."]
    assert bob.say("#c", "bb: version") == []
    assert bob.say("#c", "bb: unhush") == ["I talk again."]
    assert bob.say("bb", "unmute") == ["Nobody had told me to be quiet."]
    path.kit.stop()


def test_builds_are_forced_watched_and_stopped_by_those_who_may(tmp_path: Path) -> None:
    path, there = world(
        tmp_path,
        script=slow,
        authz={("force", "stop"): ["bob"]},
        builders={"b": [steps.ShellCommand(command=["x"], name="x")]},
    )
    bob = there.person("bob", "#c")
    eve = there.person("eve")
    assert eve.say("bb", "force build b why") == ["Sorry, eve, you are not allowed to do that."]
    assert bob.say("#c", "bb: force build --branch=trunk --revision=12 --props=a=1,b=x b it is 'time now'") == [
        "Force build successfully requested."
    ]
    [request] = path.kit.get("buildsets")
    assert request["reason"] == "forced: by bob on #c: it is time now"
    assert [(s["branch"], s["revision"]) for s in request["sourcestamps"]] == [("trunk", "12")]
    properties = path.kit.get("builds", 1, "properties")
    assert (properties["a"], properties["owner"]) == (("1", "Force Build chat"), ("bob on #c", "Force Build chat"))
    assert bob.say("#c", "bb: status b") == [f"`b`: running: build #1 ({LINK}/1) (running)"]
    assert bob.say("#c", "bb: watch b") == [f"Watching build #1 ({LINK}/1) of `b` until it finishes..."]
    said = bob.say("#c", "bb: stop build b because")
    path.kit.advance(20)
    told, said = [*said, *bob.heard()]
    assert told == f"Build #1 ({LINK}/1) of `b` interrupted."
    assert said.startswith(f"Build #1 ({LINK}/1) of `b` was cancelled: ")
    assert bob.say("#c", "bb: stop build b x") == ["Sorry, no build is currently running."]
    assert bob.say("#c", "bb: force build b --branch=';rm'")[0].startswith(
        "Refused: ';rm' does not match the pattern of c['validation']['branch']"
    )
    assert bob.say("#c", "bb: force build b --props=a") == ["'a' in --props is not of the form name=value"]
    assert bob.say("#c", "bb: force build b 'open") == ["No closing quotation"]
    assert bob.say("#c", "bb: force")[0].startswith("Try 'force build [--codebase=CODEBASE]")
    path.kit.stop()


def test_what_happens_while_the_bot_is_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    path, there = world(tmp_path, notify_events=["finished"])
    bob = there.person("bob", "#c")
    there.cut()
    there.is_there = False
    build(path)
    path.kit.advance(2)
    there.connect()  # nobody is there
    path.kit.advance(100)
    there.is_there = True
    there.connect()
    path.kit.advance(120)
    assert bob.heard() == [f"Build #1 ({LINK}/1) of `b` completed successfully."]
    there.cut()
    build(path)
    path.kit.advance(3600)  # that is no news any more
    there.connect()
    path.kit.advance(120)
    assert bob.heard() == []
    path.kit.stop()


def test_workers_that_are_missing_and_back(tmp_path: Path) -> None:
    path, there = world(tmp_path, notify_events=["worker"])
    bob = there.person("bob", "#c")
    path.kit.call(path.master.data.updates.workerMissing, 1, 1, 1_500_000_000, ["x"])
    assert bob.heard() == ["Worker `w` is missing. It was seen last on 2017-07-14 02:40:00 UTC."]
    path.kit.call(path.master.data.updates.workerConnected, 1, 1, {})
    assert bob.heard() == ["Worker `w` is back online."]
    path.kit.call(path.master.data.updates.workerConnected, 1, 1, {})
    assert bob.heard() == []
    path.kit.stop()


def test_a_long_answer_comes_slowly(tmp_path: Path) -> None:
    """Servers throw out bots that say much at once."""
    path, there = world(tmp_path)
    bob = there.person("bob")
    said = bob.say("bb", "help")
    assert len(said) == 5
    path.kit.advance(3)
    said += bob.heard()
    assert len(said) == 8
    path.kit.advance(60)
    assert len(said + bob.heard()) == 20
    path.kit.stop()


def test_shutting_down(tmp_path: Path) -> None:
    path, there = world(tmp_path, script=slow, authz={"!": ["bob"]})
    bob = there.person("bob")
    build(path)
    assert bob.say("bb", "shutdown check") == ["Status: the master is running."]
    assert bob.say("bb", "shutdown start") == ["The master stops when the running builds have ended."]
    assert bob.say("bb", "shutdown check") == ["Status: the master is shutting down."]
    assert bob.say("bb", "shutdown stop") == ["It goes on."]
    assert bob.say("bb", "shutdown") == ["Try 'shutdown check|start|stop|now'."]
    path.kit.stop()


def test_a_reconfiguration_leaves_and_comes_again(tmp_path: Path) -> None:
    path, there = world(tmp_path)
    made = path.kit.loader.config
    assert path.kit.reconfig(lambda: {**made(), "services": irc(channels=["#d"])()}).ok
    there.pump()
    there.connect()
    ann = there.person("ann", "#d")
    assert ann.say("#d", "bb: version")[0].startswith("This is buildmaster ")
    path.kit.stop()


def test_passwords(tmp_path: Path) -> None:
    path, there = world(tmp_path, password="secret")
    assert "PRIVMSG Nickserv :IDENTIFY secret" in there.lines
    path.kit.stop()
    path, there = world(tmp_path, password="secret", useSASL=True)
    bot = there._bots[-1][0]
    assert there.lines[0] == "CAP REQ :sasl"
    bot.lineReceived(b":irc CAP * ACK :sasl")
    bot.lineReceived(b"AUTHENTICATE +")
    bot.lineReceived(b":irc 903 bb :ok")
    assert there.lines[-3:] == [
        "AUTHENTICATE PLAIN",
        "AUTHENTICATE " + base64.b64encode(b"bb\0bb\0secret").decode(),
        "CAP END",
    ]
    path.kit.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": "#c"}, "IRC: channels must be a list, not '#c'"),
        ({"channels": [{"name": "#c"}]}, "IRC: {'name': '#c'} in channels has no 'channel'"),
        ({"notify_events": ["broken"]}, "IRC: 'broken' in notify_events is no event; there are started, finished, "),
        ({"authz": {"force": "bob"}}, "IRC: authz of 'force' must be True, False or a list of users, not 'bob'"),
        ({"useSASL": True}, "IRC: useSASL needs a password"),
        ({"lostDelay": "x"}, "IRC: lostDelay must be a number of seconds, not 'x'"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        irc(**arguments)()
    assert raised.value.errors[0].startswith(message)
