"""Expectations of the commands that carry files between a worker and the master."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from typing import Any, Self

from buildmaster.base.aio import maybe
from buildmaster.testing.expect import Expect, given


class ExpectUploadFile(Expect):
    """``uploadFile``: from the worker to the master."""

    def __init__(
        self,
        blocksize: int | None = None,
        maxsize: int | None = None,
        workersrc: Any = None,
        workdir: Any = None,
        writer: Any = None,
        keepstamp: bool | None = None,
        slavesrc: Any = None,
        interrupted: bool = False,
    ) -> None:
        args = {"workdir": workdir, "writer": writer, "blocksize": blocksize, "maxsize": maxsize}
        args |= given({"workersrc": workersrc, "slavesrc": slavesrc, "keepstamp": keepstamp})
        super().__init__("uploadFile", args, interrupted)

    def upload_string(
        self,
        string: str | bytes,
        timestamp: tuple[float, float] | None = None,
        out_writers: list[Any] | None = None,
        error: BaseException | None = None,
    ) -> Self:
        """Then it sends this content, and the times of access and change; or it fails with ``error`` after that.

        The step's writer is appended to ``out_writers``.
        """
        return self._then("upload_string", string, timestamp, out_writers, error)

    async def _do_upload_string(
        self, command: Any, string: str | bytes, timestamp: Any, out_writers: list[Any] | None, error: Any
    ) -> None:
        if out_writers is not None:
            out_writers.append(command.remote.args["writer"])
        await command.write(string.encode() if isinstance(string, str) else string)
        if timestamp is not None:
            await command.call("remote_utime", timestamp)
        if error is not None:
            raise error
        await command.call("remote_close")


class ExpectUploadDirectory(Expect):
    """``uploadDirectory``: from the worker to the master."""

    def __init__(
        self,
        compress: str | None = None,
        blocksize: int | None = None,
        maxsize: int | None = None,
        workersrc: Any = None,
        workdir: Any = None,
        writer: Any = None,
        keepstamp: bool | None = None,
        slavesrc: Any = None,
        interrupted: bool = False,
    ) -> None:
        args: dict[str, Any] = {"compress": compress, "workdir": workdir, "writer": writer}
        args |= {"blocksize": blocksize, "maxsize": maxsize}
        args |= given({"workersrc": workersrc, "slavesrc": slavesrc, "keepstamp": keepstamp})
        super().__init__("uploadDirectory", args, interrupted)

    def upload_tar_file(
        self,
        filename: str,
        members: Mapping[str, str | bytes],
        error: BaseException | None = None,
        out_writers: list[Any] | None = None,
    ) -> Self:
        """Then it sends an archive of these files (name → content); or it fails with ``error`` after that.

        ``filename`` names the archive for messages.  The step's writer is appended to ``out_writers``.
        """
        return self._then("upload_tar", filename, members, error, out_writers)

    async def _do_upload_tar(
        self, command: Any, filename: str, members: Mapping[str, Any], error: Any, out_writers: list[Any] | None
    ) -> None:
        if out_writers is not None:
            out_writers.append(command.remote.args["writer"])
        await command.write(_archive(members, self.args.get("compress")))
        if error is not None:
            error.add_note(f"while the archive {filename} was sent")
            raise error
        await command.call("remote_unpack")


def _archive(members: Mapping[str, str | bytes], compress: str | None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compress or ''}") as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


class ExpectDownloadFile(Expect):
    """``downloadFile``: from the master to the worker."""

    def __init__(
        self,
        blocksize: int | None = None,
        maxsize: int | None = None,
        workerdest: Any = None,
        workdir: Any = None,
        reader: Any = None,
        mode: int | None = None,
        interrupted: bool = False,
        slavesrc: Any = None,
        slavedest: Any = None,
    ) -> None:
        args = {"workdir": workdir, "reader": reader, "mode": mode, "blocksize": blocksize, "maxsize": maxsize}
        args |= given({"workerdest": workerdest, "slavesrc": slavesrc, "slavedest": slavedest})
        super().__init__("downloadFile", args, interrupted)

    def download_string(
        self, dest_callable: Callable[[bytes], Any], size: int = 1000, timestamp: tuple[float, float] | None = None
    ) -> Self:
        """Then it asks for ``size`` bytes, with which ``dest_callable`` is called, and perhaps tells times."""
        return self._then("download_string", dest_callable, size, timestamp)

    async def _do_download_string(self, command: Any, dest: Callable[[bytes], Any], size: int, timestamp: Any) -> None:
        await maybe(dest, await command.read(size))
        await command.call("remote_close", target="reader")
        if timestamp is not None:
            await command.call("remote_utime", timestamp, target="reader")
