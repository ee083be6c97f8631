"""Logs that can be read at once, as steps of releases before 0.9 do.

Today's steps see a log through an observer.  Older ones call ``log.getText()`` when their command has ended: the logs
of such steps, and only theirs, keep what is written to them in memory, up to a limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.logger import Logger

log = Logger()

STDOUT, STDERR, HEADER = 0, 1, 2
"""The channels as :meth:`KeptTextMixin.getChunks` numbers them."""

LIMIT = 64 * 1024 * 1024
"""Characters of one log that are kept."""

_NUMBERS = {None: STDOUT, "o": STDOUT, "e": STDERR, "h": HEADER}


class KeptText:
    """What was written to one log, as pairs of channel number and text."""

    def __init__(self, name: str) -> None:
        self.chunks: list[tuple[int, str]] = []
        self._name, self._left = name, LIMIT

    def take(self, stream: str | None, text: str | None) -> None:
        """Watches the log."""
        if not text:
            return
        if self._left > 0 >= self._left - len(text):
            log.warn("of the log {name!r} an old-style step sees {limit} characters only", name=self._name, limit=LIMIT)
        if self._left > 0:
            self.chunks.append((_NUMBERS[stream], text[: self._left]))
        self._left -= len(text)


class KeptTextMixin:
    """The reading methods of such logs.  All raise RuntimeError on a log of a step that has a ``run()``."""

    name: str
    _kept: KeptText | None = None

    def keep_text(self) -> None:
        """Keep all that is written from now on."""
        if self._kept is None:
            self._kept = KeptText(self.name)
            self.subscribe(self._kept.take)  # type: ignore[attr-defined]

    def _chunks(self) -> list[tuple[int, str]]:
        if self._kept is None:
            raise RuntimeError(
                f"the text of the log {self.name!r} is not kept: a step with a run() sees it through a LogObserver"
            )
        return self._kept.chunks

    def getChunks(self, channels: Iterable[int] = (), onlyText: bool = False) -> list[Any]:
        """Pairs of channel and text in their order, or the texts alone; of these channels or of all."""
        wanted = set(channels) or {STDOUT, STDERR, HEADER}
        found = [(channel, text) for channel, text in self._chunks() if channel in wanted]
        return [text for _, text in found] if onlyText else found

    def getText(self) -> str:
        """The text of stdout and stderr, or of a log without channels."""
        return "".join(self.getChunks([STDOUT, STDERR], onlyText=True))

    def getTextWithHeaders(self) -> str:
        """The text of all channels."""
        return "".join(self.getChunks(onlyText=True))

    def readlines(self, channel: int = STDOUT) -> list[str]:
        """The lines of a channel, with their ends."""
        return "".join(self.getChunks([channel], onlyText=True)).splitlines(keepends=True)

    def hasContents(self) -> bool:
        """Whether anything was written."""
        return bool(self._chunks())
