"""The text of logs as it is stored: pieces of whole lines, and beside each a short list of which channel they are of.

A piece is UTF-8 text of newline-terminated lines.  Its channels are runs: ``e3o120`` says that three lines of stderr
are followed by 120 of stdout.  A log without channels has the empty list.  Raw text is thus read without looking at
lines; the documented form, in which each line begins with its channel's letter, is made when it is asked for.
"""

from __future__ import annotations

import bz2
import gzip
import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import zstandard

_RUN = re.compile(r"([a-z])(\d+)")

Runs = list[tuple[str, int]]
"""(channel letter, number of lines), neighbours of different channels."""


class LogCompressionFormatUnavailableError(LookupError):
    """The package that a compression method needs is not installed."""


def parse_runs(text: str) -> Runs:
    """Runs from their stored form."""
    return [(channel, int(count)) for channel, count in _RUN.findall(text)]


def format_runs(runs: Iterable[tuple[str, int]]) -> str:
    """The stored form of runs; neighbours of one channel are joined."""
    joined: list[list[Any]] = []
    for channel, count in runs:
        if joined and joined[-1][0] == channel:
            joined[-1][1] += count
        elif count:
            joined.append([channel, count])
    return "".join(f"{channel}{count}" for channel, count in joined)


def cut_runs(runs: Runs, skip: int, count: int) -> Runs:
    """The runs of ``count`` lines after the first ``skip``."""
    cut: Runs = []
    for channel, length in runs:
        here = length - skip
        skip = max(0, skip - length)
        if here > 0 and count > 0:
            cut.append((channel, min(here, count)))
            count -= min(here, count)
    return cut


def cut_lines(content: bytes, skip: int, count: int) -> bytes:
    """``count`` lines after the first ``skip``."""
    start = _after_lines(content, 0, skip)
    return content[start : _after_lines(content, start, count)]


def _after_lines(content: bytes, at: int, count: int) -> int:
    """The place behind ``count`` more newlines; the end if there are fewer."""
    if count <= 0:
        return at
    if count > 64:
        pieces = content[at:].split(b"\n", count)
        return len(content) - len(pieces[count]) if len(pieces) > count else len(content)
    for _ in range(count):
        at = content.find(b"\n", at) + 1
        if at == 0:
            return len(content)
    return at


def with_prefixes(content: bytes, runs: Runs) -> bytes:
    """Each line with its channel's letter in front."""
    pieces = []
    at = 0
    for channel, count in runs:
        end = _after_lines(content, at, count)
        letter = channel.encode()
        pieces.append(letter + content[at : end - 1].replace(b"\n", b"\n" + letter) + content[end - 1 : end])
        at = end
    return b"".join(pieces)


def without_channels(content: bytes, runs: Runs, channels: str) -> bytes:
    """The lines that are of no channel of these."""
    pieces = []
    at = 0
    for channel, count in runs:
        end = _after_lines(content, at, count)
        if channel not in channels:
            pieces.append(content[at:end])
        at = end
    return b"".join(pieces)


def without_prefixes(text: str) -> tuple[str, str]:
    """(plain text, stored runs) of the documented form."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return "".join(line[1:] + "\n" for line in lines), format_runs((line[:1] or "o", 1) for line in lines)


# -- compression ---------------------------------------------------------------------------------------------------


def _lz4() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    import lz4.block

    return lz4.block.compress, lz4.block.decompress


def _brotli() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    import brotli

    return brotli.compress, brotli.decompress


METHODS: dict[str, tuple[int, Callable[[], tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]]]] = {
    "raw": (0, lambda: (bytes, bytes)),
    "gz": (1, lambda: (lambda data: gzip.compress(data, 6), gzip.decompress)),
    "bz2": (2, lambda: (bz2.compress, bz2.decompress)),
    "lz4": (3, _lz4),
    "br": (4, _brotli),
    "zstd": (5, lambda: (lambda data: zstandard.compress(data, 1), zstandard.decompress)),
}
"""Method → (stored number, maker of its two functions)."""

_NAMES = {number: name for name, (number, _) in METHODS.items()}
_loaded: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {}


def _functions(method: str) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    if method not in _loaded:
        try:
            _loaded[method] = METHODS[method][1]()
        except ImportError as e:
            raise LogCompressionFormatUnavailableError(
                f"log compression {method!r} needs a package that is not installed ({e.name}); "
                "install it or set c['logCompressionMethod'] = 'zstd'"
            ) from None
    return _loaded[method]


def compress(content: bytes, method: str) -> tuple[int, bytes]:
    """(number of the method, compressed content); what would not get smaller is stored as it is."""
    if method == "raw" or len(content) < 128:
        return 0, content
    packed = _functions(method)[0](content)
    return (METHODS[method][0], packed) if len(packed) < len(content) else (0, content)


@attrs.frozen
class Compression:
    """How logs are compressed: by ``method``, those that have reached ``limit`` bytes (None: none at all)."""

    method: str = "zstd"
    limit: int | None = 0

    @classmethod
    def of(cls, config: Any) -> Compression:
        """As ``logCompressionMethod`` and ``logCompressionLimit`` of a configuration say."""
        limit = getattr(config, "logCompressionLimit", 0)
        method = getattr(config, "logCompressionMethod", None) or "zstd"
        return cls(method, None if limit is False else limit)

    def at(self, size: int) -> str:
        """The method for what is stored of a log when it has ``size`` bytes."""
        return "raw" if self.limit is None or size < self.limit else self.method


def decompress(content: bytes, number: int) -> bytes:
    """Content that :func:`compress` made."""
    return content if number == 0 else _functions(_NAMES[number])[1](bytes(content))


def check_method(method: str) -> None:
    """Raises LogCompressionFormatUnavailableError, or ValueError for an unknown one."""
    if method not in METHODS:
        raise ValueError(f"unknown log compression {method!r}; known are {', '.join(METHODS)}")
    _functions(method)
