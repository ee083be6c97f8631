"""Texts 000 and 002, "Writing Change Sources": what they describe in words, on a whole master in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.logger import capturedLogs

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.interfaces import IChangeSource
from buildmaster.changes.base import ChangeSource
from buildmaster.plugins import schedulers
from buildmaster.testing.master import MemoryMaster
from tests.support.path import configuration
from tests.support.seeds import execute

Run = Callable[..., MemoryMaster]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a master with the sources that a function makes anew for each configuration."""
    made: list[MemoryMaster] = []

    def start(sources: Callable[[], Any]) -> MemoryMaster:
        config = configuration(lambda: [schedulers.Triggerable(name="t", builderNames=["b"])])
        made.append(MemoryMaster(tmp_path / "master", lambda: {**config(), "change_source": sources()}))
        (tmp_path / "master").mkdir()
        return made[0].start()

    yield start
    for kit in made:
        kit.stop()


def sources_of(name: str, repairs: Any = None, **names: Any) -> Any:
    """The change sources that an example configures."""
    c: dict[str, Any] = {}
    execute(name, repairs, c=c, **names)
    return c["change_source"]


def live(kit: MemoryMaster) -> Any:
    (source,) = kit.master.change_svc
    return source


def revisions(kit: MemoryMaster) -> list[str]:
    return [change["revision"] for change in kit.get("changes", order=["changeid"])]


# -- notified ----------------------------------------------------------------------------------------------------------


def send(kit: MemoryMaster, port: int, text: bytes) -> None:
    """Connect to a port of the master, say something and hang up."""
    (factory,) = [factory for number, factory, *_ in kit.reactor.tcpServers if number == port][-1:]
    protocol, transport = factory.buildProtocol(None), StringTransportWithDisconnection()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.dataReceived(text)
    transport.loseConnection()
    kit.pump()


def test_a_source_that_is_notified(run):
    kit = run(lambda: sources_of("write_notified_source.py"))
    assert IChangeSource.providedBy(live(kit))
    assert live(kit).describe() == "LineListener on port 8990"
    send(kit, 8990, b"r1 ann hello.c README\nr2 bob\n")
    assert [(c["revision"], c["author"], c["files"]) for c in kit.get("changes", order=["changeid"])] == [
        ("r1", "ann", ["hello.c", "README"]),
        ("r2", "bob", []),
    ]


def test_only_a_source_that_is_another_takes_the_place_of_the_old(run):
    """They are compared by ``compare_attrs``, though each configuration defines the class anew."""
    port = [8990]
    printed = 'c["change_source"] = [LineListener(8990)]'
    kit = run(lambda: sources_of("write_notified_source.py", {printed: printed.replace("8990", str(port[0]))}))
    first = live(kit)
    kit.reconfig()
    assert live(kit) is first
    port[0] = 8991
    assert kit.reconfig().ok
    assert live(kit) is not first
    assert (first.running, live(kit).running, live(kit).listening.getHost().port) == (False, True, 8991)
    send(kit, 8991, b"r1 ann\n")
    assert revisions(kit) == ["r1"]


def test_a_source_is_active_while_it_is_this_masters(run):
    """In a cluster of masters each source is active on one of them: ``activate`` and ``deactivate`` are the place."""
    noted: list[str] = []

    class Noting(ChangeSource):
        def activate(self) -> Any:
            noted.append("activate")
            return defer.succeed(None)

        def deactivate(self) -> Any:
            noted.append("deactivate")
            return defer.succeed(None)

    present = [True]
    kit = run(lambda: [Noting(name="n")] if present[0] else [])
    assert noted == ["activate"]
    (row,) = kit.get("changesources")
    assert (row["name"], row["master"]["masterid"]) == ("n", kit.master.masterid)
    present[0] = False
    kit.reconfig()
    assert noted == ["activate", "deactivate"]
    (row,) = kit.get("changesources")
    assert row["master"] is None


# -- pollers -----------------------------------------------------------------------------------------------------------


