"""A real master and real buildbot-worker processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory

from buildmaster.base.aio import sleep
from buildmaster.base.results import RETRY
from buildmaster.plugins import schedulers, steps, util, worker
from tests.support import real_reactor
from tests.support.connections import worker_program
from tests.support.real_workers import PORT, Site


def config(**more: Any) -> dict[str, Any]:
    factory = util.BuildFactory([steps.ShellCommand(command=["echo", "hello"], name="greet")])
    slow = util.BuildFactory([steps.ShellCommand(command=["sleep", "1000"], name="wait")])
    return {
        "workers": [worker.Worker("w", "pw", keepalive_interval=60)],
        "builders": [
            util.BuilderConfig(name="quick", workernames=["w"], factory=factory),
            util.BuilderConfig(name="slow", workernames=["w"], factory=slow),
        ],
        "schedulers": [
            schedulers.AnyBranchScheduler(name=name, builderNames=[name], change_filter=util.ChangeFilter(branch=name))
            for name in ("quick", "slow")
        ],
        "protocols": {"pb": {"port": PORT}},
        **more,
    }


@pytest.fixture
def live(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Site]:
    """A master that runs, with one worker configured and none connected."""
    if worker_program() is None:
        tool("buildbot-worker")
    master = Site(tmp_path, config)
    master.run(master.start())
    yield master
    master.run(master.stop())


async def build(live: Site, builder: str) -> None:
    await live.master.data.updates.addChange(author="me", branch=builder, revision="1", files=["f"], comments="c")


def test_a_worker_attaches_builds_and_is_shown(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        assert attached.worker_version
        [row] = await live.get("workers")
        assert row["connected_to"] == [{"masterid": live.master.masterid}]
        assert len(row["configured_on"]) == 2
        assert row["workerinfo"]["version"] == attached.worker_version
        await build(live, "quick")
        [done] = await live.finished()
        assert done["results"] == 0
        [log] = await live.get("builders", "quick", "builds", 1, "steps", "greet", "logs")
        contents = await live.get("logs", log["logid"], "contents")
        assert "ohello\n" in contents["content"]

    live.run(story())


def test_a_worker_that_lost_its_connection_comes_back(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        first = attached.conn
        await attached.disconnect()
        assert (await live.get("workers"))[0]["connected_to"] == []
        await live.attached("w")
        assert attached.conn is not first

    live.run(story())


def test_a_build_on_a_lost_worker_is_done_again(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        await build(live, "slow")
        await live.until(lambda: attached.building and live.master.botmaster.builders["slow"].building, "it builds")
        await live.until(lambda: attached.conn._commands, "a command runs")
        await attached.disconnect()
        [row, *_] = await live.finished()
        assert row["results"] == RETRY
        await live.attached("w")
        await live.until(lambda: live.master.botmaster.builders["slow"].building, "it builds again")
        requests = await live.get("buildrequests")
        assert [r["complete"] for r in requests] == [False]

    live.run(story())


def test_a_wrong_password_is_refused_and_the_worker_asks_again(live: Site) -> None:
    async def story() -> None:
        wrong = live.worker("w", "no")
        wrong.process.start()
        await live.until(lambda: "unauthorized login" in wrong.log(), "the worker is refused")
        assert live.master.workers.connections == {}
        unknown = live.worker("stranger", "pw")
        unknown.process.start()
        await live.until(lambda: "unauthorized login" in unknown.log(), "the stranger is refused")
        assert wrong.process.running
        assert unknown.process.running

    live.run(story())


def test_a_second_worker_of_the_name_is_refused_while_the_first_lives(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        first = attached.conn
        second = live.worker("w", directory="other")
        second.process.start()
        await live.until(lambda: "rejecting duplicate worker" in second.log(), "the second is refused")
        assert attached.conn is first
        assert first.connected

    live.run(story())


def test_a_second_worker_takes_the_place_of_a_frozen_one(live: Site) -> None:
    async def story() -> None:
        live.master.workers.PING_TIMEOUT = 1
        frozen = live.worker("w")
        frozen.process.start()
        attached = await live.attached("w")
        first = attached.conn
        assert frozen.process.pid is not None
        os.kill(frozen.process.pid, signal.SIGSTOP)
        try:
            live.worker("w", directory="other").process.start()
            await live.until(lambda: attached.conn not in (None, first), "the second is taken")
            await live.attached("w")
            assert not first.connected
        finally:
            os.kill(frozen.process.pid, signal.SIGKILL)

    live.run(story())


def test_a_worker_is_shut_down_when_it_is_idle(live: Site) -> None:
    async def story() -> None:
        process = live.worker("w").process
        process.start()
        attached = await live.attached("w")
        gone = attached.waitForCompleteShutdown()
        await live.master.data.control("stop", {"reason": "test"}, ("workers", attached.workerid))
        await gone
        await live.until(lambda: process.starts > 1 or not process.running, "the process ends")
        [row] = await live.get("workers")
        assert row["graceful"] is True

    live.run(story())


def test_a_worker_may_ask_for_its_own_graceful_shutdown(live: Site) -> None:
    async def story() -> None:
        real = live.worker("w")
        tac = real.directory / "buildbot.tac"
        tac.write_text(tac.read_text().replace("allow_shutdown = None", "allow_shutdown = 'signal'"))
        real.process.start()
        attached = await live.attached("w")
        await build(live, "slow")
        await live.until(lambda: attached.conn._commands, "a command runs")
        os.kill(real.process.pid or 0, signal.SIGHUP)
        await live.until(lambda: not attached.canStartBuild(), "no more builds are given to it")
        assert attached.why_not() == "shutting down when it is idle"
        assert attached.conn.connected
        gone = attached.waitForCompleteShutdown()
        await live.master.data.control("stop", {"reason": "enough"}, ("builds", 1))
        await gone

    live.run(story())


def test_a_paused_worker_builds_when_it_may_again(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        await live.master.data.control("pause", {"reason": "holiday"}, ("workers", attached.workerid))
        await live.until(attached.isPaused, "it is paused")
        await build(live, "quick")
        await sleep(live.reactor, 0.3)  # time in which it would be built
        assert await live.get("builds") == []
        [row] = await live.get("workers")
        assert (row["paused"], row["pause_reason"]) == (True, "holiday")
        await live.master.data.control("unpause", {"reason": ""}, ("workers", attached.workerid))
        [done] = await live.finished()
        assert done["results"] == 0

    live.run(story())


def test_a_new_builder_is_told_to_a_connected_worker(live: Site) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        conn = attached.conn

        def more() -> dict[str, Any]:
            found = config()
            found["builders"].append(
                util.BuilderConfig(name="third", workernames=["w"], factory=found["builders"][0].factory)
            )
            found["schedulers"].append(schedulers.AnyBranchScheduler(name="third", builderNames=["third"]))
            return found

        live.loader.config = more
        outcome = await live.master.reconfig()
        assert not getattr(outcome, "errors", None), outcome
        assert attached.conn is conn
        assert sorted(conn.builders) == ["quick", "slow", "third"]
        await build(live, "third")
        [done] = await live.finished()
        assert done["results"] == 0

    live.run(story())


def test_a_local_worker_is_run_by_the_master_and_started_again(tmp_path: Path, tool: Callable[[str], str]) -> None:
    if worker_program() is None:
        tool("buildbot-worker")

    def local() -> dict[str, Any]:
        return config(workers=[worker.LocalWorker("w")], protocols={})

    live = Site(tmp_path, local)

    async def story() -> None:
        await live.start()
        attached = await live.attached("w")
        await build(live, "quick")
        [done] = await live.finished()
        assert done["results"] == 0
        directory = Path(live.master.basedir, "workers", "w")
        assert (directory / "quick").is_dir()
        assert oct((directory / "buildbot.tac").stat().st_mode & 0o777) == "0o600"
        pid = attached.process.pid
        first = attached.conn
        os.kill(pid, signal.SIGKILL)
        await live.until(lambda: attached.conn not in (None, first), "it is started again")
        second = attached.process.pid
        assert second != pid
        await live.attached("w")
        await live.master.stopService()
        with contextlib.suppress(ProcessLookupError):
            os.kill(second, 0)
            raise AssertionError("the worker outlives the master")

    live.run(story())


LEASH = """
import os, pathlib, signal, sys
from buildmaster.plugins import schedulers, steps, util, worker
from tests.support.real_workers import Site

