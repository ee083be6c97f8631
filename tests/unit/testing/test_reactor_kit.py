"""The reactor of the kit: time, threads, processes and asyncio in the test's hands."""

from __future__ import annotations

import pytest
from twisted.internet import threads
from twisted.internet.protocol import ProcessProtocol

from buildmaster.net.childprocess import run_process
from buildmaster.test.reactor import NonThreadPool, TestReactor
from buildmaster.testing.sync import result_of


class Output(ProcessProtocol):
    def __init__(self):
        self.seen = []

    def outReceived(self, data):
        self.seen.append(("out", data))

    def errReceived(self, data):
        self.seen.append(("err", data))

    def processEnded(self, reason):
        self.seen.append(("ended", reason.value.exitCode))


@pytest.fixture
def reactor():
    return TestReactor()


def test_a_thread_is_at_once(reactor):
    assert isinstance(reactor.getThreadPool(), NonThreadPool)
    assert result_of(threads.deferToThreadPool(reactor, reactor.getThreadPool(), divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        result_of(threads.deferToThreadPool(reactor, reactor.getThreadPool(), divmod, 7, 0))


def test_an_announced_process_does_what_the_test_says(reactor):
    reactor.expect_spawn("tool", ["tool", "1"], path="/d")
    reactor.expect_process_signalProcess(0, "TERM")
    output = Output()
    process = reactor.spawnProcess(output, "tool", ["tool", "1"], path="/d")
    reactor.process_send_stdout(process.pid, b"hi")
    reactor.process_send_stderr(process.pid, b"oh")
    process.signalProcess("TERM")
    reactor.process_done(process.pid, 3)
    assert output.seen == [("out", b"hi"), ("err", b"oh"), ("ended", 3)]
    reactor.assert_no_remaining_calls()


def test_a_process_that_was_not_announced_is_told(reactor):
    with pytest.raises(AssertionError) as caught:
        reactor.spawnProcess(Output(), "tool", ["tool"])
    assert (
        str(caught.value)
        == "Unexpected call to spawnProcess(): spawnProcess(executable='tool', args=['tool'], usePTY=False)"
    )
    reactor.expect_spawn("tool", ["tool", "1"])
    with pytest.raises(AssertionError, match="expected: spawnProcess"):
        reactor.spawnProcess(Output(), "tool", ["tool", "2"])


def test_an_announced_process_that_does_not_come_is_told(reactor):
    reactor.expect_spawn("tool", ["tool"])
    with pytest.raises(AssertionError, match="not called"):
        reactor.assert_no_remaining_calls()


def test_our_own_processes_can_be_announced(reactor):
    reactor.expect_spawn("no-such-tool", ["no-such-tool"], env={}, path="/d")
    reactor.expect_process_signalProcess(0, 15)
    running = run_process(reactor, ["no-such-tool"], {}, "/d", timeout=5)
    reactor.process_send_stdout(0, b"text")
    reactor.advance(5)
    reactor.assert_no_remaining_calls()
    reactor.process_done(0, 0)
    assert "ran longer than 5 s" in str(running.result.value)
    running.addErrback(lambda _: None)


def test_events_of_the_end(reactor):
    called = []
    reactor.addSystemEventTrigger("during", "shutdown", called.append, "during")
    reactor.addSystemEventTrigger("before", "shutdown", called.append, "before")
    removed = reactor.addSystemEventTrigger("before", "shutdown", called.append, "removed")
    reactor.removeSystemEventTrigger(removed)
    reactor.stop()
    assert called == ["before", "during"]
