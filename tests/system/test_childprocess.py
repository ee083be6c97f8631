"""Children of the master."""

from __future__ import annotations

import os
import time

import pytest
from twisted.internet import defer

from buildmaster.base.aio import sleep
from buildmaster.net.childprocess import ChildProcess, OutputTooLarge, ProcessResult, ProcessTimedOut, run_process
from tests.support.real_reactor import reactor, run


def test_a_child_gives_its_exit_code_and_output(tmp_path):
    script = "cat; pwd; echo $X >&2; exit 3"
    result = run(
        run_process(
            reactor, ["sh", "-c", script], env={"X": "y", "PATH": os.environ["PATH"]}, cwd=str(tmp_path), stdin=b"in\n"
        )
    )
    assert result == ProcessResult(3, f"in\n{tmp_path}\n".encode(), b"y\n")


def test_a_child_ended_by_a_signal_tells_which():
    result = run(run_process(reactor, ["sh", "-c", "kill -15 $$"]))
    assert (result.rc, result.signal) == (-1, 15)


def test_a_program_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError) as caught:
        run(run_process(reactor, ["no-such-program"]))
    assert caught.value.filename == "no-such-program"


def test_a_child_that_takes_too_long_is_ended_with_all_its_own(tmp_path):
    pids = tmp_path / "pids"
    with pytest.raises(ProcessTimedOut, match=r"ran longer than 0\.3 s"):
        run(run_process(reactor, ["sh", "-c", f"sleep 1000 & echo $! > {pids}; wait"], timeout=0.3))
    assert _ends(int(pids.read_text()))


def _ends(pid):
    """Whether this process is gone within ten seconds."""
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        run(sleep(reactor, 0.02))
    return not _runs(pid)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_silent_child_is_ended_and_a_talking_one_is_not():
    with pytest.raises(ProcessTimedOut, match=r"was silent for 0\.3 s"):
        run(run_process(reactor, ["sleep", "1000"], io_timeout=0.3))
    talking = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done"
    assert run(run_process(reactor, ["sh", "-c", talking], io_timeout=5)).rc == 0


def test_output_without_end_is_not_kept():
    with pytest.raises(OutputTooLarge):
        run(ChildProcess(reactor, max_output=100_000).start(["yes"]))


def test_a_cancelled_child_ends(tmp_path):
    pids = tmp_path / "pids"
    waiting = run_process(reactor, ["sh", "-c", f"echo $$ > {pids}; exec sleep 1000"])
    reactor.callLater(0.3, waiting.cancel)
    with pytest.raises(defer.CancelledError):
        run(waiting)
    assert _ends(int(pids.read_text()))


def test_a_child_that_is_held_back_waits():
    seen = []
    child = ChildProcess(reactor, on_stdout=seen.append)
    done = child.start(["sh", "-c", "yes | head -c 3000000"])

    async def story():
        child.throttle(None)
        size = sum(map(len, seen))
        await sleep(reactor, 0.3)
        assert sum(map(len, seen)) == size
        child.unthrottle(None)
        await done
        assert sum(map(len, seen)) == 3_000_000

    run(story())
