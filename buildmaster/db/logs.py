"""Logs of steps, and the pieces their text is stored in.

Pieces travel in the bulk lane; the log's own row in the main one.  Compression happens here, on the writing side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.strings import force_identifier, increment_identifier
from buildmaster.db import log_text, schema
from buildmaster.db.log_text import Compression, LogCompressionFormatUnavailableError
from buildmaster.db.txn import Txn

__all__ = ["Chunk", "LogCompressionFormatUnavailableError", "LogRow", "LogSlugExistsError"]

_logs, _chunks = schema.logs, schema.log_chunks

CHUNK_BYTES = 128 * 1024
"""About how much text a full piece holds."""

ALWAYS = Compression()


class LogSlugExistsError(KeyError):
    """The step has a log of this slug already."""


@attrs.frozen
class LogRow:
    """A log as it is stored."""

    logid: int
    stepid: int
    name: str
    slug: str  # an identifier, unique in the step
    type: str  # s: channels, t: text, h: HTML, d: deleted
    complete: bool = False
    num_lines: int = 0

    def fields(self) -> dict[str, Any]:
        """What facts about this log carry."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = tuple(attribute.name for attribute in attrs.fields(LogRow))


@attrs.frozen
class Chunk:
    """A piece of a log's text."""

    logid: int
    first_line: int  # of the log, from 0
    last_line: int
    channels: str  # runs, see log_text; empty for logs without channels
    pieces: tuple[str, ...]  # text that ends with a newline when put together


def from_row(row: Any) -> LogRow:
    """A stored log, of a row with all columns of the table."""
    return LogRow(row.id, row.stepid, row.name, row.slug, row.type, bool(row.complete), row.num_lines)


# -- writing -------------------------------------------------------------------------------------------------------


def add(txn: Txn, row: LogRow) -> None:
    """Store a new log."""
    txn.insert(
        _logs,
        id=row.logid,
        stepid=row.stepid,
        name=row.name,
        slug=row.slug,
        type=row.type,
        complete=int(row.complete),
        num_lines=row.num_lines,
    )
    txn.note("log", "new", **row.fields())


def add_unique(txn: Txn, stepid: int, name: str, type: str) -> LogRow:
    """Store a new log of a step of which only the id is known, under the next free slug."""
    txn.flush()
    taken = {row.slug for row in find(txn.conn, stepid)}
    slug = force_identifier(name)
    while slug in taken:
        slug = increment_identifier(slug)
    row = LogRow(txn.new_id("logs"), stepid, name, slug, type)
    add(txn, row)
    return row


def append(txn: Txn, row: LogRow, chunk: Chunk, method: str = "zstd", tell: bool = True) -> None:
    """Store a piece; ``row`` is the log with the lines it has now.  ``tell`` notes a fact about it."""
    add_chunk(txn, chunk, method)
    txn.update(_logs, row.logid, num_lines=row.num_lines)
    if tell:
        txn.note("log", "append", **row.fields())


def add_chunk(txn: Txn, chunk: Chunk, method: str = "zstd") -> None:
    """Store a piece, and nothing about its log."""
    content = "".join(chunk.pieces).encode("utf-8", "replace")
    _insert_chunk(txn, chunk.logid, chunk.first_line, chunk.last_line, chunk.channels, content, method)


def _insert_chunk(
    txn: Txn, logid: int, first_line: int, last_line: int, channels: str, content: bytes, method: str
) -> None:
    number, packed = log_text.compress(content, method)
    txn.insert(
        _chunks,
        logid=logid,
        first_line=first_line,
        last_line=last_line,
        raw_bytes=len(content),
        compression=number,
        channels=channels,
        content=packed,
    )


def append_text(txn: Txn, logid: int, text: str, how: Compression = ALWAYS) -> tuple[int, int] | None:
    """Append whole lines, in the documented form, to a log of which only the id is known.

    Returns (first, last) line, or None if there is no such log.
    """
    txn.flush()
    row = get(txn.conn, logid)
    if row is None:
        return None
    plain, channels = log_text.without_prefixes(text) if row.type == "s" else (text, "")
    count = plain.count("\n")
    if count:
        first, last = row.num_lines, row.num_lines + count - 1
        method = how.at(len(plain) + (_stored_bytes(txn, logid) if how.limit else 0))
        append(txn, attrs.evolve(row, num_lines=last + 1), Chunk(logid, first, last, channels, (plain,)), method)
        return first, last
    return row.num_lines, row.num_lines - 1


