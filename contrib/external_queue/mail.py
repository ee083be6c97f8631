"""The mail about a build that has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

from twisted.internet import defer
from twisted.mail.smtp import sendmail


def recipients(build: Mapping[str, Any], everybody: Sequence[str]) -> list[str]:
    """Who asked for it, then those who are told of every build."""
    return list(dict.fromkeys([*filter(None, [build["requested_by"]]), *everybody]))


def message(build: Mapping[str, Any], fromaddr: str, to: Sequence[str], queue: str) -> EmailMessage:
    """What the build database knows.

    The Message-ID is made of the build's id: of a mail that is sent twice because the master was killed in between,
    one can be recognised.
    """
    mail = EmailMessage()
    mail["From"] = fromaddr
    mail["To"] = ", ".join(to)
    mail["Subject"] = f"{build['state']}: build {build['id']} of {build['builder']}"
    mail["Message-ID"] = f"<{queue}-{build['id']}@{fromaddr.rpartition('@')[2]}>"
    mail.set_content("\n".join(lines(build)) + "\n")
    return mail


def lines(build: Mapping[str, Any]) -> list[str]:
    """The text."""
    told = [
        ("Build", build["id"]),
        ("Builder", build["builder"]),
        ("Repository", build["repository"]),
        ("Branch", build["branch"]),
        ("Revision", build["revision"]),
        ("Result", build["state"]),
        ("Started", _time(build["started_at"])),
        ("Finished", _time(build["finished_at"])),
        ("Build time", _seconds(build)),
        ("Page", build["url"]),
    ]
    return [f"{name + ':':<12}{value}" for name, value in told if value]


def _time(seconds: float | None) -> str | None:
    return seconds and time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _seconds(build: Mapping[str, Any]) -> str | None:
    begun, ended = build["started_at"], build["finished_at"]
    return None if begun is None else f"{ended - begun:.0f} s"


def send(mail: EmailMessage, fromaddr: str, to: Sequence[str], reactor: Any, **server: Any) -> defer.Deferred[Any]:
    """Send it; ``server`` are arguments of Twisted's ``sendmail``."""
    host = server.pop("host")
    return sendmail(host, fromaddr, list(to), mail.as_bytes(), reactor=reactor, **server)
