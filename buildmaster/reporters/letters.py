"""What a mail consists of: headers, addresses, text and attachments (RFC 5322, RFC 2045 and what follows)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, parseaddr
from io import BytesIO
from typing import Any

from buildmaster.base.results import statusToString

ENCODING = "utf-8"

_ADDRESS = r"[!-;=?A-~]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\.?"

VALID_EMAIL_ADDR = re.compile(_ADDRESS)
"""A mail address in a text."""

VALID_EMAIL = re.compile(rf"^(?:{_ADDRESS}|(?:.+\s)?<{_ADDRESS}>)\Z")
"""``user@example.org``, ``<user@example.org>`` or ``A Name <user@example.org>``."""


# -- addresses ---------------------------------------------------------------------------------------------------------


def plain_address(address: str) -> str:
    """The part that servers know: of ``A Name <user@example.org>`` what is in the brackets."""
    return parseaddr(address)[1] or address


def formatted_address(address: str) -> str:
    """An address for a header; letters beyond ASCII in the name are encoded."""
    name, plain = parseaddr(address)
    return address if not plain else formataddr((name, plain), ENCODING)


def message_id(notice: str, reports: Sequence[Mapping[str, Any]], sender: str) -> str:
    """The same for the same notice, however often it is sent, and another one for any other."""
    times = [str(build.get("started_at")) for report in reports for build in report.get("builds") or ()]
    digest = hashlib.sha256("\n".join([notice, *times]).encode()).hexdigest()[:32]
    domain = plain_address(sender).rpartition("@")[2] or "localhost"
    return f"<{digest}@{domain}>"


# -- headers -----------------------------------------------------------------------------------------------------------


def header(value: Any) -> Any:
    """A header's value in one line; letters beyond ASCII are encoded."""
    text = " ".join(str(value).split())
    return text if text.isascii() else Header(text, ENCODING)


def date(epoch: float) -> str:
    """A time as headers have it."""
    return formatdate(epoch)


def subject(given: str | None, title: str, results: int | None, builds: Sequence[Mapping[str, Any]] | None) -> Any:
    """The subject that was given, or one that says result, site and builder."""
    if given is None:
        names = sorted({build["builder"]["name"] for build in builds or ()})
        builder = names[0] if len(names) == 1 else "whole buildset"
        given = f"Buildbot {statusToString(results)} in {title} on {builder}"
    return Header(" ".join(given.split()), ENCODING) if not given.isascii() else " ".join(given.split())


# -- parts -------------------------------------------------------------------------------------------------------------


def letter(body: str, kind: str, attachments: Sequence[Message]) -> Message:
    """A mail with this text, of kind ``plain`` or ``html``, and these parts."""
    text = MIMEText(body, kind, "us-ascii" if body.isascii() and _short_lines(body) else ENCODING)
    if not attachments:
        return text
    mail = MIMEMultipart()
    mail.attach(text)
    for part in attachments:
        mail.attach(part)
    return mail


def _short_lines(body: str) -> bool:
    return all(len(line) < 998 for line in body.split("\n"))


def log_attachment(log: Mapping[str, Any], builder: str | None = None) -> Message:
    """A log's text as a file that is called after step and log."""
    name = f"{log['stepname']}.{log['name']}" if builder is None else f"{log['stepname']}.{builder}.{log['name']}"
    return _file(name, log["content"]["content"].encode(ENCODING))


def patch_attachment(patch: Mapping[str, Any], index: int) -> Message:
    """A patch as a file."""
    body = patch["body"]
    return _file(f"source patch {index}", body.encode(ENCODING) if isinstance(body, str) else bytes(body))


def _file(name: str, content: bytes) -> Message:
    try:
        part: Message = MIMEText(content.decode(ENCODING), "plain", ENCODING)
    except UnicodeDecodeError:
        part = MIMEApplication(content)
    part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def as_bytes(mail: Message) -> bytes:
    """A mail as it is sent."""
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False).flatten(mail)
    return out.getvalue()
