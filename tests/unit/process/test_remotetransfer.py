"""What workers write to and read from."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from buildmaster.process import remotetransfer
from buildmaster.process.remotetransfer import (
    DirectoryWriter,
    FileReader,
    FileWriter,
    StringFileReader,
    TransferRefused,
)


def test_a_file_is_at_its_place_only_when_it_is_complete(tmp_path):
    destination = tmp_path / "new" / "file"
    writer = FileWriter(str(destination), None, 0o640)
    writer.remote_write(b"abc")
    assert not destination.exists()
    writer.remote_write(b"def")
    writer.remote_close()
    assert destination.read_bytes() == b"abcdef"
    assert destination.stat().st_mode & 0o777 == 0o640
    assert os.listdir(destination.parent) == ["file"]


def test_a_cancelled_transfer_leaves_the_old_file(tmp_path):
    destination = tmp_path / "file"
    destination.write_text("old")
    writer = FileWriter(str(destination), None, None)
    writer.write(b"new")
    writer.cancel()
    assert destination.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_more_than_maxsize_is_refused(tmp_path):
    writer = FileWriter(str(tmp_path / "file"), 5, None)
    writer.write(b"1234")
    with pytest.raises(TransferRefused, match="maxsize"):
        writer.write(b"56")
    with pytest.raises(TransferRefused):
        writer.write(b"7")
    writer.close()
    assert (tmp_path / "file").read_bytes() == b"12345"


@pytest.mark.parametrize("before_close", [True, False])
def test_the_times_of_the_source_are_kept(tmp_path, before_close):
    writer = FileWriter(str(tmp_path / "file"), None, None)
    if before_close:
        writer.utime((100.0, 200.0))
    writer.close()
    if not before_close:
        writer.utime((100.0, 200.0))
    stat = (tmp_path / "file").stat()
    assert (stat.st_atime, stat.st_mtime) == (100.0, 200.0)


def archive(*members: tuple[tarfile.TarInfo, bytes], compress: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compress}") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


@pytest.mark.parametrize("compress", [None, "gz", "bz2"])
def test_an_archive_is_unpacked_with_empty_directories_and_modes(tmp_path, compress):
    data = archive(
        (entry("d", tarfile.DIRTYPE, mode=0o755), b""),
        (entry("d/run", mode=0o755), b"#!"),
        (entry("l", tarfile.SYMTYPE, "d/run"), b""),
        compress=compress or "",
    )
    writer = DirectoryWriter(str(tmp_path / "out"), None, compress, None)
    writer.write(data)
    writer.unpack()
    assert (tmp_path / "out/d/run").read_bytes() == b"#!"
    assert (tmp_path / "out/d/run").stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / "out/l") == "d/run"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "bad",
    [
        entry("/etc/passwd"),
        entry("../up"),
        entry("a/../../up"),
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("link", tarfile.SYMTYPE, "../../x"),
        entry("hard", tarfile.LNKTYPE, "../x"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.linkname}",
)
def test_an_archive_that_leads_out_is_refused_before_anything_is_written(tmp_path, bad):
    writer = DirectoryWriter(str(tmp_path / "out"), None, None, None)
    writer.write(archive((entry("good"), b"x"), (bad, b"")))
    with pytest.raises(TransferRefused):
        writer.unpack()
    assert os.listdir(tmp_path / "out") == []
    assert os.listdir(tmp_path) == ["out"]


def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(remotetransfer, "MAX_ENTRIES", 2)
    writer = DirectoryWriter(str(tmp_path / "out"), None, None, None)
    writer.write(archive(*((entry(str(n)), b"") for n in range(3))))
    with pytest.raises(TransferRefused, match="too large"):
        writer.unpack()


def test_what_is_no_archive_is_refused(tmp_path):
    writer = DirectoryWriter(str(tmp_path / "out"), None, "gz", None)
    writer.write(b"rubbish")
    with pytest.raises(TransferRefused, match="cannot be unpacked"):
        writer.unpack()


def test_a_reader_gives_no_more_than_its_limit_at_once(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"x" * (remotetransfer.MAX_READ + 10))
    reader = FileReader(path.open("rb"))
    assert [len(reader.remote_read(10**9)) for _ in range(3)] == [remotetransfer.MAX_READ, 10, 0]
    reader.remote_close()
    assert reader.remote_read(5) == b""


def test_a_text_is_sent_as_utf8():
    assert StringFileReader("é").read(10) == "é".encode()
