"""Handing a mail to an SMTP server (RFC 5321), plain, with STARTTLS or inside TLS, on Twisted's client."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import attrs
from twisted.internet import defer, ssl
from twisted.mail import smtp
from twisted.protocols.tls import TLSMemoryBIOFactory

TIMEOUT = 60.0
"""Seconds that the server may take for an answer."""


class RelayAway(Exception):
    """The server can't be reached, or does not let this client in (TLS, password): it is not about the mail."""


class NotNow(Exception):
    """The server answered that it can't take this mail now (codes from 400 to 499)."""


class Refused(Exception):
    """The server will not take this mail (codes from 500 on)."""


@attrs.frozen
class Relay:
    """An SMTP server and how to talk to it."""

    host: str
    port: int = 25
    starttls: bool = False
    smtps: bool = False
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    verify: bool = True  # whether its certificate has to be valid


@attrs.frozen
class Verdict:
    """What the server said of one recipient."""

    address: str
    code: int
    said: str

    @property
    def not_now(self) -> bool:
        """Whether it may say otherwise later."""
        return 400 <= self.code < 500


async def send(reactor: Any, relay: Relay, sender: str, recipients: Sequence[str], mail: bytes) -> list[Verdict]:
    """Hand a mail over for these recipients; returns what was said of those that were refused.

    Raises :class:`RelayAway`, :class:`NotNow` or :class:`Refused` if nobody was accepted.  Cancelling drops the
    connection.
    """
    connection: list[Any] = []

    def drop(_: Any) -> None:
        for each in connection:
            each.disconnect()

    sent: defer.Deferred[Any] = defer.Deferred(drop)
    factory = _factory(relay, sender, recipients, mail, sent)
    if relay.smtps:
        wrapped = TLSMemoryBIOFactory(_tls(relay), True, factory)
        connection.append(reactor.connectTCP(relay.host, relay.port, wrapped))
    else:
        connection.append(reactor.connectTCP(relay.host, relay.port, factory))
    try:
        _, verdicts = await sent
    except smtp.SMTPDeliveryError as e:
        raise _verdict(e) from e
    except smtp.SMTPClientError as e:
        raise RelayAway(f"{relay.host}:{relay.port}: {_said(e.resp)}") from e
    return [Verdict(a.decode(), code, _said(said)) for a, code, said in verdicts if code not in smtp.SUCCESS]


def _factory(relay: Relay, sender: str, recipients: Sequence[str], mail: bytes, sent: Any) -> Any:
    return smtp.ESMTPSenderFactory(
        relay.user.encode() if relay.user is not None else None,
        relay.password.encode() if relay.password is not None else None,
        sender,
        [address.encode() for address in recipients],
        BytesIO(mail.replace(b"\r\n", b"\n")),
        sent,
        retries=0,
        timeout=TIMEOUT,
        contextFactory=_tls(relay) if relay.starttls else None,
        heloFallback=not relay.starttls and relay.user is None,
        requireAuthentication=relay.user is not None,
        requireTransportSecurity=relay.starttls,
    )


def _tls(relay: Relay) -> Any:
    if relay.verify:
        return ssl.optionsForClientTLS(relay.host)
    return ssl.CertificateOptions(verify=False)


def _verdict(error: Any) -> Exception:
    said = f"{error.code} {_said(error.resp)}"
    if error.addresses:  # one for each recipient: what decides is whether any of them may be accepted later
        verdicts = [Verdict(a.decode(), code, _said(text)) for a, code, text in error.addresses]
        said = "; ".join(f"{v.address}: {v.code} {v.said}" for v in verdicts)
        return NotNow(said) if any(v.not_now for v in verdicts) else Refused(said)
    return NotNow(said) if 400 <= error.code < 500 else Refused(said)


def _said(words: Any) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return " ".join(text.split())
