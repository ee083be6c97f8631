"""Signals of a master."""

from __future__ import annotations

import os
import signal

import pytest

from buildmaster.life.signals import SignalHandlers

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


class Reactor:
    """Keeps what a signal handler wants to be called in the reactor's own time."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def callFromThread(self, function: object) -> None:
        self.calls.append(function)


def test_each_signal_has_its_action_and_the_former_handlers_come_back():
    reactor = Reactor()
    before = signal.getsignal(signal.SIGHUP)
    handlers = SignalHandlers(reactor, "reconfig", "clean shutdown")  # type: ignore[arg-type]
    handlers.install()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert reactor.calls == ["reconfig", "clean shutdown"]
    finally:
        handlers.remove()
    assert signal.getsignal(signal.SIGHUP) == before
