"""Child processes that are kept running."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from twisted.internet import defer

from buildmaster.base.aio import sleep
from buildmaster.net.processes import BackOff, SupervisedProcess
from tests.support.real_reactor import reactor, run

FAST = BackOff(first=0.02, factor=2, longest=0.1, healthy=30)


def test_pauses_grow_up_to_the_longest_and_begin_anew_after_a_healthy_life() -> None:
    rule = BackOff(first=1, factor=2, longest=5, healthy=30)
    pauses = [rule.after(0, ran=1)]
    for _ in range(4):
        pauses.append(rule.after(pauses[-1], ran=1))
    assert pauses == [1, 2, 4, 5, 5]
    assert rule.after(5, ran=31) == 1


def test_a_child_that_ends_is_started_again_and_its_lines_are_heard() -> None:
    lines: list[str] = []
    child = SupervisedProcess(reactor, "c", [sys.executable, "-c", "print('x')"], on_line=lines.append, back_off=FAST)

    async def story() -> None:
        child.start()
        while len(lines) < 3:
            await sleep(reactor, 0.01)
        await child.stop()

    run(story())
    assert set(lines) == {"x"}
    assert child.starts >= 3
    assert not child.running


def test_a_program_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    child = SupervisedProcess(reactor, "c", [str(tmp_path / "nothing")], back_off=FAST, on_line=lambda line: None)

    async def story() -> None:
        child.start()
        while child.starts < 2:
            await sleep(reactor, 0.01)
        await child.stop()

    run(story())
    assert not child.running


def test_a_child_that_does_not_heed_is_killed() -> None:
    heard: defer.Deferred[None] = defer.Deferred()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);print('ready', flush=True); time.sleep(60)"
    )
    child = SupervisedProcess(reactor, "c", [sys.executable, "-c", code], on_line=lambda line: heard.callback(None))
    child.STOP_DEADLINE = 0.1

    async def story() -> int | None:
        child.start()
        await heard
        pid = child.pid
        await defer.gatherResults([child.stop(), child.stop()])
        return pid

    pid = run(story())
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("it lives")
