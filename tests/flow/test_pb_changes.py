"""Changes that clients send to a whole master."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.aio import as_deferred
from buildmaster.changes.pb import ChangePerspective, ChangeRefused
from buildmaster.plugins import changes, schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.sync import failure_of, result_of


def config(**source: Any) -> dict[str, Any]:
    factory = util.BuildFactory([steps.ShellCommand(command=["make"])])
    return {
        "workers": [worker.Worker("w", "pw")],
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=factory)],
        "schedulers": [schedulers.ForceScheduler(name="f", builderNames=["b"])],
        "change_source": [changes.PBChangeSource(**source)],
        "protocols": {"pb": {"port": 9989}},
    }


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[MemoryMaster]:
    made = MemoryMaster(tmp_path, config)
    made.start()
    yield made
    made.stop()


def source(kit: MemoryMaster) -> Any:
    [found] = list(kit.master.change_svc)
    return found


def client(kit: MemoryMaster) -> ChangePerspective:
    return source(kit).getPerspective(None, "change")


def send(kit: MemoryMaster, **change: Any) -> None:
    assert kit.call(client(kit).perspective_addChange, change) is None


def test_a_change_is_stored_when_the_client_is_answered(kit: MemoryMaster) -> None:
    waiting = as_deferred(client(kit).perspective_addChange({"who": "me", "files": ["a"], "comments": "c"}))
    assert not waiting.called
    kit.pump()
    assert result_of(waiting) is None
    [change] = kit.get("changes")
    assert (change["author"], change["files"], change["comments"]) == ("me", ["a"], "c")


def test_every_field_arrives(kit: MemoryMaster) -> None:
    send(
        kit,
        who=b"me <me@example.org>",
        files=[b"a", "b"],
        comments="c",
        branch="br",
        revision=17,
        category="cat",
        when=1234.5,
        properties={"p": ["v"]},
        repository="http://r",
        project="pr",
        revlink="http://l",
        codebase="cb",
        links=[],
    )
    [change] = kit.get("changes")
    assert change["author"] == "me <me@example.org>"
    assert change["files"] == ["a", "b"]
    assert (change["branch"], change["revision"], change["category"]) == ("br", "17", "cat")
    assert change["when_timestamp"] == 1234
    assert change["properties"] == {"p": (["v"], "Change")}
    assert (change["repository"], change["project"], change["revlink"]) == ("http://r", "pr", "http://l")
    assert change["codebase"] == "cb"


def test_a_change_that_makes_no_sense_is_refused_and_the_next_is_taken(kit: MemoryMaster) -> None:
    refused = as_deferred(client(kit).perspective_addChange({"who": "me", "when": "soon"}))
    assert "when must be seconds since 1970" in str(failure_of(refused, ChangeRefused))
    send(kit, who="me")
    assert len(kit.get("changes")) == 1


def test_many_changes_at_once_share_a_few_transactions(kit: MemoryMaster) -> None:
    before = kit.master.db.counters["batches"]
    sender = client(kit)
    waiting = [
        as_deferred(sender.perspective_addChange({"who": "me", "revision": str(n), "files": ["f"]})) for n in range(200)
    ]
    kit.pump()
    assert [result_of(each) for each in waiting] == [None] * 200
    assert [change["revision"] for change in kit.get("changes", order=("changeid",))] == [str(n) for n in range(200)]
    assert kit.master.db.counters["batches"] - before <= 8


def test_a_prefix_is_taken_off(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(prefix="trunk/")).start()
    send(kit, who="me", files=["trunk/a", "other/b"])
    assert kit.get("changes")[0]["files"] == ["a"]
    kit.stop()


def test_a_reconfiguration_changes_the_password_in_place(kit: MemoryMaster) -> None:
    before = source(kit)
    registration = before.registration
    kit.reconfig(lambda: config(passwd="new", prefix="p/"))
    users = kit.master.pbmanager._listeners["tcp:9989"].door.users
    if source(kit) is before:
        assert before.registration is registration
    assert users["change"].password == b"new"
    assert set(users) == {"change", "w"}
    assert client(kit).prefix == "p/"


def test_a_source_that_left_lets_nobody_in(kit: MemoryMaster) -> None:
    def without() -> dict[str, Any]:
        found = config()
        del found["change_source"]
        return found

    kit.reconfig(without)
    assert set(kit.master.pbmanager._listeners["tcp:9989"].door.users) == {"w"}


def test_the_port_moves_for_everybody(kit: MemoryMaster) -> None:
    def moved() -> dict[str, Any]:
        return {**config(), "protocols": {"pb": {"port": "tcp:9990:interface=127.0.0.1"}}}

    kit.reconfig(moved)
    kit.advance(5)
    listeners = kit.master.pbmanager._listeners
    assert list(listeners) == ["tcp:9990:interface=127.0.0.1"]
    assert set(listeners["tcp:9990:interface=127.0.0.1"].door.users) == {"change", "w"}


def test_sources_without_a_port_are_told_how_to_get_one(tmp_path: Path) -> None:
    source_without = changes.PBChangeSource()
    assert source_without.describe() == "PBChangeSource listener on the workers port"
    assert changes.PBChangeSource(port=1, prefix="p").describe() == "PBChangeSource listener on 1 (prefix 'p')"