class Spool:
    """A directory into which somebody puts changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def put(self, revision: str, **more: Any) -> None:
        (self.path / revision).write_text(json.dumps({"author": "ann", "revision": revision, "comments": "", **more}))


def test_a_poller_looks_at_its_interval(run, tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.put("r1")
    kit = run(lambda: sources_of("write_poller.py", spool=str(spool.path)))
    assert live(kit).describe() == f"SpoolPoller of {spool.path}"
    assert revisions(kit) == ["r1"]  # pollAtLaunch
    spool.put("r2")
    kit.advance(59)
    assert revisions(kit) == ["r1"]
    kit.advance(1)
    assert revisions(kit) == ["r1", "r2"]


def test_a_reconfigurable_poller_takes_its_new_arguments(run, tmp_path):
    first, other = Spool(tmp_path / "first"), Spool(tmp_path / "other")
    spool = [first]
    kit = run(lambda: sources_of("write_poller.py", spool=str(spool[0].path)))
    poller = live(kit)
    kit.advance(30)
    spool[0] = other
    kit.reconfig()
    assert live(kit) is poller
    other.put("r1")
    kit.advance(30)
    assert revisions(kit) == ["r1"]


def test_a_pollers_mistake_is_told_with_the_others(tmp_path):
    with pytest.raises(ConfigErrors) as raised:
        sources_of("write_poller.py", spool="here")
    assert raised.value.errors == ["SpoolPoller: directory must be an absolute path, not 'here'"]


def test_a_poll_that_raises_is_told_and_does_not_stop_the_next(run, tmp_path):
    spool = Spool(tmp_path / "spool")
    (spool.path / "broken").write_text("no JSON")
    with capturedLogs() as events:
        kit = run(lambda: sources_of("write_poller.py", spool=str(spool.path)))
    (told,) = [event for event in events if event.get("source") == f"SpoolPoller of {spool.path}"]
    assert (told["s"], told["log_failure"].type) == (60, json.JSONDecodeError)
    (spool.path / "broken").unlink()
    spool.put("r1")
    kit.advance(60)
    assert revisions(kit) == ["r1"]


def test_a_poll_that_hangs_is_told_and_does_not_stop_the_next_for_ever(run):
    answers: list[defer.Deferred[str]] = []

    def get_version(product: str) -> defer.Deferred[str]:
        answers.append(defer.Deferred())
        return answers[-1]

    kit = run(lambda: sources_of("write_old_poller.py", get_version=get_version))
    assert len(answers) == 1
    kit.advance(29 * 60)
    assert len(answers) == 1  # two polls never run at a time
    with capturedLogs() as events:
        kit.advance(2 * 60)
    (told,) = [event for event in events if event.get("source") == "VersionPoller of python"]
    assert str(told["log_failure"].value) == "the poll gave no answer within 1800 s"
    assert len(answers) == 2
    answers[1].callback("3.11")
    kit.advance(60)
    answers[2].callback("3.12")
    kit.pump()
    assert revisions(kit) == ["3.12"]


def test_a_poller_of_the_old_kind_is_replaced_when_it_is_another(run):
    asked: list[str] = []

    async def get_version(product: str) -> str:
        asked.append(product)
        return "1"

    printed = 'c["change_source"] = [VersionPoller("python", pollInterval=60, pollAtLaunch=True)]'
    now = ["python"]
    kit = run(
        lambda: sources_of("write_old_poller.py", {printed: printed.replace("python", now[0])}, get_version=get_version)
    )
    first = live(kit)
    kit.reconfig()
    assert live(kit) is first
    now[0] = "ruby"
    kit.reconfig()
    assert asked == ["python", "ruby"]
    kit.advance(60)
    assert asked == ["python", "ruby", "ruby"]


def test_polls_are_spread_by_a_random_delay(run, tmp_path):
    spool = Spool(tmp_path / "spool")
    printed = 'c["change_source"] = [SpoolPoller(spool, name="spool", pollInterval=60, pollAtLaunch=True)]'
    delayed = printed.replace("pollAtLaunch=True", "pollRandomDelayMin=10, pollRandomDelayMax=20")
    kit = run(lambda: sources_of("write_poller.py", {printed: delayed}, spool=str(spool.path)))
    spool.put("r1")
    kit.advance(69)
    assert revisions(kit) == []
    kit.advance(11)
    assert revisions(kit) == ["r1"]
