"""A mail server with TLS, passwords and moods, on the real reactor."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import ssl
from twisted.mail import imap4, smtp

from tests.support.mailbox import Mailbox
from tests.support.real_reactor import reactor


def certificate(directory: Path, name: str = "localhost") -> tuple[Any, Path]:
    """A new certificate for a name: (context factory for servers, the certificate's file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "certificate.pem").write_bytes(pem)
    return ssl.PrivateCertificate.loadPEM(pem + secret).options(), directory / "certificate.pem"


class PostOffice(Mailbox):
    """``answers`` maps recipients to the code that they are refused with; ``logged_in`` are the users who were.

    With ``tls`` (see :func:`certificate`) it knows STARTTLS; ``smtps`` begins with TLS; ``password`` is that of the
    user ``user``.
    """

    def __init__(self, tls: Any = None, smtps: bool = False, password: str | None = None) -> None:
        self.answers: dict[str, int] = {}
        self.logged_in: list[str] = []
        self._tls = tls
        self._password = password
        super().__init__()
        if smtps:
            self._listening.stopListening()
            self._listening = reactor.listenSSL(0, self, tls, interface="127.0.0.1")

    def buildProtocol(self, address: Any) -> Any:
        challengers = {b"LOGIN": imap4.LOGINCredentials, b"PLAIN": imap4.PLAINCredentials}
        protocol = smtp.ESMTP(challengers if self._password else None, self._tls)
        protocol.factory = None
        protocol.host = b"office"
        protocol.delivery = self
        if self._password:
            known = InMemoryUsernamePasswordDatabaseDontUse()
            known.addUser(b"user", self._password.encode())
            protocol.portal = Portal(self, [known])
        return protocol

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        self.logged_in.append(avatarId.decode() if isinstance(avatarId, bytes) else avatarId)
        return smtp.IMessageDelivery, self, lambda: None

    def validateTo(self, user: Any) -> Any:
        code = self.answers.get(str(user))
        if code is not None:
            raise smtp.SMTPBadRcpt(user, code)
        return super().validateTo(user)
