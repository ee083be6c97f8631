"""Latent workers on a fake clock: starts and stops, and what builds get of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.interfaces import (
    LatentWorkerCannotSubstantiate,
    LatentWorkerFailedToSubstantiate,
    LatentWorkerSubstantiatiationCancelled,
)
from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.process.workerforbuilder import PingException
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.sync import failure_of
from buildmaster.testing.worker import Command
from buildmaster.worker.instance import INSTANCE_MOVES, MEANINGLESS, STATES
from buildmaster.worker.instance_work import RECOVERY_DEADLINE
from buildmaster.worker.latent import LocalLatentWorker, States
from tests.support.latent import ScriptedLatentWorker

ROUND = ["start", "started", "stop", "stopped"]


class ByHand(ScriptedLatentWorker):
    by_hand = True


class Never(ScriptedLatentWorker):
    connects = False


class Recovering(ByHand):
    found: Any = True

    def start_instance(self, build: Any) -> Any:
        return self.save_instance({"id": "i-1"}).addCallback(lambda _: super(Recovering, self).start_instance(build))

    def recover_instance(self, saved: Any) -> Any:
        self.calls.append(f"recover {saved!r}")
        return self.found


def config(cls: Any = ScriptedLatentWorker, builders: int = 1, others: Any = (), **options: Any) -> dict[str, Any]:
    workers = [cls("w1", "pw", **options), *others]
    names = [each.name for each in workers]
    factory = util.BuildFactory([steps.ShellCommand(command=["make"], name="make")])
    buildernames = [f"b{n}" for n in range(1, builders + 1)]
    return {
        "workers": workers,
        "builders": [util.BuilderConfig(name=name, workernames=names, factory=factory) for name in buildernames],
        "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=buildernames)],
        "protocols": {"pb": {"port": 9989}},
    }


@pytest.fixture(autouse=True)
def forget_calls() -> None:
    ScriptedLatentWorker.CALLS.clear()


class Kit(MemoryMaster):
    """A master with the latent worker ``w1``."""

    @property
    def w1(self) -> Any:
        return self.master.workers.getWorkerByName("w1")

    def change(self, revision: str = "1") -> None:
        self.call(self.master.data.updates.addChange, author="me", revision=revision, files=["f"], comments="c")
        self.pump()

    def results(self) -> list[int | None]:
        return [build["results"] for build in self.get("builds", order=("buildid",))]

    def end_start(self, result: Any = None) -> None:
        self.w1.end_start(result)
        self.pump()

    def end_stop(self, result: Any = None) -> None:
        self.w1.end_stop(result)
        self.pump()

    def end(self) -> None:
        """Stop the master, ending what has to be ended by hand."""
        last = self.w1
        stopping = self.master.stopService()
        for _ in range(4):
            self.pump()
            if getattr(last, "starting", None) is not None:
                last.end_start()
            if getattr(last, "stopping", None) is not None:
                last.end_stop()
        self.advance(200)
        self.wait_for(stopping)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    kits = []

    def begin(*args: Any, **options: Any) -> Kit:
        kit = Kit(tmp_path, lambda: config(*args, **options))
        kits.append(kit)
        kit.start()
        return kit

    yield begin
    for kit in kits:
        if kit.master.running:
            kit.end()


# -- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_one_row_for_each_state_and_event() -> None:
    rows = [(state, event) for state, event, _, _ in INSTANCE_MOVES] + list(MEANINGLESS)
    assert len(rows) == len(set(rows))
    assert {state for state, _, _, _ in INSTANCE_MOVES} == set(STATES)


# -- the plain round ------------------------------------------------------------------------------------------------


def test_a_build_starts_the_instance_and_the_idle_one_is_stopped(begin: Any) -> None:
    kit = begin(build_wait_timeout=100)
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    assert kit.w1.calls == []
    kit.change()
    assert kit.results() == [SUCCESS]
    assert kit.w1.substantiated
    kit.advance(99)
    assert kit.w1.calls == ["start", "started"]
    kit.advance(2)
    assert kit.w1.calls == ROUND
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    assert kit.w1.fasts == [False]


def test_the_build_is_given_to_start_instance(begin: Any) -> None:
    kit = begin()
    kit.change()
    assert [build.number for build in kit.w1.builds] == [1]
    assert kit.w1.substantiation_build is kit.w1.builds[0]


def test_an_idle_instance_takes_the_next_build(begin: Any) -> None:
    kit = begin(build_wait_timeout=100)
    kit.change("1")
    kit.advance(60)
    kit.change("2")
    kit.advance(60)
    assert kit.results() == [SUCCESS, SUCCESS]
    assert kit.w1.calls == ["start", "started"]
    kit.advance(60)
    assert kit.w1.calls == ROUND


def test_without_a_wait_each_build_has_an_instance_of_its_own(begin: Any) -> None:
    kit = begin(build_wait_timeout=0)
    kit.change("1")
    kit.change("2")
    assert kit.results() == [SUCCESS, SUCCESS]
    assert kit.w1.calls == ROUND * 2


def test_with_a_negative_wait_the_instance_stays_until_the_master_stops(begin: Any) -> None:
    kit = begin(build_wait_timeout=-1)
    kit.change()
    kit.advance(100_000)
    last = kit.w1
    assert last.calls == ["start", "started"]
    kit.stop()
    assert last.calls == ROUND
    assert last.fasts == [True]
    assert last.state is States.SHUT_DOWN


def test_builds_of_two_builders_share_an_instance(begin: Any) -> None:
    kit = begin(ByHand, builders=2)
    kit.change()
    assert kit.w1.state is States.SUBSTANTIATING_STARTING
    assert len(kit.w1.building) == 2
    kit.end_start()
    assert kit.results() == [SUCCESS, SUCCESS]
    assert kit.w1.calls == ["start", "started"]


def test_the_worker_may_connect_before_start_instance_has_ended(begin: Any) -> None:
    kit = begin(ByHand)
    kit.change()
    kit.w1.connect()
    kit.pump()
    assert kit.w1.isConnected()
    assert not kit.w1.substantiated
    assert kit.results() == [None]
    kit.w1.connects = False
    kit.end_start(["instance i-1"])
    assert kit.results() == [SUCCESS]


def test_start_instance_may_have_no_parameter(begin: Any) -> None:
    class Older(ScriptedLatentWorker):
        def start_instance(self) -> Any:  # type: ignore[override]
            return super().start_instance(None)

    kit = begin(Older)
    kit.change()
    assert kit.results() == [SUCCESS]


def test_a_worker_that_was_not_asked_for_is_sent_away(begin: Any) -> None:
    kit = begin()
    kit.w1.connect()
    kit.pump()
    assert not kit.w1.isConnected()
    assert kit.w1.calls == []


def test_a_local_latent_worker_may_come_unasked(begin: Any) -> None:
    kit = begin(LocalLatentWorker)
    assert kit.w1.build_wait_timeout == -1
    ScriptedLatentWorker.connect(_Line(kit))  # type: ignore[arg-type]
    kit.pump()
    assert kit.w1.substantiated
    kit.change()
    assert kit.results() == [SUCCESS]


class _Line:
    """What :meth:`ScriptedLatentWorker.connect` needs of a worker."""

    def __init__(self, kit: Kit, name: str = "w1") -> None:
        self.master, self.name, self.script = kit.master, name, ScriptedLatentWorker.script


# -- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "result", [False, Failure(LatentWorkerFailedToSubstantiate("full")), Failure(OSError("no cloud"))]
)
def test_a_failed_start_is_stopped_and_the_build_is_done_again_elsewhere(begin: Any, result: Any) -> None:
    kit = begin(ByHand, others=[worker.Worker("w2", "pw")])
    kit.change()
    kit.end_start(result)
    assert kit.results() == [RETRY]
    assert kit.w1.calls[-1] == "stop"
    assert kit.w1.why_not() == "in quarantine"
    kit.end_stop()
    ScriptedLatentWorker.connect(_Line(kit, "w2"))  # type: ignore[arg-type]
    kit.pump()
    assert kit.results() == [RETRY, SUCCESS]


def test_a_quarantine_ends_and_is_longer_each_time(begin: Any) -> None:
    kit = begin(ByHand)
    kit.change()
    kit.end_start(False)
    kit.end_stop()
    kit.advance(9)
    assert kit.results() == [RETRY]
    kit.advance(2)
    kit.end_start(False)
    kit.end_stop()
    kit.advance(19)
    assert kit.results() == [RETRY, RETRY]
    kit.advance(2)
    kit.end_start()
    assert kit.results() == [RETRY, RETRY, SUCCESS]
    assert kit.w1.quarantine_timeout == 10


def test_a_worker_that_cannot_be_started_at_all_ends_the_build(begin: Any) -> None:
    kit = begin(ByHand)
    kit.change()
    kit.end_start(Failure(LatentWorkerCannotSubstantiate("no such image")))
    assert kit.results() == [EXCEPTION]
    assert kit.w1.calls == ["start", "started badly", "stop"]
    kit.end_stop()
    [step] = kit.get("builds", 1, "steps")
    [log] = kit.get("steps", step["stepid"], "logs")
    text = kit.get("logs", log["logid"], "contents")["content"]
    assert step["name"] == "worker_preparation"
    assert "no such image" in text


def test_an_instance_that_does_not_connect_is_missed_and_stopped(begin: Any) -> None:
    kit = begin(Never, missing_timeout=300, notify_on_missing="a@b")
    seen: list[Any] = []
    kit.call(kit.master.mq.startConsuming, lambda key, body: seen.append(body["notify"]), ("workers", None, "missing"))
    kit.change()
    kit.advance(299)
    assert kit.results() == [None]
    kit.advance(2)
    assert kit.results() == [RETRY]
    assert kit.w1.calls == ROUND
    assert seen == [["a@b"]]


def test_without_a_missing_timeout_it_is_twenty_minutes(begin: Any) -> None:
    kit = begin(Never)
    kit.change()
    kit.advance(1199)
    assert kit.w1.calls == ["start", "started"]
    kit.advance(2)
    assert kit.w1.calls == ROUND


def test_only_a_start_that_is_late_is_stopped_before_its_end_and_no_start_comes_before_that(begin: Any) -> None:
    kit = begin(ByHand, missing_timeout=300)
    kit.change()
    kit.advance(301)
    assert kit.w1.calls == ["start", "stop"]
    assert kit.results() == [RETRY]
    kit.end_stop()
    kit.advance(1000)
    assert kit.w1.calls == ["start", "stop", "stopped"]
    assert kit.w1.why_not() == "waiting for the end of a start_instance that took too long"
    assert kit.w1.state is States.INSUBSTANTIATING
    kit.w1.connects = False
    kit.end_start()
    assert kit.w1.calls == ["start", "stop", "stopped", "started", "start"]
    assert kit.w1.latent_instance.leftover is not None


def test_a_dead_instance_is_not_waited_for(begin: Any) -> None:
    class Dying(Never):
        good = True

        def check_instance(self) -> Any:
            return defer.succeed((self.good, "it has exited"))

    kit = begin(Dying, check_instance_interval=5)
    kit.change()
    kit.advance(21)
    assert kit.results() == [None]
    kit.w1.good = False
    kit.advance(5)
    assert kit.results() == [RETRY]
    assert kit.w1.calls == ROUND


def test_a_failing_stop_is_told_and_not_repeated(begin: Any) -> None:
    kit = begin(ByHand, build_wait_timeout=0)
    kit.change()
    kit.end_start()
    kit.end_stop(Failure(OSError("cloud is gone")))
    assert kit.w1.calls == ["start", "started", "stop", "stopped badly"]
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    assert kit.w1.latent_instance.leftover["worker"] == "w1"
    kit.change("2")
    assert kit.w1.calls[4:] == ["start"]


def test_a_lost_connection_stops_the_instance_and_the_build_is_done_again(begin: Any) -> None:
    async def stall(command: Command) -> None:
        await command.stall()

    kit = begin()
    kit.w1.script = stall
    kit.change()
    kit.w1.script = ScriptedLatentWorker.script
    kit.w1.scripted.drop()
    kit.pump()
    assert kit.w1.calls == [*ROUND, "start", "started"]
    assert kit.results() == [RETRY, SUCCESS]


# -- changing one's mind ---------------------------------------------------------------------------------------------


def test_a_cancelled_build_lets_the_instance_go_when_it_has_started(begin: Any) -> None:
    kit = begin(ByHand)
    kit.change()
    kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))
    kit.pump()
    assert kit.results() == [CANCELLED]
    assert kit.w1.calls == ["start"]
    assert kit.w1.state is States.INSUBSTANTIATING
    kit.w1.connects = False
    kit.end_start()
    assert kit.w1.calls == ["start", "started", "stop"]
    kit.end_stop()
    assert kit.w1.state is States.NOT_SUBSTANTIATED


def test_the_next_build_waits_for_the_end_of_the_last_instance(begin: Any) -> None:
    kit = begin(ByHand, build_wait_timeout=0)
    kit.change()
    kit.end_start()
    kit.change("2")
    assert kit.w1.state is States.INSUBSTANTIATING_SUBSTANTIATING
    assert kit.w1.calls == ["start", "started", "stop"]
    kit.end_stop()
    assert kit.w1.calls == ["start", "started", "stop", "stopped", "start"]
    kit.end_start()
    assert kit.results() == [SUCCESS, SUCCESS]


def test_a_build_that_is_cancelled_does_not_take_the_instance_from_another(begin: Any) -> None:
    kit = begin(ByHand, builders=2)
    kit.change()
    kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))
    kit.end_start()
    assert sorted(kit.results()) == [SUCCESS, CANCELLED]
    assert kit.w1.calls == ["start", "started"]


def test_insubstantiate_disappoints_those_who_wait(begin: Any) -> None:
    kit = begin(ByHand)
    waiting = kit.w1.substantiate(None, None)
    kit.pump()
    gone = kit.w1.insubstantiate()
    failure_of(waiting, LatentWorkerSubstantiatiationCancelled)
    kit.w1.connects = False
    kit.end_start()
    assert not gone.called
    kit.end_stop()
    assert gone.called


def test_a_build_can_force_a_new_instance(begin: Any) -> None:
    kit = begin()
    kit.wait_for(kit.w1.substantiate(None, None))
    kit.wait_for(kit.w1.insubstantiate(force_substantiation_build="the build"))
    assert kit.w1.builds == [None, "the build"]
    assert kit.w1.calls == [*ROUND, "start", "started"]


def test_a_ping_needs_an_instance(begin: Any) -> None:
    kit = begin()
    [wfb] = kit.master.botmaster.builders["b1"].workers
    failure_of(wfb.ping(), PingException)
    kit.wait_for(kit.w1.substantiate(wfb, None))
    assert kit.wait_for(wfb.ping()) is True
    kit.wait_for(wfb.insubstantiate_if_needed())
    assert kit.w1.calls == ROUND


# -- builds that are not compatible --------------------------------------------------------------------------------


class Particular(ScriptedLatentWorker):
    builds_may_be_incompatible = True
    image: Any = None

    def start_instance(self, build: Any) -> Any:
        self.image = build.getProperty("image")
        return super().start_instance(build)

    def stop_instance(self, fast: bool = False) -> Any:
        self.image = None
        return super().stop_instance(fast)

    def isCompatibleWithBuild(self, build_props: Any) -> Any:
        return defer.succeed(self.image is None or build_props.getProperty("image") == self.image)


def images(**options: Any) -> dict[str, Any]:
    made = config(Particular, builders=2, **options)
    for builder, image in zip(made["builders"], ("red", "blue"), strict=True):
        builder.properties = {"image": image}
    return made


def test_an_incompatible_build_waits_for_an_instance_of_its_own(tmp_path: Path) -> None:
    kit = Kit(tmp_path, lambda: images(build_wait_timeout=50)).start()
    kit.change()
    assert kit.results() == [SUCCESS]
    kit.advance(51)
    assert kit.results() == [SUCCESS, SUCCESS]
    assert [build.getProperty("image") for build in kit.w1.builds] in (["red", "blue"], ["blue", "red"])
    kit.stop()


def test_an_instance_that_is_kept_for_good_makes_room_for_an_incompatible_build(tmp_path: Path) -> None:
    kit = Kit(tmp_path, lambda: images(build_wait_timeout=-1)).start()
    kit.change()
    assert kit.results() == [SUCCESS, SUCCESS]
    assert kit.w1.calls == [*ROUND, "start", "started"]
    kit.stop()


def test_an_instance_that_has_become_incompatible_meanwhile_is_replaced(tmp_path: Path) -> None:
    kit = Kit(tmp_path, images).start()

    class Asked:
        def __init__(self, image: str) -> None:
            self.image = image

        def getProperty(self, name: str) -> str:
            return self.image

        def getProperties(self) -> Any:
            return self

    kit.wait_for(kit.w1.substantiate(None, Asked("red")))
    kit.wait_for(kit.w1.substantiate(None, Asked("blue")))
    assert kit.w1.image == "blue"
    assert kit.w1.calls == [*ROUND, "start", "started"]
    kit.stop()


# -- life ------------------------------------------------------------------------------------------------------------


def test_a_graceful_shutdown_ends_with_the_instance(begin: Any) -> None:
    async def slow(command: Command) -> None:
        await command.sleep(60)
        command.rc(0)

    kit = begin()
    kit.w1.script = slow
    kit.change()
    kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("workers", "w1"))
    kit.change("2")
    assert kit.w1.calls == ["start", "started"]
    assert kit.w1.why_not() == "shutting down when it is idle"
    kit.advance(61)
    assert kit.w1.calls == [*ROUND, "start", "started"]
    kit.advance(61)
    assert kit.results() == [SUCCESS, SUCCESS]
    assert kit.get("workers")[0]["graceful"] is False


def test_kill_stops_the_instance_and_the_build_is_done_again(begin: Any) -> None:
    async def stall(command: Command) -> None:
        await command.stall()

    kit = begin()
    kit.w1.script = stall
    kit.change()
    kit.w1.script = ScriptedLatentWorker.script
    kit.call(kit.master.data.control, "kill", {"reason": "now"}, ("workers", "w1"))
    kit.pump()
    assert kit.results() == [RETRY, SUCCESS]
    assert kit.w1.calls == [*ROUND, "start", "started"]


def test_stopping_the_master_stops_the_instance_fast(begin: Any) -> None:
    kit = begin()
    kit.change()
    last = kit.w1
    kit.stop()
    assert last.calls == ROUND
    assert last.fasts == [True]
    assert last.why_not() == "shut down"
    failure_of(last.substantiate(None, None), LatentWorkerSubstantiatiationCancelled)


def test_stopping_the_master_waits_for_a_start_but_not_for_long(begin: Any) -> None:
    kit = begin(ByHand)
    kit.change()
    last = kit.w1
    stopping = kit.master.stopService()
    kit.advance(29)
    assert last.calls == ["start"]
    kit.advance(2)
    assert last.calls == ["start", "stop"]
    last.end_stop()
    kit.pump()
    assert stopping.called
    last.starting.callback(None)
    assert last.calls == ["start", "stop", "stopped", "started"]


def test_a_changed_argument_of_the_instance_lets_an_idle_one_go(begin: Any) -> None:
    kit = begin(ByHand, build_wait_timeout=-1)
    kit.change()
    kit.end_start()
    kit.reconfig(lambda: config(ByHand, build_wait_timeout=-1, max_builds=3))
    assert kit.w1.calls == ["start", "started"]
    other = config(ByHand, build_wait_timeout=-1, max_builds=3)
    other["workers"][0]._config_args = ("w1", "another password")
    kit.reconfig(other)
    assert kit.w1.calls == ["start", "started", "stop"]


def test_a_changed_wait_counts_for_an_idle_instance(begin: Any) -> None:
    kit = begin(build_wait_timeout=1000)
    kit.change()
    kit.advance(60)
    kit.reconfig(lambda: config(build_wait_timeout=10))
    kit.advance(9)
    assert kit.w1.calls == ["start", "started"]
    kit.advance(2)
    assert kit.w1.calls == ROUND


def test_a_builder_may_come_and_go_while_the_instance_runs(begin: Any) -> None:
    kit = begin()
    kit.change()
    kit.reconfig(lambda: config(builders=2))
    kit.change("2")
    assert kit.results() == [SUCCESS] * 3
    kit.reconfig(lambda: config(builders=1))
    assert sorted(kit.w1.workerforbuilders) == ["b1"]
    assert kit.w1.calls == ["start", "started"]


def test_a_worker_that_left_the_configuration_stops_its_instance(begin: Any) -> None:
    kit = begin(others=[worker.Worker("w2", "pw")])
    kit.change()
    last = kit.w1
    made = config(others=[worker.Worker("w2", "pw")])
    del made["workers"][0]
    made["builders"][0].workernames.remove("w1")
    kit.reconfig(made)
    assert last.calls == ROUND
    assert kit.master.botmaster.builders["b1"].workers == []


# -- after a crash ---------------------------------------------------------------------------------------------------


def again(kit: Kit, tmp_path: Path, cls: Any) -> Kit:
    ScriptedLatentWorker.CALLS.clear()
    return Kit(tmp_path, lambda: config(cls), now=kit.crash()).start()


def test_after_a_crash_the_instance_is_adopted_and_stopped(begin: Any, tmp_path: Path) -> None:
    kit = begin(Recovering)
    kit.change()
    kit = again(kit, tmp_path, Recovering)
    kit.advance(1)
    assert kit.w1.calls == ["recover {'id': 'i-1'}", "stop"]
    kit.end_stop()
    assert kit.w1.calls == ["recover {'id': 'i-1'}", "stop", "stopped", "start"]
    kit.end()


def test_an_instance_that_is_not_there_is_not_stopped(begin: Any, tmp_path: Path) -> None:
    kit = begin(Recovering)
    kit.wait_for(_begun(kit))
    Recovering.found = False
    try:
        kit = again(kit, tmp_path, Recovering)
        kit.advance(1)
    finally:
        Recovering.found = True
    assert kit.w1.calls == ["recover {'id': 'i-1'}"]
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    kit.end()


def _begun(kit: Kit) -> defer.Deferred[Any]:
    kit.w1.substantiate(None, None).addErrback(lambda f: None)
    return defer.succeed(None)


def test_what_a_crash_has_left_is_told_of_where_it_can_not_be_found(begin: Any, tmp_path: Path) -> None:
    kit = begin(ByHand)
    kit.wait_for(_begun(kit))
    started_at = kit.reactor.seconds()
    kit = again(kit, tmp_path, ByHand)
    assert kit.w1.calls == []
    assert kit.w1.latent_instance.leftover == {
        "worker": "w1",
        "class": "tests.unit.worker.test_latent.ByHand",
        "started_at": started_at,
        "builder": None,
        "buildid": None,
        "saved": None,
    }
    kit = again(kit, tmp_path, ByHand)
    assert kit.w1.latent_instance.leftover is None
    kit.end()


def test_an_instance_that_was_stopped_leaves_nothing(begin: Any, tmp_path: Path) -> None:
    kit = begin(build_wait_timeout=0)
    kit.change()
    kit = again(kit, tmp_path, ScriptedLatentWorker)
    assert kit.w1.latent_instance.leftover is None
    kit.stop()


def test_a_recovery_that_fails_is_tried_again_then_told(begin: Any, tmp_path: Path) -> None:
    kit = begin(Recovering)
    kit.wait_for(_begun(kit))
    Recovering.found = defer.fail(OSError("cloud is gone"))
    try:
        kit = again(kit, tmp_path, Recovering)
        kit.advance(1)
        assert kit.w1.calls == ["recover {'id': 'i-1'}"]
        Recovering.found = defer.fail(OSError("cloud is gone"))
        kit.advance(10)
        Recovering.found = defer.fail(OSError("cloud is gone"))
        kit.advance(60)
    finally:
        Recovering.found = True
    assert kit.w1.calls == ["recover {'id': 'i-1'}"] * 3
    assert kit.w1.latent_instance.leftover["saved"] == {"id": "i-1"}
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    kit.end()


def test_a_recovery_that_never_ends_is_tried_again_then_told(
    begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = begin(Recovering)
    kit.wait_for(_begun(kit))
    monkeypatch.setattr(Recovering, "found", property(lambda self: defer.Deferred()))
    kit = again(kit, tmp_path, Recovering)
    kit.advance(3 * RECOVERY_DEADLINE + 69)
    assert (kit.w1.calls, kit.w1.latent_instance.leftover) == (["recover {'id': 'i-1'}"] * 3, None)
    kit.advance(1)
    assert kit.w1.latent_instance.leftover["saved"] == {"id": "i-1"}
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    kit.end()


# -- the configuration -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"build_wait_timeout": "long"}, "build_wait_timeout must be a number of seconds, not 'long'"),
        ({"check_instance_interval": -1}, "check_instance_interval must be a number of at least 0, not -1"),
    ],
)
def test_mistakes_are_told(options: Any, words: str) -> None:
    from buildmaster.base.errors import ConfigErrors

    with pytest.raises(ConfigErrors, match=words):
        ScriptedLatentWorker("w", "pw", **options)


def test_a_class_that_defines_nothing_says_so(begin: Any) -> None:
    from buildmaster.worker.latent import AbstractLatentWorker

    kit = begin(AbstractLatentWorker)
    kit.change()
    assert kit.results() == [RETRY]
    assert len(kit.w1.getRandomPass()) == 20
    with pytest.raises(LatentWorkerFailedToSubstantiate, match="i-1"):
        kit.w1.failed_to_start("i-1", "terminated")
