"""The documented functions for users: who an author is, how to reach somebody, passwords that are stored."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.db import users

log = Logger()

srcs = ["git", "svn", "hg", "cvs", "darcs", "bzr", "fossil"]
"""Version control systems after which users are known."""

salt_len = 8
"""Bytes of salt in a stored password."""

_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>|([^<>\s]+@[^<>\s]+)")
_COST = {"n": 2**14, "r": 8, "p": 1}


@deferred
async def createUserObject(master: Any, author: str, src: str | None = None) -> int | None:
    """A Deferred of the id of the user who is ``author`` in the version control system ``src``; stored if need be.

    None, with a line in the log, for a ``src`` that is not in :data:`srcs`.
    """
    if src not in srcs:
        log.warn("no user is known for {author}: {src} is no version control system", author=author, src=src)
        return None
    return await master.db.write(users.find_by_attribute, author, src, author)


def _extractContact(user: Mapping[str, Any] | None, contact_types: Sequence[str], uid: int) -> str | None:
    """The first of these attributes that a user has; of an author's name in a version control system, the address."""
    for kind in contact_types if user else ():
        assert user is not None
        value = user.get(kind)
        if value is None and kind == "email":
            value = next((address for src in srcs if (address := _address(user.get(src)))), None)
        elif kind in srcs:
            value = _address(value)
        if value is not None:
            return value
    log.warn("user {uid} has none of the attributes {kinds}", uid=uid, kinds=", ".join(contact_types))
    return None


def _address(author: str | None) -> str | None:
    found = _ADDRESS.search(author or "")
    return None if found is None else found.group(1) or found.group(2)


@deferred
async def getUserContact(master: Any, contact_types: Sequence[str], uid: int) -> str | None:
    """A Deferred of how to reach a user: the first of these attributes that there is; None if there is none."""
    return _extractContact(await master.db.read(users.get, uid), contact_types, uid)


def encrypt(passwd: str | bytes) -> str:
    """A password as it is stored: salted and made slow to guess."""
    salt = os.urandom(salt_len)
    return f"scrypt${salt.hex()}${_digest(passwd, salt).hex()}"


def check_passwd(guess: str | bytes, passwd: str) -> bool:
    """Whether this is the password that was stored as ``passwd``."""
    kind, _, rest = passwd.partition("$")
    salt, _, digest = rest.partition("$")
    try:
        return kind == "scrypt" and hmac.compare_digest(_digest(guess, bytes.fromhex(salt)), bytes.fromhex(digest))
    except ValueError:
        return False


def _digest(passwd: str | bytes, salt: bytes) -> bytes:
    given = passwd.encode() if isinstance(passwd, str) else passwd
    return hashlib.scrypt(given, salt=salt, **_COST)
