"""Connecting again after a connection was lost or failed, more slowly each time."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet import protocol

LONGEST = 300.0
"""Seconds between two attempts at most, unless the configured pauses are longer."""


class ThrottledClientFactory(protocol.ClientFactory):
    """Makes a new connection ``lostDelay`` seconds after one was lost, ``failedDelay`` seconds after one failed.

    Each pause is lengthened at random by up to as much, so that a herd of bots does not come at once, and doubles with
    each failure.  ``reactor`` is handed in.
    """

    lostDelay = random.randint(1, 5)
    failedDelay = random.randint(45, 60)

    def __init__(self, lostDelay: float | None = None, failedDelay: float | None = None, reactor: Any = None) -> None:
        if lostDelay is not None:
            self.lostDelay = lostDelay  # type: ignore[assignment]
        if failedDelay is not None:
            self.failedDelay = failedDelay  # type: ignore[assignment]
        self.reactor = reactor
        self.failures = 0
        self.stopped = False
        self._timer: Any = None

    def connected(self) -> None:
        """The connection works."""
        self.failures = 0

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        """Connect again after a while."""
        self._again(connector, self.lostDelay)

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """Try again after a while."""
        self._again(connector, self.failedDelay)

    def _again(self, connector: Any, delay: float) -> None:
        if self.stopped:
            return
        longest = max(LONGEST, delay)
        pause = min(longest, delay * 2.0 ** min(self.failures, 10))
        self.failures += 1
        self._timer = self.reactor.callLater(pause + random.uniform(0, pause), connector.connect)

    def stop_connecting(self) -> None:
        """Make no connection any more."""
        self.stopped = True
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
