"""A real SMTP server in the test's own process that keeps what it is given."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from twisted.internet import defer
from twisted.mail import smtp
from zope.interface import implementer

from tests.support.real_reactor import reactor, run


@implementer(smtp.IMessage)
class _Letter:
    def __init__(self, box: Mailbox, to: str) -> None:
        self.box, self.to, self.lines = box, to, []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Any:
        text = email.message_from_bytes(b"\n".join(self.lines), policy=email.policy.default)
        self.box.letters.append((self.to, text))
        return defer.succeed(None)

    def connectionLost(self) -> None:
        self.lines = []


@implementer(smtp.IMessageDelivery)
class Mailbox:
    """``letters`` are pairs (recipient, message); while ``refuses`` is set every recipient is refused."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, EmailMessage]] = []
        self.refuses = False
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.getHost().port

    def close(self) -> None:
        """Stop listening."""
        run(defer.maybeDeferred(self._listening.stopListening))

    # -- a factory of Twisted's protocol, and the delivery it asks ---------------------------------------------------

    def doStart(self) -> None:
        """Nothing to prepare."""

    def doStop(self) -> None:
        """Nothing to end."""

    def buildProtocol(self, address: Any) -> Any:
        protocol = smtp.SMTP(self)
        protocol.factory = None
        return protocol

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b"Received: by a test"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: Any) -> Any:
        if self.refuses:
            raise smtp.SMTPBadRcpt(user)
        return lambda: _Letter(self, str(user))
