"""The master's end of a file transfer: what a worker writes to and reads from.

Plain objects; the protocols' adapters (``worker/protocols``) let a worker call ``write``, ``close``, ``utime``,
``unpack`` and ``read``.  A worker is not trusted: it never names a path on the master, sizes are counted here, and an
archive may not leave its directory.  A destination changes in one step, when its new contents are complete.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from typing import IO, Any

from twisted.python import log

from buildmaster.process import archives
from buildmaster.process.archives import ArchiveLimits, TransferRefused

MAX_READ = 1024 * 1024
"""Bytes that a worker gets by one ``read``, however many it asks for."""


class FileWriter:
    """Receives one file: written beside its destination, put in its place by :meth:`close`.

    ``maxsize`` is in bytes, None for any; ``mode`` is the destination's, None for what the umask gives.  Missing
    directories are made.
    """

    def __init__(self, destfile: str, maxsize: int | None, mode: int | None) -> None:
        self.destfile = os.path.abspath(destfile)
        self.mode = mode
        self.remaining = maxsize
        self._times: tuple[float, float] | None = None
        self._fp: IO[bytes] | None = None
        directory = os.path.dirname(self.destfile)
        os.makedirs(directory, exist_ok=True)
        fd, self.tmpname = tempfile.mkstemp(dir=directory, prefix=".transfer-")
        self._fp = os.fdopen(fd, "wb")

    def write(self, data: bytes) -> None:
        """Append; raises :class:`TransferRefused` beyond ``maxsize`` or after the end."""
        if self._fp is None:
            raise TransferRefused("write after the end of the transfer")
        data = data.encode() if isinstance(data, str) else data
        if self.remaining is not None:
            if len(data) > self.remaining:
                self._fp.write(data[: self.remaining])
                self.remaining = 0
                raise TransferRefused("more bytes than maxsize allows")
            self.remaining -= len(data)
        self._fp.write(data)

    def utime(self, accessed_modified: tuple[float, float]) -> None:
        """The times (epoch seconds: accessed, modified) that the destination is to have."""
        accessed, modified = accessed_modified
        self._times = (float(accessed), float(modified))
        if self._fp is None and os.path.exists(self.destfile):
            os.utime(self.destfile, self._times)

    def close(self) -> None:
        """All was written: the destination now has it."""
        if self._fp is None:
            return
        fp, self._fp = self._fp, None
        fp.close()
        os.chmod(self.tmpname, self.mode if self.mode is not None else 0o666 & ~_umask())
        if self._times is not None:
            os.utime(self.tmpname, self._times)
        os.replace(self.tmpname, self.destfile)

    def cancel(self) -> None:
        """Give up: the destination stays as it was.  Nothing happens after :meth:`close`."""
        self.purge()

    def purge(self) -> None:
        """Remove what is not in its place yet."""
        if self._fp is not None:
            self._fp.close()
            self._fp = None
        if os.path.exists(self.tmpname):
            os.unlink(self.tmpname)

    # the documented spellings
    def remote_write(self, data: bytes) -> None:
        return self.write(data)

    def remote_utime(self, accessed_modified: tuple[float, float]) -> None:
        return self.utime(accessed_modified)

    def remote_close(self) -> None:
        return self.close()


class DirectoryWriter(FileWriter):
    """Receives a tar archive and unpacks it into ``destroot``.

    ``compress`` is None, ``"gz"`` or ``"bz2"``; ``maxsize`` counts the bytes sent.  With ``in_thread(function)``, which
    returns a Deferred, the unpacking is done there.  ``limits`` are those of what is unpacked.
    """

    def __init__(
        self,
        destroot: str,
        maxsize: int | None,
        compress: str | None,
        mode: int | None,
        in_thread: Callable[[Callable[[], None]], Any] | None = None,
        limits: ArchiveLimits = ArchiveLimits(),
    ) -> None:
        self.limits = limits
        self.destroot = os.path.abspath(destroot)
        self.compress = compress
        self._in_thread = in_thread
        os.makedirs(self.destroot, exist_ok=True)
        directory = tempfile.mkdtemp(dir=os.path.dirname(self.destroot), prefix=".transfer-")
        super().__init__(os.path.join(directory, "archive.tar"), maxsize, mode)
        self.tarname = self.destfile

    def unpack(self) -> Any:
        """Unpack what was received; raises :class:`TransferRefused`, writing nothing, for an archive that is not
        safe.
        """
        self.close()
        return self._unpack() if self._in_thread is None else self._in_thread(self._unpack)

    def _unpack(self) -> None:
        try:
            self._apply_mode(archives.unpack(self.tarname, self.compress, self.destroot, self.limits))
        except TransferRefused as refused:
            raise TransferRefused(f"{refused}; it was cut off at maxsize") if self.remaining == 0 else refused from None
        finally:
            self.purge()

    def _apply_mode(self, members: list[tarfile.TarInfo]) -> None:
        if self.mode is None:
            return
        for member in members:
            if member.isfile():
                os.chmod(os.path.join(self.destroot, member.name), self.mode)

    def purge(self) -> None:
        super().purge()
        shutil.rmtree(os.path.dirname(self.tarname), ignore_errors=True)

    def remote_unpack(self) -> Any:
        return self.unpack()


class StringFileWriter:
    """Receives a file into memory; the text is in :attr:`buffer`.  ``maxsize`` is in bytes."""

    def __init__(self, maxsize: int | None = 64 * 1024 * 1024) -> None:
        self._parts: list[bytes] = []
        self._remaining = maxsize

    @property
    def content(self) -> bytes:
        """What was received so far."""
        return b"".join(self._parts)

    @property
    def buffer(self) -> str:
        """What was received so far, as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")

    def write(self, data: bytes | str) -> None:
        """Append; raises :class:`TransferRefused` beyond the limit."""
        data = data.encode() if isinstance(data, str) else data
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining < 0:
                raise TransferRefused("the file is too large to be read into memory")
        self._parts.append(data)

    def close(self) -> None:
        """The end of the file."""

    def remote_write(self, data: bytes | str) -> None:
        return self.write(data)

    def remote_close(self) -> None:
        return self.close()


class FileReader:
    """Sends an open binary file piece by piece; closes it at the end."""

    def __init__(self, fp: IO[bytes]) -> None:
        self.fp: IO[bytes] | None = fp

    def read(self, maxlength: int) -> bytes:
        """The next bytes, at most ``maxlength``; none at the end."""
        if self.fp is None:
            return b""
        return self.fp.read(max(0, min(int(maxlength), MAX_READ)))

    def close(self) -> None:
        """Close the file; may be called again."""
        if self.fp is not None:
            self.fp.close()
            self.fp = None

    def remote_read(self, maxlength: int) -> bytes:
        return self.read(maxlength)

    def remote_close(self) -> None:
        return self.close()


class StringFileReader(FileReader):
    """Sends a text (as UTF-8) or bytes."""

    def __init__(self, s: str | bytes) -> None:
        super().__init__(io.BytesIO(s.encode("utf-8") if isinstance(s, str) else s))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def discard(writer: Any) -> None:
    """Remove a writer's unfinished file; a failure to do so is logged, not raised."""
    try:
        writer.cancel()
    except OSError:
        log.err(None, "while removing the remains of a file transfer")
