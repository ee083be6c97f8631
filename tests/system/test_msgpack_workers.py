"""Real workers that speak MessagePack, on a real master, beside one that speaks Perspective Broker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.aio import sleep
from buildmaster.base.results import CANCELLED, RETRY, SUCCESS
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.worker.protocols.msgpack import PROTOCOL
from tests.support.connections import worker_program
from tests.support.real_workers import PORT, Site


class Ask(BuildStep):
    """Run one command of the worker and put what it reports into the property ``NAME``."""

    name = "ask"

    def __init__(self, command: str, args: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command, self.args = command, args

    async def run(self) -> int:
        command = RemoteCommand(self.command, self.args)
        await self.runCommand(command)
        for key in ("files", "stat", "rc"):
            if key in command.updates:
                self.setProperty(f"{self.name} {key}", command.updates[key][-1], "Ask")
        return command.results()


def everything(to: Path) -> util.BuildFactory:
    """Every command that a worker has, and logs of every kind."""
    return util.BuildFactory(
        [
            Ask("mkdir", {"dir": "build/made/deep"}),
            steps.StringDownload("from the master\n" * 10_000, workerdest="made/string"),
            steps.FileDownload(mastersrc=str(to / "given"), workerdest="given", mode=0o700),
            steps.ShellCommand(
                name="shell",
                command=["sh", "-c", "echo \"$A\" hé; echo wrong >&2; echo watched > log.txt; printf 'no end'", "x"],
                env={"A": "${HOME}", "PYTHONPATH": ["a", "b"]},
                logfiles={"watched": "log.txt"},
            ),
            steps.ShellCommand(name="hide", command=["echo", ("obfuscated", "geheim wort", "****")], logEnviron=False),
            steps.ShellCommand(name="fails", command="exit 3", flunkOnFailure=False),
            steps.CopyDirectory(src="build/made", dest="build/copied"),
            Ask("stat", {"file": "build/given"}, name="given"),
            Ask("listdir", {"dir": "build/copied"}, name="copied"),
            Ask("glob", {"path": "build/copied/s*"}, name="glob"),
            Ask("rmfile", {"path": "build/given"}, name="rmfile"),
            steps.FileUpload(workersrc="made/string", masterdest=str(to / "string"), keepstamp=True, blocksize=1000),
            steps.DirectoryUpload(workersrc="copied", masterdest=str(to / "tree"), compress="gz"),
            steps.MultipleFileUpload(workersrcs=["mad*"], masterdest=str(to / "many"), glob=True),
            steps.RemoveDirectory(dir="build/copied"),
            Ask("listdir", {"dir": "build"}, name="left"),
        ]
    )


def config(to: Path) -> dict[str, Any]:
    slow = util.BuildFactory([steps.ShellCommand(command=["sleep", "1000"], name="wait")])
    quick = util.BuildFactory([steps.ShellCommand(command=["echo", "hello"], name="greet")])
    factories = {"all": everything(to), "slow": slow, "slow2": slow, "quick": quick, "other": quick}
    return {
        "workers": [worker.Worker("w", "pw", keepalive_interval=60), worker.Worker("old", "pw")],
        "builders": [
            util.BuilderConfig(name=name, workernames=["old" if name == "other" else "w"], factory=factory)
            for name, factory in factories.items()
        ],
        "schedulers": [
            schedulers.AnyBranchScheduler(name=name, builderNames=[name], change_filter=util.ChangeFilter(branch=name))
            for name in factories
        ],
        "protocols": {"pb": {"port": PORT}, PROTOCOL: {"port": PORT}},
    }


@pytest.fixture
def live(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Site]:
    """A master that runs, with two workers configured and none connected."""
    if worker_program() is None:
        tool("buildbot-worker")
    (tmp_path / "given").write_text("given")
    master = Site(tmp_path, lambda: config(tmp_path))
    master.run(master.start())
    yield master
    master.run(master.stop())


async def build(live: Site, *builders: str) -> None:
    for builder in builders:
        await live.master.data.updates.addChange(author="me", branch=builder, revision="1", files=["f"], comments="c")


async def ended(live: Site, builder: str, number: int = 1) -> dict[str, Any]:
    found: list[Any] = []

    async def look() -> None:
        found[:] = await live.get("builders", builder, "builds")

    for _ in range(2000):
        await look()
        if len(found) >= number and found[number - 1]["complete"]:
            return found[number - 1]

        await sleep(live.reactor, 0.02)
    raise AssertionError(f"build {number} of {builder} does not end")


async def log_of(live: Site, builder: str, step: str, name: str) -> str:
    log = await live.get("builders", builder, "builds", 1, "steps", step, "logs", name)
    return (await live.get("logs", log["logid"], "contents"))["content"]


def test_every_command_works_and_a_worker_of_the_other_protocol_builds_beside(live: Site, tmp_path: Path) -> None:
    async def story() -> None:
        live.worker("w", protocol=PROTOCOL).process.start()
        live.worker("old").process.start()
        attached, old = await live.attached("w"), await live.attached("old")
        assert (type(attached.conn).__module__, type(old.conn).__module__) == (
            "buildmaster.worker.protocols.msgpack",
            "buildmaster.worker.protocols.pb",
        )
        await build(live, "all", "other")
        done = await ended(live, "all")
        failed = [s for s in await live.get("builders", "all", "builds", 1, "steps") if s["results"] != SUCCESS]
        assert [(s["name"], s["state_string"]) for s in failed] == [("fails", "'exit 3' (failure)")]
        assert done["results"] == SUCCESS
        assert (await ended(live, "other"))["results"] == SUCCESS
        properties = {
            key: value for key, (value, _) in (await live.get("builds", done["buildid"], "properties")).items()
        }
        assert properties["given stat"][0] & 0o777 == 0o700
        assert sorted(properties["copied files"]) == ["deep", "string"]
        assert [os.path.basename(path) for path in properties["glob files"]] == ["string"]
        assert sorted(properties["left files"]) == ["log.txt", "made"]
        shell = await log_of(live, "all", "shell", "stdio")
        assert f"o{os.environ['HOME']} hé\n" in shell
        assert "ewrong\n" in shell
        assert "ono end\n" in shell
        assert await log_of(live, "all", "shell", "watched") == "owatched\n"
        hidden = await log_of(live, "all", "hide", "stdio")
        assert "ogeheim wort\n" in hidden  # what a command prints is its own affair
        assert [line for line in hidden.splitlines() if "geheim" in line and line[0] == "h"] == []
        assert "echo ****" in hidden.replace("'", "")

    live.run(story())
    assert (tmp_path / "string").read_text() == "from the master\n" * 10_000
    assert (tmp_path / "tree" / "string").read_text() == "from the master\n" * 10_000
    assert (tmp_path / "tree" / "deep").is_dir()
    assert (tmp_path / "many" / "made" / "string").exists()


def test_a_session_from_its_first_build_to_its_graceful_end(live: Site) -> None:
    async def story() -> None:
        real = live.worker("w", protocol=PROTOCOL)
        real.process.start()
        attached = await live.attached("w")
        await live.until(lambda: "attached" in real.log(), "the worker is told that it is attached")
        # two builds at a time; one is stopped, the other lost with the connection and done again
        await build(live, "slow", "slow2")
        await live.until(lambda: len(attached.conn._commands) == 2, "two commands run")
        await live.master.data.control("stop", {"reason": "enough"}, ("builders", "slow", "builds", 1))
        assert (await ended(live, "slow"))["results"] == CANCELLED
        second = live.worker("w", directory="second", protocol=PROTOCOL)
        second.process.start()
        await live.until(lambda: "rejecting duplicate worker" in second.log(), "the second is refused")
        await second.process.stop()
        third = live.worker("w", directory="third")
        third.process.start()
        await live.until(lambda: "rejecting duplicate worker" in third.log(), "so is one of the other protocol")
        await third.process.stop()
        first = attached.conn
        await attached.disconnect()
        assert (await ended(live, "slow2"))["results"] == RETRY
        await live.attached("w")
        assert attached.conn is not first
        await live.until(lambda: attached.conn._commands, "it builds again")
        await live.master.data.control("pause", {"reason": "holiday"}, ("workers", attached.workerid))
        await live.until(attached.isPaused, "it is paused")
        assert not attached.canStartBuild()
        await live.master.data.control("unpause", {"reason": ""}, ("workers", attached.workerid))
        await live.until(attached.canStartBuild, "it may build again")
        # it ends when its build has ended
        gone = attached.waitForCompleteShutdown()
        await live.master.data.control("stop", {"reason": "test"}, ("workers", attached.workerid))
        await live.until(lambda: not attached.canStartBuild(), "it gets no more builds")
        assert attached.conn.connected
        await live.master.data.control("stop", {"reason": "enough"}, ("builders", "slow2", "builds", 2))
        await gone

    live.run(story())


def test_wrong_passwords_are_refused_and_a_frozen_worker_loses_its_place(live: Site) -> None:
    async def story() -> None:
        live.master.workers.PING_TIMEOUT = 0.5
        for name, password in (("w", "no"), ("stranger", "pw")):
            wrong = live.worker(name, password, directory=name, protocol=PROTOCOL)
            wrong.process.start()
            await live.until(lambda: "upgrade failed [401]" in wrong.log(), "it is refused")  # noqa: B023
            await wrong.process.stop()
        frozen = live.worker("w", protocol=PROTOCOL)
        tac = frozen.directory / "buildbot.tac"
        tac.write_text(tac.read_text().replace("delete_leftover_dirs = 0", "delete_leftover_dirs = 1"))
        (frozen.directory / "nobodys").mkdir()
        frozen.process.start()
        attached = await live.attached("w")
        names = {path.name for path in frozen.directory.iterdir() if path.is_dir()}
        assert names == {"info", "all", "slow", "slow2", "quick"}
        os.kill(frozen.process.pid or 0, signal.SIGSTOP)
        try:
            first = attached.conn
            live.worker("w", directory="second", protocol=PROTOCOL).process.start()
            await live.until(lambda: attached.conn not in (None, first), "the second is taken")
            await live.attached("w")
            assert not first.connected
        finally:
            os.kill(frozen.process.pid or 0, signal.SIGKILL)

    live.run(story())