def config():
    factory = util.BuildFactory([steps.ShellCommand(command=["true"])])
    return {
        "workers": [worker.LocalWorker("w")],
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=factory)],
        "schedulers": [schedulers.ForceScheduler(name="f", builderNames=["b"])],
    }

async def story(site):
    await site.start()
    print((await site.attached("w")).process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

site = Site(pathlib.Path(sys.argv[1]), config)
site.run(story(site))
"""


def test_a_local_worker_ends_when_its_master_is_killed(tmp_path: Path, root: Path, tool: Callable[[str], str]) -> None:
    if worker_program() is None:
        tool("buildbot-worker")
    killed = subprocess.run(
        [sys.executable, "-c", LEASH, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, timeout=60, text=True
    )
    assert killed.returncode == -signal.SIGKILL
    pid = int(killed.stdout)

    async def gone() -> None:
        site = Site(tmp_path / "unused", config)
        await site.until(lambda: not Path(f"/proc/{pid}").exists(), "the worker ends")

    real_reactor.run(gone())


def test_a_port_in_use_is_told_at_the_start(live: Site, tmp_path: Path) -> None:
    port = live.port
    second = Site(tmp_path / "second", lambda: config(protocols={"pb": {"port": f"tcp:{port}:interface=127.0.0.1"}}))
    with pytest.raises(AssertionError, match=f"PB port 'tcp:{port}:interface=127.0.0.1' can't be opened: .*in use"):
        live.run(second.start())
    live.run(second.stop())


def test_a_port_in_use_leaves_the_old_configuration_in_force(live: Site, tmp_path: Path) -> None:
    async def story() -> None:
        live.worker("w").process.start()
        attached = await live.attached("w")
        conn = attached.conn
        taken = live.reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = taken.getHost().port
        before = live.port
        live.loader.config = lambda: config(protocols={"pb": {"port": f"tcp:{number}:interface=127.0.0.1"}})
        outcome = await live.master.reconfig()
        assert not outcome.ok
        assert any("can't be opened" in line for line in outcome.lines)
        assert conn.connected
        assert live.port == before
        await taken.stopListening()

    live.run(story())
