"""Workers in a whole master on a fake clock: sessions, duplicates, pauses, quarantine, and workers that lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.net.pblogin import GoAway, Refused
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.sync import failure_of
from buildmaster.testing.worker import Command, ScriptedWorker


def config(builders: int = 1, workers: int = 1, **options: Any) -> dict[str, Any]:
    names = [f"w{n}" for n in range(1, workers + 1)]
    factory = util.BuildFactory([steps.ShellCommand(command=["make"], name="make")])
    return {
        "workers": [worker.Worker(name, "pw", **options) for name in names],
        "builders": [
            util.BuilderConfig(name=f"b{n}", workernames=names, factory=factory) for n in range(1, builders + 1)
        ],
        "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=[f"b{n}" for n in range(1, builders + 1)])],
        "protocols": {"pb": {"port": 9989}},
    }


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[MemoryMaster]:
    made = MemoryMaster(tmp_path, config)
    made.start()
    yield made
    made.stop()


def connect(kit: MemoryMaster, name: str = "w1", script: Any = None, **options: Any) -> ScriptedWorker:
    made = ScriptedWorker(kit.master, name, **({} if script is None else {"script": script}), **options)
    kit.wait_for(made.connect())
    kit.pump()
    return made


def live(kit: MemoryMaster, name: str = "w1") -> Any:
    return kit.master.workers.getWorkerByName(name)


def change(kit: MemoryMaster, revision: str = "1") -> None:
    kit.call(kit.master.data.updates.addChange, author="me", revision=revision, files=["f"], comments="c")
    kit.pump()


def results(kit: MemoryMaster) -> list[int | None]:
    return [build["results"] for build in kit.get("builds", order=("buildid",))]


def events(kit: MemoryMaster, *key: str | None) -> list[tuple[str, ...]]:
    seen: list[Any] = []
    kit.call(kit.master.mq.startConsuming, lambda k, body: seen.append((k, body)), key)
    return seen


# -- sessions ------------------------------------------------------------------------------------------------------


def test_an_attached_worker_knows_its_builders_and_is_stored(kit: MemoryMaster) -> None:
    made = connect(kit)
    assert made.builder_lists == [[("b1", "b1")]]
    [row] = kit.get("workers")
    assert row["connected_to"] == [{"masterid": 1}]
    assert row["configured_on"] == [{"masterid": 1, "builderid": 1}]
    assert kit.master.workers.connections == {"w1": made.conn}


def test_coming_and_going_are_told(kit: MemoryMaster) -> None:
    seen = events(kit, "workers", "1", None)
    made = connect(kit)
    made.drop()
    kit.pump()
    assert [key[2] for key, _ in seen] == ["connected", "disconnected"]
    assert [body["connected_to"] for _, body in seen] == [[{"masterid": 1}], []]
    assert kit.get("workers")[0]["connected_to"] == []


def test_a_worker_that_answers_nothing_is_disconnected(kit: MemoryMaster) -> None:
    made = ScriptedWorker(kit.master, "w1")
    made.silent = True
    kit.wait_for(made.connect())
    kit.advance(130)
    assert live(kit).master_session.state == "absent"
    assert not made.conn.connected


def test_a_worker_whose_info_is_nonsense_is_disconnected(kit: MemoryMaster) -> None:
    made = ScriptedWorker(kit.master, "w1")
    made.info = ["a", "list"]
    kit.wait_for(made.connect())
    kit.pump()
    assert live(kit).master_session.state == "absent"
    assert connect(kit).conn.connected


def test_a_half_dead_worker_is_dropped_after_its_keepalive(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(keepalive_interval=100)).start()
    made = connect(kit)
    kit.advance(1000)
    assert made.conn.connected
    made.silent = True
    kit.advance(201)
    assert not made.conn.connected
    assert live(kit).conn is None
    kit.stop()


def test_a_throttled_worker_is_not_dropped(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(keepalive_interval=100)).start()
    made = connect(kit)
    made.conn.throttle("log")
    kit.advance(10_000)
    assert made.conn.connected
    made.conn.unthrottle("log")
    kit.advance(1000)
    assert made.conn.connected
    kit.stop()


def test_a_duplicate_is_refused_while_the_first_answers(kit: MemoryMaster) -> None:
    first = connect(kit)
    second = ScriptedWorker(kit.master, "w1")
    waiting = second.connect()
    kit.pump()
    assert "rejecting duplicate" in str(failure_of(waiting, Refused))
    assert first.conn.connected
    assert not second.conn.connected


def test_a_duplicate_takes_the_place_of_one_that_does_not_answer(kit: MemoryMaster) -> None:
    first = connect(kit)
    first.silent = True
    second = ScriptedWorker(kit.master, "w1")
    waiting = second.connect()
    kit.advance(9)
    assert not waiting.called
    third = ScriptedWorker(kit.master, "w1")
    failure_of(third.connect(), GoAway)
    kit.advance(2)
    assert live(kit).conn is second.conn
    assert not first.conn.connected
    assert [row["connected_to"] for row in kit.get("workers")] == [[{"masterid": 1}]]


def test_a_worker_that_is_not_configured_any_more_is_sent_away(kit: MemoryMaster) -> None:
    failure_of(ScriptedWorker(kit.master, "stranger").connect(), GoAway)


# -- builds --------------------------------------------------------------------------------------------------------


def test_a_build_on_a_lost_worker_is_retried_on_the_next(kit: MemoryMaster) -> None:
    async def stall(command: Command) -> None:
        await command.stall()

    made = connect(kit, script=stall)
    change(kit)
    made.drop()
    kit.pump()
    assert results(kit) == [RETRY]
    connect(kit)
    kit.pump()
    assert results(kit) == [RETRY, SUCCESS]


@pytest.mark.parametrize(
    "lie",
    [
        "nonsense",
        [["no", "dictionary"]],
        [[{"stdout": 17}, 0]],
        [[{"rc": "zero"}, 0]],
        [[{"log": "no pair"}, 0]],
        [[{5: "five"}, 0]],
        [{"stdout": "x"}],
    ],
)
def test_a_lie_ends_the_command_and_the_worker_goes_on(kit: MemoryMaster, lie: Any) -> None:
    async def liar(command: Command) -> None:
        command.out("before\n")
        command.update(lie)
        command.rc(0)

    made = connect(kit, script=liar)
    change(kit)
    assert results(kit) == [EXCEPTION]
    assert made.conn.connected

    async def honest(command: Command) -> None:
        command.rc(0)

    made.script = honest
    change(kit, "2")
    assert results(kit) == [EXCEPTION, SUCCESS]


def test_a_completion_with_nonsense_is_a_failure(kit: MemoryMaster) -> None:
    async def liar(command: Command) -> None:
        command.complete(17)

    connect(kit, script=liar)
    change(kit)
    assert results(kit) == [EXCEPTION]


def test_max_builds_bounds_the_builds_at_a_time(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(builders=3, max_builds=2)).start()

    async def slow(command: Command) -> None:
        await command.sleep(60)
        command.rc(0)

    made = connect(kit, script=slow)
    change(kit)
    assert len(made.commands) == 2
    kit.advance(61)
    assert len(made.commands) == 3
    kit.stop()


def test_a_worker_lock_bounds_the_builds_at_a_time(tmp_path: Path) -> None:
    lock = util.WorkerLock("disk", maxCount=1)
    kit = MemoryMaster(tmp_path, lambda: config(builders=2, locks=[lock.access("counting")])).start()

    async def slow(command: Command) -> None:
        await command.sleep(60)
        command.rc(0)

    made = connect(kit, script=slow)
    change(kit)
    assert len(made.commands) == 1
    kit.advance(61)
    assert len(made.commands) == 2
    kit.advance(61)
    assert results(kit) == [SUCCESS, SUCCESS]
    kit.stop()


def test_properties_of_the_worker_are_the_builds(tmp_path: Path) -> None:
    def configured() -> dict[str, Any]:
        return config(properties={"arch": "arm"}, defaultProperties={"lane": "slow"})

    kit = MemoryMaster(tmp_path, configured).start()
    connect(kit)
    change(kit)
    properties = kit.get("builds", 1, "properties")
    assert properties["arch"] == ("arm", "Worker")
    assert properties["lane"] == ("slow", "Worker")
    assert properties["workername"] == ("w1", "Worker")
    kit.stop()


# -- pause, quarantine, shutdown -----------------------------------------------------------------------------------


def test_a_paused_worker_takes_no_builds_and_stays_paused_over_a_restart(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, config).start()
    connect(kit)
    kit.call(kit.master.data.control, "pause", {"reason": "broken fan"}, ("workers", "w1"))
    kit.pump()
    change(kit)
    assert kit.get("builds") == []
    assert live(kit).why_not() == "paused: broken fan"
    kit.stop()

    kit = MemoryMaster(tmp_path, config, now=kit.reactor.seconds()).start()
    connect(kit)
    assert live(kit).isPaused()
    kit.call(kit.master.data.control, "unpause", {}, ("workers", 1))
    kit.pump()
    assert results(kit) == [SUCCESS]
    assert kit.get("workers")[0]["pause_reason"] is None
    kit.stop()


def test_each_quarantine_is_twice_as_long_until_it_is_reset(kit: MemoryMaster) -> None:
    connect(kit)
    it = live(kit)
    for seconds in (10, 20, 40):
        it.putInQuarantine()
        it.putInQuarantine()
        assert it.why_not() == "in quarantine"
        kit.advance(seconds - 1)
        assert not it.canStartBuild()
        kit.advance(1)
        assert it.canStartBuild()
    it.resetQuarantine()
    assert it.quarantine_timeout == 10
    it.quarantine_timeout = 120
    it.putInQuarantine()
    it.resetQuarantine()
    kit.advance(119)
    assert not it.canStartBuild()
    kit.advance(1)
    assert it.canStartBuild()


def test_a_quarantine_has_a_longest_time(kit: MemoryMaster) -> None:
    it = live(kit)
    it.quarantine_timeout = 3000
    it.putInQuarantine()
    assert it.quarantine_timeout == 3600
    it.stopQuarantineTimer()


def test_a_build_waits_for_the_end_of_a_quarantine(kit: MemoryMaster) -> None:
    connect(kit)
    live(kit).putInQuarantine()
    change(kit)
    assert kit.get("builds") == []
    kit.advance(10)
    assert results(kit) == [SUCCESS]


def test_a_graceful_shutdown_waits_for_the_build(kit: MemoryMaster) -> None:
    async def slow(command: Command) -> None:
        await command.sleep(60)
        command.rc(0)

    made = connect(kit, script=slow)
    change(kit)
    made.ask_for_shutdown()
    kit.pump()
    assert kit.get("workers")[0]["graceful"] is True
    change(kit, "2")
    assert not made.shut_down
    kit.advance(60)
    assert made.shut_down
    assert results(kit) == [SUCCESS]
    connect(kit)
    kit.pump()
    assert results(kit) == [SUCCESS, SUCCESS]
    assert kit.get("workers")[0]["graceful"] is False


def test_kill_shuts_a_worker_down_at_once(kit: MemoryMaster) -> None:
    async def stall(command: Command) -> None:
        await command.stall()

    made = connect(kit, script=stall)
    change(kit)
    kit.call(kit.master.data.control, "kill", {"reason": "now"}, ("workers", 1))
    kit.pump()
    assert made.shut_down
    assert results(kit) == [RETRY]


# -- missing -------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_away_too_long_is_missed(tmp_path: Path) -> None:
    def configured() -> dict[str, Any]:
        return config(notify_on_missing=["a@example.org"], missing_timeout=300)

    kit = MemoryMaster(tmp_path, configured).start()
    seen = events(kit, "workers", None, "missing")
    made = connect(kit)
    kit.advance(1000)
    assert seen == []
    left = kit.reactor.seconds()
    made.drop()
    kit.advance(299)
    connect(kit).drop()
    kit.advance(299)
    assert seen == []
    kit.advance(2)
    [(key, body)] = seen
    assert key == ("workers", "1", "missing")
    assert body["notify"] == ["a@example.org"]
    assert body["last_connection"] == left + 299
    kit.stop()


def test_a_worker_that_never_came_is_missed(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(notify_on_missing="a@b", missing_timeout=300)).start()
    seen = events(kit, "workers", None, "missing")
    kit.advance(301)
    assert [body["name"] for _, body in seen] == ["w1"]
    kit.stop()


def test_who_is_to_be_told_may_change_while_the_worker_is_away(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, config).start()
    seen = events(kit, "workers", None, "missing")
    kit.advance(100)
    kit.reconfig(lambda: config(notify_on_missing="a@b", missing_timeout=300))
    kit.advance(299)
    assert seen == []
    kit.advance(2)
    assert [body["notify"] for _, body in seen] == [["a@b"]]
    kit.reconfig(config)
    kit.stop()
    assert [call for call in kit.reactor.getDelayedCalls() if "_too_long" in str(call)] == []


# -- configuration -------------------------------------------------------------------------------------------------


def test_a_reconfiguration_keeps_the_connection_and_tells_new_builders(kit: MemoryMaster) -> None:
    made = connect(kit)
    kit.reconfig(lambda: config(builders=2, max_builds=1, keepalive_interval=7))
    assert made.conn.connected
    assert made.builder_lists == [[("b1", "b1")], [("b1", "b1"), ("b2", "b2")]]
    assert live(kit).max_builds == 1
    assert live(kit).keepalive_interval == 7
    change(kit)
    assert sorted(build["builderid"] for build in kit.get("builds")) == [1, 2]


def test_a_reconfiguration_does_not_wait_for_a_worker_that_does_not_answer(kit: MemoryMaster) -> None:
    made = connect(kit)
    made.silent = True
    kit.loader.config = lambda: config(builders=2)
    reconfiguring = kit.master.reconfig()
    kit.advance(11)
    assert kit.wait_for(reconfiguring).ok
    assert not made.conn.connected


def test_a_worker_that_left_the_configuration_is_disconnected(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(workers=2)).start()
    first, second = connect(kit, "w1"), connect(kit, "w2")
    kit.reconfig(lambda: config(workers=1))
    kit.pump()
    assert first.conn.connected
    assert not second.conn.connected
    rows = {row["name"]: row for row in kit.get("workers")}
    assert rows["w2"]["configured_on"] == []
    assert rows["w2"]["connected_to"] == []
    kit.stop()


def test_after_a_crash_nobody_is_connected(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, config).start()
    connect(kit)
    now = kit.crash()
    kit = MemoryMaster(tmp_path, config, now=now).start()
    assert kit.get("workers")[0]["connected_to"] == []
    kit.stop()


def test_two_hundred_workers_with_ten_builders_attach_in_a_few_statements(tmp_path: Path) -> None:
    kit = MemoryMaster(tmp_path, lambda: config(builders=10, workers=200)).start()
    before = kit.master.db.counters.copy()
    fleet = [ScriptedWorker(kit.master, f"w{n}") for n in range(1, 201)]
    for each in fleet:
        each.connect()
    kit.pump()
    assert all(live(kit, each.name).master_session.state == "present" for each in fleet)
    spent = kit.master.db.counters - before
    assert spent["batches"] <= 5
    assert spent["statements"] <= 40
    assert len(kit.get("workers", filters=None)) == 200
    kit.stop()


def test_builds_of_many_workers_do_not_ask_for_the_lost_ones(kit: MemoryMaster) -> None:
    made = connect(kit)
    made.drop()
    kit.pump()
    change(kit)
    assert kit.get("builds") == []
    assert kit.master.botmaster.builders["b1"].workers == []