def _stored_bytes(txn: Txn, logid: int) -> int:
    query = sa.select(sa.func.sum(_chunks.c.raw_bytes)).where(_chunks.c.logid == logid)
    return int(txn.conn.execute(query).scalar() or 0)


def finish(txn: Txn, row: LogRow, chunk: Chunk | None = None, method: str = "zstd") -> None:
    """The log is complete; ``chunk`` is its last piece, if that is not stored yet."""
    if chunk is not None:
        add_chunk(txn, chunk, method)
    txn.update(_logs, row.logid, complete=1, num_lines=row.num_lines)
    txn.note("log", "finished", **row.fields())


def finish_by_id(txn: Txn, logid: int) -> LogRow | None:
    """The same for a log of which only the id is known."""
    txn.flush()
    row = get(txn.conn, logid)
    if row is not None and not row.complete:
        row = attrs.evolve(row, complete=True)
        finish(txn, row)
    return row


def join_chunks(txn: Txn, logid: int, how: Compression = ALWAYS, limit: int = 200) -> int:
    """Join neighbouring small pieces into full ones; returns how many bytes of storage that saved.

    Looks at no more than ``limit`` pieces that are to be joined.
    """
    txn.flush()
    metadata = txn.conn.execute(
        sa.select(_chunks.c.first_line, _chunks.c.raw_bytes).where(_chunks.c.logid == logid).order_by("first_line")
    ).all()
    method = how.at(sum(row.raw_bytes for row in metadata))
    saved = 0
    for group in groups([(row.first_line, row.raw_bytes) for row in metadata]):
        if len(group) > 1 and limit > 0:
            saved += _join_group(txn, logid, group, method)
            limit -= len(group)
    return saved


def groups(sizes: list[tuple[int, int]]) -> Iterator[list[int]]:
    """Which neighbouring pieces, of (first line, bytes), make one full piece together; their first lines."""
    group: list[int] = []
    total = 0
    for first_line, size in sizes:
        if group and total + size > CHUNK_BYTES:
            yield group
            group, total = [], 0
        group.append(first_line)
        total += size
    yield group


def _join_group(txn: Txn, logid: int, group: list[int], method: str) -> int:
    here = (_chunks.c.logid == logid, _chunks.c.first_line.between(group[0], group[-1]))
    rows = txn.conn.execute(sa.select(_chunks).where(*here).order_by(_chunks.c.first_line)).all()
    txn.execute(sa.delete(_chunks).where(*here))
    joined = join(rows, method)
    txn.insert(_chunks, **joined)
    return sum(len(row.content) for row in rows) - len(joined["content"])


def join(rows: Sequence[Any], method: str) -> dict[str, Any]:
    """The row for the text of these neighbouring rows of one log, compressed by ``method``."""
    content = b"".join(log_text.decompress(row.content, row.compression) for row in rows)
    runs = [run for row in rows for run in log_text.parse_runs(row.channels)]
    number, packed = log_text.compress(content, method)
    return {
        "logid": rows[0].logid,
        "first_line": rows[0].first_line,
        "last_line": rows[-1].last_line,
        "raw_bytes": len(content),
        "compression": number,
        "channels": log_text.format_runs(runs),
        "content": packed,
    }


def delete_old(txn: Txn, older_than: float, after: int = 0, limit: int = 100) -> tuple[int, int | None]:
    """Delete the text of complete logs of steps that began before ``older_than`` (epoch seconds).

    The logs remain, with the type ``d``.  Looks at the next ``limit`` logs that have text, those above the id
    ``after``.  Returns how many texts were deleted, and the last id that was looked at; None for it when all the
    logs looked at are too young, or there were no more.
    """
    txn.flush()
    with_text = sa.select(_chunks.c.logid).where(_chunks.c.logid > after).distinct().order_by("logid").limit(limit)
    looked_at = [row.logid for row in txn.conn.execute(with_text)]
    old = (
        sa.select(_logs.c.id, _logs.c.complete)
        .join(schema.steps, schema.steps.c.id == _logs.c.stepid)
        .where(_logs.c.id.in_(looked_at), schema.steps.c.started_at < older_than)
    )
    found = txn.conn.execute(old).all() if looked_at else []
    ids = [row.id for row in found if row.complete]
    if ids:
        txn.execute(sa.delete(_chunks).where(_chunks.c.logid.in_(ids)))
        txn.execute(sa.update(_logs).where(_logs.c.id.in_(ids)).values(type="d"))
    return len(ids), looked_at[-1] if found else None


