"""From pieces of a command's output to whole lines.

Pieces come as they were read from a pipe: they end anywhere, in the middle of a line, of a character, of an escape
sequence or of a secret.  What comes out are whole lines, in as few and large strings as possible; nothing here looks
at single lines.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any

from buildmaster.properties.masking import MaskedText

MAX_LINE = 1024 * 1024
"""Longer lines (in characters) are broken."""

Decoder = Callable[[bytes], str]

_CURSOR_MOVES = re.compile(r"\x1b\[(?:u|\d+;\d+[Hf]|2J)")
_CURSOR_MOVE_BEGINS = re.compile(r"\x1b(?:\[(?:\d{0,4}(?:;\d{0,4})?)?)?$")
_RETURNS = re.compile("\r+\n?")
_BACKSPACES = re.compile("\x08+")


def incremental_decoder(encoding: str | Decoder) -> Decoder:
    """A function that decodes successive pieces; bytes that are not text become U+FFFD.

    ``encoding`` names a codec, or is a function that decodes one piece.
    """
    if callable(encoding):
        return encoding
    return codecs.getincrementaldecoder(encoding)("replace").decode


class Newlines:
    """Makes every kind of line end a ``\\n``.

    ``\\r\\n`` is one line end; so is a run of ``\\r``, a run of backspaces and the escape sequences by which programs
    move the cursor to redraw a progress display.  What may be the beginning of one is held back.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece."""
        if self._held:
            text, self._held = self._held + text, ""
        if text.endswith(("\r", "\x08")):
            self._held = text[-1]  # one stands for the run
            text = text.rstrip(self._held)
        if "\r" in text:
            text = _RETURNS.sub("\n", text.replace("\r\n", "\n"))
        if "\x08" in text:
            text = _BACKSPACES.sub("\n", text)
        if "\x1b[" in text or text.endswith("\x1b"):
            text = self._cursor_moves(text)
        return text

    def _cursor_moves(self, text: str) -> str:
        begin = _CURSOR_MOVE_BEGINS.search(text, max(0, len(text) - 12))
        if begin:
            self._held = text[begin.start() :] + self._held
            text = text[: begin.start()]
        return _CURSOR_MOVES.sub("\n", text)

    def flush(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held[:-1] + "\n" if held.endswith(("\r", "\x08")) else held


class LineAssembler:
    """One channel's output: :meth:`feed` pieces of text or bytes, get whole lines.

    ``secrets`` (value → name, may grow) are hidden, also across pieces; ``write`` writes their names.
    """

    def __init__(
        self,
        encoding: str | Decoder = "utf-8",
        secrets: Mapping[str, str] | None = None,
        write: Callable[[str], str] = str,
    ) -> None:
        self._decode = incremental_decoder(encoding)
        self._stateful = not callable(encoding)
        self._newlines = Newlines()
        self._masked = MaskedText(secrets, write) if secrets is not None else None
        self._partial: list[str] = []
        self._partial_size = 0

    def feed(self, data: Any) -> str:
        """Whole lines, or nothing if no line was completed."""
        text = self._newlines.feed(self._decode(bytes(data)) if isinstance(data, (bytes, bytearray)) else data)
        return self._lines(text if self._masked is None else self._masked.feed(text))

    def _lines(self, text: str) -> str:
        end = text.rfind("\n") + 1
        if not end:
            if text:
                self._partial.append(text)
                self._partial_size += len(text)
            return self._take_partial("\n") if self._partial_size > MAX_LINE else ""
        lines = text if end == len(text) else text[:end]
        if self._partial:
            lines = self._take_partial(lines)
        if end < len(text):
            self._partial = [text[end:]]
            self._partial_size = len(text) - end
        return break_long_lines(lines) if len(lines) > MAX_LINE else lines

    def _take_partial(self, rest: str) -> str:
        self._partial.append(rest)
        text = "".join(self._partial)
        self._partial, self._partial_size = [], 0
        return break_long_lines(text) if len(text) > MAX_LINE else text

    def flush(self) -> str:
        """What is left at the end, made a whole line."""
        text = self._decode(b"", True) if self._stateful else ""  # type: ignore[call-arg]
        text = self._newlines.feed(text) + self._newlines.flush()
        if self._masked is not None:
            text = self._masked.feed(text) + self._masked.flush()
        lines = self._lines(text)
        return lines + self._take_partial("\n") if self._partial else lines


def break_long_lines(text: str) -> str:
    """Lines of more than :data:`MAX_LINE` characters broken into such that have fewer."""
    lines = text.split("\n")
    if max(map(len, lines)) <= MAX_LINE:
        return text
    broken: list[str] = []
    for line in lines:
        broken.extend(line[at : at + MAX_LINE] for at in range(0, len(line) or 1, MAX_LINE))
    return "\n".join(broken)
