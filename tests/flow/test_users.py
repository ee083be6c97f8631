"""Users, and managing them from the command line, on a whole master in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.db import users as rows
from buildmaster.plugins import util
from buildmaster.process.users import users
from buildmaster.process.users.manual import UserCommandRefused
from buildmaster.testing.master import MemoryMaster


def config(**manager: Any) -> dict[str, Any]:
    arguments = {"username": "admin", "passwd": "pw", "port": 9990, **manager}
    return {"multiMaster": True, "user_managers": [util.CommandlineUserManager(**arguments)]}


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[MemoryMaster]:
    made = MemoryMaster(tmp_path, config).start()
    yield made
    made.stop()


def do(kit: MemoryMaster, op: str, ids: Any = None, info: Any = None, name: Any = None, password: Any = None) -> str:
    [manager] = list(kit.master.user_manager)
    perspective = manager._perspective(None, "admin")
    return kit.call(perspective.perspective_commandline, op, name, password, ids, info)


def user(kit: MemoryMaster, uid: int) -> Any:
    return kit.wait_for(kit.master.db.read(rows.get, uid))


def test_a_user_is_added_changed_shown_and_removed(kit: MemoryMaster) -> None:
    assert do(kit, "add", info=[{"identifier": "jo", "git": "Jo <j@x>", "email": "j@x"}]) == (
        "user(s) added:\nidentifier: jo\nuid: 1\n"
    )
    do(kit, "update", info=[{"identifier": "jo", "svn": "joe"}], name="jo", password="secret")
    assert do(kit, "get", ids=["jo", "nobody"]) == (
        "user(s) found:\nidentifier: jo\nuid: 1\nbb_username: jo\nemail: j@x\ngit: Jo <j@x>\nsvn: joe\n\n"
        "no match found for nobody\n"
    )
    stored = user(kit, 1)["bb_password"]
    assert "secret" not in stored
    assert (users.check_passwd("secret", stored), users.check_passwd("Secret", stored)) == (True, False)
    assert do(kit, "remove", ids=["jo", "nobody"]) == "user(s) removed:\njo\nno match found for nobody\n"
    assert user(kit, 1) is None


@pytest.mark.parametrize(
    ("op", "info", "why"),
    [
        ("steal", None, "'steal' is no operation; there are add, update, remove, get"),
        ("update", [{"identifier": "nobody", "git": "x"}], "there is no user 'nobody'"),
        ("add", [{"identifier": "jo"}], "user 'jo' has no attributes"),
        ("add", [{"git": "x"}], "a user has no identifier"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(kit: MemoryMaster, op: str, info: Any, why: str) -> None:
    with pytest.raises(UserCommandRefused, match=why):
        do(kit, op, info=info)


def test_all_users_of_a_command_are_stored_or_none(kit: MemoryMaster) -> None:
    with pytest.raises(UserCommandRefused):
        do(kit, "add", info=[{"identifier": "jo", "git": "Jo"}, {"identifier": "ka"}])
    assert do(kit, "get", ids=["jo"]) == "user(s) found:\nno match found for jo\n"


def test_a_manager_that_is_the_same_goes_on(kit: MemoryMaster) -> None:
    [before] = list(kit.master.user_manager)
    assert kit.reconfig(config).ok
    assert list(kit.master.user_manager) == [before]
    assert next(iter(kit.master.user_manager)) is before
    assert kit.reconfig(lambda: config(passwd="other")).ok
    [after] = list(kit.master.user_manager)
    assert (after is before, before.registration) == (False, None)
    assert kit.reconfig({"multiMaster": True}).ok
    assert (list(kit.master.user_manager), after.registration) == ([], None)


def test_without_a_port_it_takes_the_workers(kit: MemoryMaster) -> None:
    assert kit.reconfig(lambda: {**config(port=None), "protocols": {"pb": {"port": 9989}}}).ok
    [manager] = list(kit.master.user_manager)
    assert manager.registration.portstr == "tcp:9989"
    outcome = kit.reconfig(lambda: config(port=None))
    assert not outcome.ok
    assert "CommandlineUserManager has no port: give it one" in "\n".join(outcome.lines)
    assert manager.registration.portstr == "tcp:9989"


def test_one_that_cannot_begin_is_tried_again(kit: MemoryMaster) -> None:
    assert not kit.reconfig(lambda: config(port=None)).ok
    assert list(kit.master.user_manager) == []
    assert kit.reconfig(lambda: {**config(port=None), "protocols": {"pb": {"port": 9989}}}).ok
    assert len(list(kit.master.user_manager)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"passwd": None}, "username and passwd must be given"), ({"port": "x"}, "PB port 'x' is not a port")],
)
def test_a_wrong_manager_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors, match=message):
        util.CommandlineUserManager(**{"username": "u", "passwd": "p", "port": 1, **arguments})


def test_an_author_is_a_user(kit: MemoryMaster) -> None:
    for _ in range(2):
        assert kit.call(users.createUserObject, kit.master, "Jo <j@x>", "git") == 1
    assert kit.call(users.createUserObject, kit.master, "Jo <j@x>", "paper") is None
    assert user(kit, 1)["git"] == "Jo <j@x>"
    assert kit.call(users.getUserContact, kit.master, ["irc", "email"], 1) == "j@x"
    assert kit.call(users.getUserContact, kit.master, ["git"], 1) == "j@x"
    assert kit.call(users.getUserContact, kit.master, ["irc"], 1) is None
    assert kit.call(users.getUserContact, kit.master, ["email"], 99) is None
