"""Text: what comes from outside becomes ``str`` once, at the edge."""

from __future__ import annotations

import re
from typing import Any

_identifier_re = re.compile(r"^[^\W\d][\w-]*$", re.UNICODE)
badchars_map = bytes.maketrans(b"\t !#$%&'()*+,./:;<=>?@[\\]^{|}~", b"_" * 30)
"""What :func:`safeTranslate` changes: white space and punctuation but for ``- _ " ` ``."""


def bytes2unicode(x: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    """Bytes decoded; text and None as they are; anything else as its ``str``."""
    if x is None or isinstance(x, str):
        return x
    if isinstance(x, bytes):
        return x.decode(encoding, errors)
    return str(x)


def unicode2bytes(x: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    """Text encoded; anything else as it is."""
    return x.encode(encoding, errors) if isinstance(x, str) else x


def is_identifier(value: str, maxlen: int = 50) -> bool:
    """Whether this is an identifier of the data API: a letter or ``_``, then word characters or ``-``."""
    return isinstance(value, str) and len(value) <= maxlen and bool(_identifier_re.match(value))


def force_identifier(value: str, maxlen: int = 50) -> str:
    """The identifier nearest to a text: other characters become ``_``, and it is cut to ``maxlen``."""
    text = re.sub(r"[^\w-]", "_", bytes2unicode(value, errors="replace"))
    if not text or not re.match(r"[^\W\d]", text):
        text = "_" + text
    return text[:maxlen]


def increment_identifier(value: str, maxlen: int = 50) -> str:
    """The next identifier after this one: ``log`` → ``log_2`` → ``log_3``, never longer than ``maxlen``."""
    match = re.search(r"^(.*)_(\d+)$", value)
    stem, number = (match.group(1), int(match.group(2)) + 1) if match else (value, 2)
    suffix = f"_{number}"
    return stem[: maxlen - len(suffix)] + suffix


def safeTranslate(s: str | bytes) -> bytes:
    """A name made fit to be a directory: white space and most punctuation become ``_``."""
    raw = s.encode("utf8") if isinstance(s, str) else s
    return raw.translate(badchars_map)


def ascii2unicode(x: Any) -> Any:
    """Text from ASCII bytes; raises UnicodeDecodeError for others."""
    return bytes2unicode(x, encoding="ascii")


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, the cut shown by an ellipsis."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"
