"""Trial runs the global reactor itself; other tests of this process may have started it already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor as _reactor

reactor: Any = _reactor


@pytest.fixture(autouse=True)
def reactor_for_trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reactor that was started for other tests is taken over by trial's ``run`` and given back running."""
    if not reactor._started:
        yield
        return

    def take_over(installSignalHandlers: bool = True) -> None:
        reactor._started = reactor.running = True

    with monkeypatch.context() as patch:
        patch.setattr(reactor, "startRunning", take_over)
        yield
    reactor._started = reactor.running = True
