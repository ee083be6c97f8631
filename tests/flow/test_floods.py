"""A worker that writes faster than the database: held back, never buffered, and it can still be stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildmaster.base.aio import sleep
from buildmaster.base.results import CANCELLED, RETRY, SUCCESS
from buildmaster.process.backpressure import HIGH_MARK, UnwrittenOutput
from buildmaster.process.logobserver import LogObserver
from buildmaster.steps.shell import ShellCommand
from tests.support.buildkit import BuildKit

SIZE = 20 * 1024 * 1024


def watched(kit: BuildKit) -> list[int]:
    """A list that will hold the unwritten bytes of the worker's connection after each turn in which they were many."""
    seen: list[int] = []
    counter = UnwrittenOutput.of(kit.worker.conn)
    assert counter is not None
    add = counter.add

    def note(size: int) -> None:
        add(size)
        seen.append(counter.bytes)

    counter.add = note  # type: ignore[method-assign]
    return seen


def test_a_flood_is_stored_whole_and_never_held_in_memory(tmp_path: Path):
    async def script(command):
        command.flood(SIZE)
        command.rc(0)

    kit = BuildKit(tmp_path, [ShellCommand(command="x")], script=script)
    seen = watched(kit)
    assert kit.build(30)["results"] == SUCCESS
    assert max(seen) <= HIGH_MARK + 2 * 128 * 1024
    lines = kit.log("shell").splitlines()
    assert lines[:-1] == ["o" + "x" * 79] * (SIZE // 65520 * 819) and lines[-1] == "hprogram finished with exit code 0"
    kit.stop()


class Thoughtful(ShellCommand):
    """Its observer takes its time over each piece."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.addLogObserver("stdio", Pausing())


class Pausing(LogObserver):
    seen = 0

    async def outReceived(self, data: str) -> None:
        await sleep(self.step.master.reactor, 0.1)
        Pausing.seen += len(data)


def test_what_waits_for_a_slow_observer_is_not_held_in_memory(tmp_path: Path):
    async def script(command):
        command.flood(SIZE)
        command.rc(0)

    kit = BuildKit(tmp_path, [Thoughtful(command="x")], script=script)
    seen = watched(kit)
    assert kit.build(120)["results"] == SUCCESS
    assert max(seen) <= HIGH_MARK + 4 * 128 * 1024
    assert Pausing.seen == SIZE // 65520 * 65520
    assert not kit.worker.conn.throttled
    kit.stop()


def test_a_flood_can_be_stopped(tmp_path: Path):
    async def script(command):
        for _ in range(100_000):
            command.flood(65536)
            await command.sleep(0.001)

    kit = BuildKit(tmp_path, [ShellCommand(command="x")], script=script)
    kit.build(1)
    kit.kit.call(kit.running.stopBuild, "enough")
    kit.advance(5)
    assert kit.last()["results"] == CANCELLED
    assert not kit.worker.conn.throttled
    kit.stop()


def test_a_worker_that_is_lost_in_a_flood_is_not_waited_for(tmp_path: Path):
    async def script(command):
        command.flood(SIZE)
        await command.stall()

    kit = BuildKit(tmp_path, [ShellCommand(command="x")], script=script)
    kit.build(0.01)
    kit.worker.drop()
    kit.advance(5)
    assert kit.last()["results"] == RETRY
    kit.stop()
