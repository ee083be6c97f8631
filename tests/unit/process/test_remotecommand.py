"""Commands on workers, also without a step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import defer, error
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from buildmaster.process.command import WorkerRaised
from buildmaster.process.remotecommand import RemoteCommand, RemoteShellCommand
from buildmaster.properties import Properties
from buildmaster.testing.sync import failure_of, outcome_of, result_of
from buildmaster.worker.protocols.base import Connection
from tests.support.buildkit import BuildKit


class Wire(Connection):
    """A connection that keeps what was asked for and lets the test answer."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("w", clock)
        self.master = SimpleNamespace(reactor=clock)
        self.started: list[tuple] = []
        self.interrupted: list[tuple] = []

    def remoteStartCommand(self, remoteCommand: Any, *args: Any) -> Any:
        self.started.append(args)

    def remoteInterruptCommand(self, *args: Any) -> Any:
        self.interrupted.append(args)


class Output:
    """A log."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []

    def getName(self) -> str:
        return "stdio"

    def addStdout(self, text: str) -> None:
        self.written.append(("o", text))

    def addStderr(self, text: str) -> None:
        self.written.append(("e", text))

    def addHeader(self, text: str) -> None:
        self.written.append(("h", text))

    def finish(self) -> None:
        self.written.append(("end", ""))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire(clock: Clock) -> Wire:
    return Wire(clock)


def run(command: RemoteCommand, wire: Wire) -> list:
    return outcome_of(command.run(None, wire, "b"))


# -- what comes back -----------------------------------------------------------------------------------------------


def test_a_command_gives_itself_when_it_is_complete(wire):
    command = RemoteCommand("stat", {"file": "x"}, stdioLogName=None)
    done = run(command, wire)
    assert wire.started == [("b", command.commandID, "stat", {"file": "x"})]
    assert command.active and done == []
    command.remote_update([[{"stat": (1, 2)}, 0], [{"rc": 0}, 0]])
    command.remote_complete()
    assert done == [command] and not command.active
    assert (command.rc, command.results(), command.didFail()) == (0, SUCCESS, False)
    assert command.updates == {"stat": [(1, 2)], "rc": [0]}


def test_ids_are_never_used_twice():
    first, second = RemoteCommand.generate_new_command_id(), RemoteCommand.generate_new_command_id()
    assert first != second and RemoteCommand.get_last_generated_command_id() == second


def test_output_goes_to_the_log_and_is_collected(wire):
    command, log = RemoteCommand("shell", {}, collectStdout=True, collectStderr=True), Output()
    command.useLog(log, True)
    done = run(command, wire)
    command.remote_update([[{"header": "go\n"}, 0], [{"stdout": "a"}, 0], [{"stdout": b"\xc3\xbc\n"}, 0]])
    command.remote_update([[{"stderr": "e\n"}, 0], [{"rc": 3, "elapsed": 0.5}, 0]])
    command.remote_complete()
    assert done == [command] and (command.stdout, command.stderr) == ("aü\n", "e\n")
    assert log.written == [
        ("h", "go\n"),
        ("o", "a"),
        ("o", b"\xc3\xbc\n"),
        ("e", "e\n"),
        ("h", "program finished with exit code 3\n"),
        ("end", ""),
    ]
    assert command.updates["elapsed"] == [0.5]


def test_exit_codes_can_be_given_meanings(wire):
    command = RemoteCommand("shell", {}, decodeRC={0: SUCCESS, 1: WARNINGS})
    run(command, wire)
    command.remote_update([[{"rc": 1}, 0]])
    assert command.results() == WARNINGS
    command.rc = 2
    assert command.results() == FAILURE and command.didFail()


def test_updates_of_the_messagepack_protocol(wire):
    command, log = RemoteCommand("shell", {}), Output()
    command.useLog(log)
    run(command, wire)
    command.remote_update_msgpack(
        [["stdout", ["one\ntwo\n", [3, 7], [1.0, 1.0]]], ["header", ["h\n", [1], [1.0]]], ["rc", 0]]
    )
    assert log.written == [("o", "one\ntwo\n"), ("h", "h\n"), ("h", "program finished with exit code 0\n")]


def test_updates_can_be_ignored(wire):
    command = RemoteCommand("shell", {}, ignore_updates=True)
    run(command, wire)
    command.remote_update([[{"rc": 0}, 0]])
    assert command.rc is None


@pytest.mark.parametrize(
    ("reason", "timed_out"), [("timeout", True), ("timeout_without_output", True), ("max_lines_failure", False)]
)
def test_why_the_worker_stopped_it(wire, reason, timed_out):
    command = RemoteCommand("shell", {})
    run(command, wire)
    command.remote_update([[{"failure_reason": reason}, 0]])
    assert (command.remote_failure_reason, command.timed_out) == (reason, timed_out)


def test_an_error_in_handling_an_update_ends_the_command(wire):
    class Wrong(RemoteCommand):
        def remoteUpdate(self, update: Any) -> Any:
            raise ValueError("what is this?")

    command = Wrong("shell", {})
    done = run(command, wire)
    command.remote_update([[{"rc": 0}, 0]])
    assert done[0].check(ValueError) and len(wire.interrupted) == 1


def test_an_error_of_the_worker_is_raised(wire):
    command, log = RemoteCommand("shell", {}), Output()
    command.useLog(log, True)
    d = command.run(None, wire, "b")
    command.remote_complete(Failure(OSError("no such directory")))
    failure_of(d, OSError)
    assert log.written == [("h", "\nremoteFailed: no such directory\n"), ("end", "")]


def test_a_log_is_made_when_it_is_needed(wire):
    made: defer.Deferred = defer.Deferred()
    command, log = RemoteCommand("shell", {}), Output()
    command.useLogDelayed("extra", lambda c: made, True)
    done = run(command, wire)
    command.remote_update([[{"log": ("extra", "one\n")}, 0], [{"log": ("extra", "two\n")}, 0]])
    command.remote_update([[{"log": ("unknown", "x\n")}, 0]])
    command.remote_complete()
    assert done == []
    made.callback(log)
    assert done == [command] and log.written == [("o", "one\n"), ("o", "two\n"), ("end", "")]


# -- the end before the end ----------------------------------------------------------------------------------------


def test_an_interrupted_command_ends_when_the_worker_says_so(wire):
    command = RemoteCommand("shell", {})
    done = run(command, wire)
    result_of(command.interrupt("enough"))
    assert wire.interrupted == [("b", command.commandID, "enough")] and done == []
    command.remote_update([[{"rc": -1}, 0]])
    command.remote_complete()
    assert done == [command] and command.results() == CANCELLED


def test_or_at_its_deadline(wire, clock):
    command = RemoteCommand("shell", {"sigtermTime": 10})
    d = command.run(None, wire, "b")
    result_of(command.interrupt("enough"))
    clock.advance(19)
    assert command.active
    clock.advance(1)
    failure_of(d, DeadlineExceeded)
    command.remote_complete()  # too late, and harmless
    assert clock.getDelayedCalls() == []


def test_a_lost_connection_ends_it(wire):
    command = RemoteCommand("shell", {})
    d = command.run(None, wire, "b")
    wire.notifyDisconnected()
    failure_of(d, error.ConnectionLost)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("echo [a]", "echo [a]"),
        (["echo", ["a", ("b", ["c"])], [], "d"], ["echo", "a", "b", "c", "d"]),
        (("echo", "a"), ["echo", "a"]),
        (["svn", [("obfuscated", "secret", "XXX")]], ["svn", ("obfuscated", "secret", "XXX")]),
    ],
)
def test_lists_inside_a_command_are_taken_apart(given, sent):
    assert RemoteShellCommand("build", given).args["command"] == sent


def test_what_the_worker_raised_is_told_by_its_text(wire):
    command = RemoteCommand("shell", {})
    d = command.run(None, wire, "b")
    copied = Failure(ValueError("x"))
    copied.value = "the text"  # as a failure looks that has come over the wire
    command.remote_complete(copied)
    assert "the text" in str(failure_of(d, WorkerRaised))


def test_silence_beyond_its_own_limits_ends_it(wire, clock):
    command = RemoteShellCommand("build", ["x"], timeout=10)
    d = command.run(None, wire, "b")
    clock.advance(100)
    command.remote_update([[{"stdout": "alive\n"}, 0]])
    clock.advance(129)
    assert command.active
    clock.advance(2)
    failure_of(d, DeadlineExceeded)


def test_while_the_worker_is_not_read_from_its_silence_does_not_count(wire, clock):
    command = RemoteShellCommand("build", ["x"], timeout=10)
    done = run(command, wire)
    wire.throttle("key")
    clock.advance(1000)
    assert command.active
    wire.unthrottle("key")
    clock.advance(129)
    assert command.active
    clock.advance(1)
    assert done[0].check(DeadlineExceeded)


@pytest.mark.parametrize("command", [RemoteCommand("mkdir", {"timeout": None}), RemoteCommand("shell", {})])
def test_a_command_without_limits_may_be_silent(wire, clock, command):
    done = run(command, wire)
    clock.advance(10**6)
    assert done == [] and clock.getDelayedCalls() == []


def test_one_that_should_take_no_time_is_given_up_after_twenty_minutes(wire, clock):
    done = run(RemoteCommand("mkdir", {}), wire)
    clock.advance(1199)
    assert done == []
    clock.advance(1)
    assert done[0].check(DeadlineExceeded)


def test_a_worker_that_reads_or_writes_its_files_is_not_silent(wire, clock):
    command = RemoteCommand("uploadFile", {})
    done = run(command, wire)
    for _ in range(10):
        clock.advance(1000)
        command.heard()
    assert done == []


# -- shell ---------------------------------------------------------------------------------------------------------


def test_the_arguments_of_a_shell_command(wire):
    command = RemoteShellCommand(
        "build",
        ["make", ("obfuscated", "secret", "XXX")],
        env={"A": "1"},
        timeout=5,
        maxTime=6,
        max_lines=7,
        sigtermTime=8,
        logfiles={"l": "l.txt"},
        initialStdin="in",
        interruptSignal="TERM",
        logEnviron=False,
        want_stderr=0,
    )
    run(command, wire)
    assert wire.started[0][3] == {
        "workdir": "build",
        "command": ["make", ("obfuscated", "secret", "XXX")],
        "env": {"A": "1"},
        "want_stdout": 1,
        "want_stderr": 0,
        "logfiles": {"l": "l.txt"},
        "timeout": 5,
        "maxTime": 6,
        "max_lines": 7,
        "sigtermTime": 8,
        "usePTY": False,
        "logEnviron": False,
        "initial_stdin": "in",
        "interruptSignal": "TERM",
    }
    assert "secret" not in repr(command) and "XXX" in repr(command)


# -- without a step ------------------------------------------------------------------------------------------------


class FakeBuild:
    properties = Properties()


class FakeStep:
    build = FakeBuild()


@pytest.mark.parametrize("step", [None, FakeStep()])
def test_can_start_build_may_run_commands(tmp_path: Path, step):
    """The example of the manual: a ``canStartBuild`` that asks the worker."""
    asked: list[int | None] = []

    async def can_start(builder, wfb, request):
        command = RemoteCommand("shell", {"command": ["exit", "1" if not asked else "0"]}, stdioLogName=None)
        command.worker = wfb.worker
        done = await command.run(step, wfb.worker.conn, builder.name)
        asked.append(done.rc)
        if command.rc != 0:
            wfb.worker.putInQuarantine()
        return command.rc == 0

    kit = BuildKit(tmp_path, [], canStartBuild=can_start)
    kit.request()
    assert asked == [1] and kit.get("builds") == []
    kit.advance(60)
    assert asked[:2] == [1, 0] and kit.last()["results"] == SUCCESS
    kit.stop()