# -- reading -------------------------------------------------------------------------------------------------------


def get(conn: sa.Connection, logid: int) -> LogRow | None:
    """The log with this id."""
    row = conn.execute(sa.select(_logs).where(_logs.c.id == logid)).first()
    return from_row(row) if row else None


def get_by_slug(conn: sa.Connection, stepid: int, slug: str) -> LogRow | None:
    """The step's log with this slug."""
    row = conn.execute(sa.select(_logs).where(_logs.c.stepid == stepid, _logs.c.slug == slug)).first()
    return from_row(row) if row else None


def find(conn: sa.Connection, stepid: int | None = None) -> list[LogRow]:
    """All logs, or those of a step, in the order in which they were added."""
    query = sa.select(_logs).order_by(_logs.c.id)
    if stepid is not None:
        query = query.where(_logs.c.stepid == stepid)
    return [from_row(row) for row in conn.execute(query)]


def read_lines(conn: sa.Connection, logid: int, first_line: int, last_line: int) -> str:
    """Lines ``first_line`` to ``last_line``, both included, as far as there are such; each ends with a newline.

    In a log with channels each line begins with its channel's letter.
    """
    pieces = []
    for row in _overlapping(conn, logid, first_line, last_line):
        content = log_text.decompress(row.content, row.compression)
        runs = log_text.parse_runs(row.channels)
        skip = max(0, first_line - row.first_line)
        count = min(last_line, row.last_line) - row.first_line - skip + 1
        if skip or count < row.last_line - row.first_line + 1:
            content = log_text.cut_lines(content, skip, count)
            runs = log_text.cut_runs(runs, skip, count)
        pieces.append(log_text.with_prefixes(content, runs) if runs else content)
    return b"".join(pieces).decode("utf-8", "replace")


def raw_chunks(conn: sa.Connection, logid: int, after_line: int = 0) -> Iterator[str]:
    """The plain text from line ``after_line`` on, piece by piece, without channels."""
    while (piece := raw_piece(conn, logid, after_line)) is not None:
        text, after_line = piece
        yield text


def raw_piece(
    conn: sa.Connection, logid: int, first_line: int, size: int = 1 << 20, without: str = ""
) -> tuple[str, int] | None:
    """About ``size`` bytes of plain text from a line on, and the line after it; None at the end.

    Lines of the channels ``without`` are left out.
    """
    content, next_line, total = [], first_line, 0
    for row in _overlapping(conn, logid, first_line, None, limit=max(1, size // CHUNK_BYTES)):
        text = log_text.decompress(row.content, row.compression)
        if first_line > row.first_line:
            text = log_text.cut_lines(text, first_line - row.first_line, row.last_line - first_line + 1)
        if without and row.channels:
            runs = log_text.parse_runs(row.channels)
            runs = log_text.cut_runs(runs, max(0, first_line - row.first_line), row.last_line - row.first_line + 1)
            text = log_text.without_channels(text, runs, without)
        content.append(text)
        total += len(text)
        next_line = row.last_line + 1
        if total >= size:
            break
    return (b"".join(content).decode("utf-8", "replace"), next_line) if content else None


def _overlapping(
    conn: sa.Connection, logid: int, first_line: int, last_line: int | None, limit: int | None = None
) -> Any:
    query = (
        sa.select(_chunks)
        .where(_chunks.c.logid == logid, _chunks.c.last_line >= first_line)
        .order_by(_chunks.c.first_line)
    )
    if last_line is not None:
        query = query.where(_chunks.c.first_line <= last_line)
    # the piece that holds the first line is found by the primary key, not by a walk over all before it
    start = conn.execute(
        sa.select(sa.func.max(_chunks.c.first_line)).where(_chunks.c.logid == logid, _chunks.c.first_line <= first_line)
    ).scalar()
    if start is not None:
        query = query.where(_chunks.c.first_line >= start)
    return conn.execute(query.limit(limit) if limit is not None else query)
