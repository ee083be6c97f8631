"""Storing a log's lines while it is being written.

Lines are collected into pieces of about :data:`~buildmaster.db.logs.CHUNK_BYTES`; a piece is stored when it is full or
a second after its first line came, so that readers of a running log are never far behind.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.db import logs
from buildmaster.db.log_text import Compression, format_runs
from buildmaster.db.logs import CHUNK_BYTES, Chunk, LogRow
from buildmaster.process.backpressure import UnwrittenOutput

log = Logger()

FLUSH_SECONDS = 1.0
TELL_SECONDS = 1.0
FEW_CHUNKS = 3


class LogWriter:
    """The writing end of one log.

    ``row`` is the log as it is stored, with the lines it has.  ``pressure`` counts the bytes on their way to the
    database, if whoever produces them can be held back.  ``how`` says what is compressed.
    """

    def __init__(self, db: Any, reactor: Any, row: LogRow, how: Compression | None = None) -> None:
        self.row = row
        self.pressure: UnwrittenOutput | None = None
        self._db, self._reactor, self._how = db, reactor, how or Compression()
        self._pieces: list[str] = []
        self._runs: list[tuple[str, int]] = []
        self._size = 0
        self._first_line = row.num_lines
        self._next_line = row.num_lines
        self._timer: Any = None
        self._told_at = float("-inf")
        self._under_way: set[defer.Deferred] = set()
        self._stored_chunks = self._stored_bytes = 0

    @property
    def num_lines(self) -> int:
        """Lines received so far."""
        return self._next_line

    def write(self, channel: str, text: str) -> None:
        """Take whole lines of one channel (``""`` in a log without channels)."""
        while len(text) > 2 * CHUNK_BYTES:
            cut = text.find("\n", CHUNK_BYTES) + 1
            self._take(channel, text[:cut])
            text = text[cut:]
        if text:
            self._take(channel, text)

    def _take(self, channel: str, text: str) -> None:
        count = text.count("\n")
        self._pieces.append(text)
        if channel:
            self._runs.append((channel, count))
        self._size += len(text)
        self._next_line += count
        if self._size >= CHUNK_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self._reactor.callLater(FLUSH_SECONDS, self._flush_after_a_while)

    def _flush_after_a_while(self) -> None:
        self._timer = None
        self.flush()

    def _cut(self) -> Chunk | None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pieces:
            return None
        chunk = Chunk(
            self.row.logid, self._first_line, self._next_line - 1, format_runs(self._runs), tuple(self._pieces)
        )
        self._stored_chunks += 1
        self._stored_bytes += self._size
        self._pieces, self._runs, self._size = [], [], 0
        self._first_line = self._next_line
        self.row = attrs.evolve(self.row, num_lines=self._next_line)
        return chunk

    def flush(self) -> None:
        """Hand what was collected to the database."""
        size = self._size
        chunk = self._cut()
        if chunk is None:
            return
        now = self._reactor.seconds()
        tell = now - self._told_at >= TELL_SECONDS
        if tell:
            self._told_at = now
        pressure = self.pressure
        if pressure is not None:
            pressure.add(size)
        stored = self._db.bulk(logs.append, self.row, chunk, self._how.at(self._stored_bytes), tell, size=size)
        self._under_way.add(stored)
        stored.addBoth(self._stored, stored, size, pressure)

    def _stored(self, result: Any, stored: defer.Deferred, size: int, pressure: UnwrittenOutput | None) -> None:
        self._under_way.discard(stored)
        if pressure is not None:
            pressure.done(size)
        if result is not None:
            log.failure("lines of log {logid} were lost", result, logid=self.row.logid)

    async def finish(self) -> None:
        """Store the rest and mark the log complete.  Returns when all but the last words are committed."""
        while self._under_way:
            self.flush()
            await defer.DeferredList([_when_done(stored) for stored in self._under_way])
        chunk = self._cut()
        self.row = attrs.evolve(self.row, complete=True)
        self._db.progress(logs.finish, self.row, chunk, self._how.at(self._stored_bytes))
        if self._stored_chunks > FEW_CHUNKS and self._stored_bytes < self._stored_chunks * CHUNK_BYTES / 2:
            self._db.bulk(logs.join_chunks, self.row.logid, self._how).addErrback(self._not_joined)

    def _not_joined(self, failure: Any) -> None:
        log.failure("the small pieces of log {logid} stay as they are", failure, logid=self.row.logid)


def _when_done(stored: defer.Deferred) -> defer.Deferred[None]:
    done: defer.Deferred[None] = defer.Deferred()

    def pass_on(result: Any) -> Any:
        done.callback(None)
        return result

    stored.addBoth(pass_on)
    return done


class SizeLimit:
    """What of a log is stored when its size is limited: the beginning, and the end if a tail is wanted.

    ``max_size`` and ``tail_size`` are bytes (of text as it came); None means no limit and no tail.
    """

    def __init__(self, max_size: int | None, tail_size: int | None) -> None:
        self._max, self._tail_max = max_size, tail_size or 0
        self._size = 0
        self._tail: deque[tuple[str, str]] = deque()
        self._tail_size = 0
        self.exceeded = False

    def admit(self, channel: str, text: str) -> list[tuple[str, str]]:
        """What to store now of these lines, as (channel, lines)."""
        if self._max is None:
            return [(channel, text)]
        if self.exceeded:
            self._keep_tail(channel, text)
            return []
        self._size += len(text)
        if self._size <= self._max:
            return [(channel, text)]
        self.exceeded = True
        room = self._max - (self._size - len(text))
        cut = text.rfind("\n", 0, room) + 1
        self._keep_tail(channel, text[cut:])
        words = f"\nOutput exceeded {self._max} bytes, remaining output has been truncated\n"
        head = [(channel, text[:cut])] if cut else []
        return [*head, ("h", words)]

    def _keep_tail(self, channel: str, text: str) -> None:
        if not self._tail_max or not text:
            return
        self._tail.append((channel, text))
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0][1]) >= self._tail_max:
            self._tail_size -= len(self._tail.popleft()[1])

    def rest(self) -> list[tuple[str, str]]:
        """The tail, to be stored at the end."""
        if not self._tail:
            return []
        channel, text = self._tail[0]
        surplus = self._tail_size - self._tail_max
        if surplus > 0:
            cut = text.find("\n", surplus - 1) + 1
            self._tail[0] = (channel, text[cut:])
            self._tail_size -= cut
        kept = [(channel, text) for channel, text in self._tail if text]
        return [("h", f"\nFinal {self._tail_size} bytes follow below:\n"), *kept] if kept else []
