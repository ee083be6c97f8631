"""Apache's password files: which hashes are understood, and how a password is compared with one.

Format: one ``name:hash`` a line (https://httpd.apache.org/docs/current/misc/password_encryptions.html).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

from twisted.cred import error as cred_error
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.internet import defer
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.strings import unicode2bytes

log = Logger()
_ITOA64 = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNKNOWN_USER = "$apr1$........$" + "." * 22


class UnknownHash(ValueError):
    """A line's hash is of a kind that is not understood here."""


@implementer(ICredentialsChecker)
class PasswordFile:
    """Checks names and passwords against a file; the file may change at any time."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._read_at: tuple[float, int] | None = None
        self._hashes: dict[bytes, str] = {}

    def requestAvatarId(self, credentials: object) -> defer.Deferred[bytes]:
        name = unicode2bytes(credentials.username)  # type: ignore[attr-defined]
        password = unicode2bytes(credentials.password)  # type: ignore[attr-defined]
        stored = self._load().get(name)
        try:
            right = matches(password, stored or _UNKNOWN_USER)
        except UnknownHash as error:
            log.error("{path}: user {name}: {error}", path=str(self.path), name=name, error=str(error))
            right = False
        if right and stored is not None:
            return defer.succeed(name)
        return defer.fail(cred_error.UnauthorizedLogin())

    def _load(self) -> dict[bytes, str]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            log.error("can't read the password file {path}: {error}", path=str(self.path), error=str(error))
            return {}
        stamp = (status.st_mtime, status.st_size)
        if stamp != self._read_at:
            lines = self.path.read_bytes().splitlines()
            pairs = (line.strip().split(b":", 1) for line in lines if b":" in line and not line.startswith(b"#"))
            self._hashes = {name: stored.decode("ascii", "replace") for name, stored in pairs}
            self._read_at = stamp
        return self._hashes


def matches(password: bytes, stored: str) -> bool:
    """Whether a password is the one of this hash; raises :class:`UnknownHash`."""
    if stored.startswith("{SHA}"):
        computed = "{SHA}" + base64.b64encode(hashlib.sha1(password).digest()).decode()
    elif stored.startswith("$apr1$"):
        computed = apr1(password, stored.split("$")[2].encode())
    elif stored.startswith(("$2a$", "$2b$", "$2y$")):
        return _bcrypt(password, stored)
    else:
        raise UnknownHash("only {SHA}, $apr1$ (MD5) and bcrypt hashes are understood: use htpasswd -B or -m")
    return hmac.compare_digest(computed.encode(), stored.encode())


def _bcrypt(password: bytes, stored: str) -> bool:
    try:
        import bcrypt  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UnknownHash("a bcrypt hash needs the Python package bcrypt: pip install bcrypt")
    return bool(bcrypt.checkpw(password[:72], b"$2b$" + stored[4:].encode()))


def apr1(password: bytes, salt: bytes) -> str:
    """Apache's variant of the MD5 crypt."""
    salt = salt[:8]
    inner = hashlib.md5(password + salt + password).digest()
    start = password + b"$apr1$" + salt
    for left in range(len(password), 0, -16):
        start += inner[: min(left, 16)]
    length = len(password)
    while length:
        start += b"\0" if length & 1 else password[:1]
        length >>= 1
    final = hashlib.md5(start).digest()
    for turn in range(1000):
        mixed = password if turn & 1 else final
        if turn % 3:
            mixed += salt
        if turn % 7:
            mixed += password
        mixed += final if turn & 1 else password
        final = hashlib.md5(mixed).digest()
    return f"$apr1${salt.decode('ascii', 'replace')}${_itoa64(final)}"


def _itoa64(digest: bytes) -> str:
    out = bytearray()
    for a, b, c in ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)):
        value = digest[a] << 16 | digest[b] << 8 | digest[c]
        for _ in range(4):
            out.append(_ITOA64[value & 63])
            value >>= 6
    out += bytes((_ITOA64[digest[11] & 63], _ITOA64[digest[11] >> 6]))
    return out.decode()
