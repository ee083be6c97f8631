"""The port: whoever connects has put something into the queue.

A connection is all it takes; nothing that is sent is read.  The answer is a line that says what was started, or why
nothing was, then the connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer, endpoints, protocol

MOST_CONNECTIONS = 50
"""Further ones are closed at once: those who are there already wait for the same answer."""


class TriggerProtocol(protocol.Protocol):
    """One client."""

    factory: TriggerFactory

    def connectionMade(self) -> None:
        """Look at the queue."""
        self.factory.open += 1
        if self.factory.open > MOST_CONNECTIONS:
            self.transport.abortConnection()
            return
        self.factory.look().addCallback(self._tell)

    def _tell(self, answer: str) -> None:
        self.transport.write(answer.encode() + b"\n")
        self.transport.loseConnection()

    def connectionLost(self, reason: Any = protocol.connectionDone) -> None:
        """Make room."""
        self.factory.open -= 1


class TriggerFactory(protocol.Factory):
    """``look`` looks at the queue; its Deferred fires with the line to answer, and never fails."""

    protocol = TriggerProtocol
    noisy = False

    def __init__(self, look: Callable[[], defer.Deferred[str]]) -> None:
        self.look = look
        self.open = 0


def endpoint_of(port: int | str) -> str:
    """A port number stands for this machine only; a string is any Twisted endpoint."""
    return f"tcp:{port}:interface=127.0.0.1" if str(port).isdigit() else str(port)


def listen(reactor: Any, port: int | str, look: Callable[[], defer.Deferred[str]]) -> defer.Deferred[Any]:
    """Listen; fires with the listening port."""
    return endpoints.serverFromString(reactor, endpoint_of(port)).listen(TriggerFactory(look))
