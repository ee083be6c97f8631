"""Unpacking an archive that a worker has sent.

The worker is not trusted.  Everything is looked at before anything is written: each name and link must lie below the
destination, whatever links are there already; nothing but files, directories and links is taken; their number, their
size, what an archive may grow to and what its headers may take are limited.
"""

from __future__ import annotations

import bz2
import gzip
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO, Any

import attrs

_ANOTHER_NAME = "the archive is not safe: {!r} is another name of a symbolic link"

MAX_HEADER = 1024 * 1024
"""Bytes that the headers of one entry may have: its name and attributes."""


class TransferRefused(Exception):
    """A worker sent more than was asked for, or something that is not allowed; the text is shown in its log."""


@attrs.frozen
class ArchiveLimits:
    """How much one archive may bring."""

    entries: int = 200_000  # files, directories and links
    size: int = 64 * 1024**3  # bytes of all files together, unpacked
    ratio: int = 200  # times the size of the archive, unpacked, once that is more than ``free``
    free: int = 1024**3  # bytes that every archive may unpack to

    def size_for(self, received: int) -> int:
        """The bytes that an archive of this size may unpack to."""
        return min(self.size, max(self.free, self.ratio * received))


def unpack(path: str, compress: str | None, destroot: str, limits: ArchiveLimits) -> list[tarfile.TarInfo]:
    """Unpack the archive ``path``, compressed by ``compress`` (None, ``gz`` or ``bz2``), into ``destroot``.

    Returns what was unpacked.  Raises :class:`TransferRefused`, having written nothing, for an archive that is not
    safe; and for one that can't be unpacked.
    """
    try:
        with _opened(path, compress) as (archive, stream):
            members = list(_checked_members(archive, stream, destroot, limits, os.path.getsize(path)))
            stream.budget = None
            for member in members:
                _check_place(member, destroot)  # again: links that lie there now count too
                archive.extract(member, destroot, **_FILTER)
            return members
    except TransferRefused:
        raise
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as wrong:  # policy: an archive may be damaged in any way; whatever is wrong with it is told
        raise TransferRefused(f"the archive cannot be unpacked: {wrong or type(wrong).__name__}") from wrong


class _Stream:
    """A decompressed archive, of which no more than ``budget`` bytes can be read (None: any number, in pieces)."""

    def __init__(self, fp: Any) -> None:
        self._fp = fp
        self.budget: int | None = MAX_HEADER
        self.seek: Callable[..., int] = fp.seek
        self.tell: Callable[[], int] = fp.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if size < 0 or size > MAX_HEADER or (self.budget is not None and size > self.budget):
            raise TransferRefused("the archive is not safe: the name or the attributes of an entry are too large")
        if self.budget is not None:
            self.budget -= size
        data: bytes = self._fp.read(size)
        return data


@contextmanager
def _opened(path: str, compress: str | None) -> Iterator[tuple[tarfile.TarFile, _Stream]]:
    openers: dict[str | None, Callable[..., IO[bytes]]] = {None: open, "gz": gzip.open, "bz2": bz2.open}  # type: ignore[dict-item]
    with closing(openers[compress](path, "rb")) as fp:
        stream = _Stream(fp)
        with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
            yield archive, stream


def _checked_members(
    archive: tarfile.TarFile, stream: _Stream, destroot: str, limits: ArchiveLimits, received: int
) -> Iterator[tarfile.TarInfo]:
    """All members, made safe; raises :class:`TransferRefused` at the first that is not."""
    most = limits.size_for(received)
    count = size = 0
    links: set[str] = set()
    while True:
        stream.budget = MAX_HEADER
        member = archive.next()
        if member is None:
            return
        _check_name(member)
        _make_harmless(member)
        _check_place(member, destroot)
        if member.issym():
            links.add(posixpath.normpath(member.name))
        elif member.islnk() and posixpath.normpath(member.linkname) in links:
            raise TransferRefused(_ANOTHER_NAME.format(member.name))
        count += 1
        size += member.size
        if count > limits.entries:
            raise TransferRefused(f"the archive is too large: it has more than {limits.entries} entries")
        if size > most:
            raise TransferRefused(f"the archive is too large: its {received} bytes unpack to more than {most}")
        yield member


def _check_name(member: tarfile.TarInfo) -> None:
    parts = member.name.split("/")
    if member.name.startswith("/") or ".." in parts:
        raise TransferRefused(f"the archive names {member.name!r}, which is outside of its directory")
    if "\0" in member.name or "\0" in member.linkname:
        raise TransferRefused(f"the archive has {member.name!r}, which is no name of a file")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()) or member.issparse():
        raise TransferRefused(f"the archive has {member.name!r}, which is neither file, directory nor link")
    if member.size < 0:
        raise TransferRefused(f"the archive has {member.name!r} with the size {member.size}")


_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python's own protection, which 3.11 has from 3.11.4 on; ours does not rely on it."""


def _check_place(member: tarfile.TarInfo, destroot: str) -> None:
    """Raise :class:`TransferRefused` if a member, or what it links to, lies outside of the destination."""
    if os.path.isabs(member.name) or not _inside(destroot, member.name):
        raise TransferRefused(f"the archive is not safe: {member.name!r} would be put outside the destination")
    if not (member.issym() or member.islnk()):
        return
    beside = os.path.dirname(member.name) if member.issym() else ""
    if member.islnk() and os.path.islink(os.path.join(destroot, member.linkname)):
        raise TransferRefused(_ANOTHER_NAME.format(member.name))
    if os.path.isabs(member.linkname) or not _inside(destroot, beside, member.linkname):
        raise TransferRefused(f"the archive is not safe: the link {member.name!r} leads outside the destination")


def _inside(root: str, *parts: str) -> bool:
    real = os.path.realpath(root)
    return os.path.commonpath([real, os.path.realpath(os.path.join(real, *parts))]) == real


def _make_harmless(member: tarfile.TarInfo) -> None:
    """Files become ours, are not writable for others, have no set-user-id bits and a time that there is.

    In what a link leads to, ``..`` is left only at the beginning.  There it means the directory in which the link lies;
    after the name of another link it would mean something else whenever that one is replaced.
    """
    if member.issym() and member.linkname:
        member.linkname = posixpath.normpath(member.linkname)
    if hasattr(os, "getuid"):
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    if member.isfile():
        member.mode = member.mode & 0o755 | 0o600
    elif member.isdir():
        member.mode = member.mode & 0o755 | 0o700
    if not 0 <= member.mtime < 2**33:  # NaN, too
        member.mtime = 0
