"""What workers write to and read from."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from buildmaster.process.remotetransfer import (
    MAX_READ,
    ArchiveLimits,
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


def unpacked(tmp_path, data, compress=None, **limits):
    writer = DirectoryWriter(str(tmp_path / "out"), None, compress, None, limits=ArchiveLimits(**limits))
    writer.write(data)
    writer.unpack()


def test_an_archive_of_too_many_files_is_refused(tmp_path):
    files = archive(*((entry(str(n)), b"") for n in range(3)))
    with pytest.raises(TransferRefused, match="too large: it has more than 2 entries"):
        unpacked(tmp_path, files, entries=2)
    assert os.listdir(tmp_path / "out") == []
    unpacked(tmp_path, files, entries=3)
    assert sorted(os.listdir(tmp_path / "out")) == ["0", "1", "2"]


@pytest.mark.parametrize("compress", ["gz", "bz2"])
def test_an_archive_that_grows_beyond_all_measure_is_refused(tmp_path, compress):
    """Six megabytes of nothing in some bytes: refused before they are unpacked to anywhere."""
    bomb = archive((entry("zeros"), bytes(6_000_000)), compress=compress)
    with pytest.raises(TransferRefused, match=f"its {len(bomb)} bytes unpack to more than 1000000"):
        unpacked(tmp_path, bomb, compress, ratio=2, free=1_000_000)
    with pytest.raises(TransferRefused, match=f"its {len(bomb)} bytes unpack to more than 5999999"):
        unpacked(tmp_path, bomb, compress, size=5_999_999)
    assert os.listdir(tmp_path / "out") == []
    unpacked(tmp_path, bomb, compress, size=6_000_000)
    assert (tmp_path / "out/zeros").stat().st_size == 6_000_000


def lie(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header that promises more than there is."""
    info = entry("lie", kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def deep(levels: int) -> bytes:
    """A long name for a long name for a long name …"""
    head = entry("x", tarfile.GNUTYPE_LONGNAME)
    head.size = 1
    return (head.tobuf() + b"x".ljust(512, b"\0")) * levels + entry("end").tobuf() + bytes(1024)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(lie(10**15), "too large: its", id="size"),
        pytest.param(lie(10**9, tarfile.GNUTYPE_LONGNAME), "attributes of an entry are too large", id="long-name"),
        pytest.param(lie(10**9, tarfile.XHDTYPE), "attributes of an entry are too large", id="attributes"),
        pytest.param(lie(-512), "with the size -512", id="negative"),
        pytest.param(lie(-512, tarfile.XHDTYPE), "attributes of an entry are too large", id="negative-attributes"),
        pytest.param(deep(900), "cannot be unpacked: maximum recursion", id="deep"),
        pytest.param(archive((entry("x" * 300), b"")), "cannot be unpacked: .*File name too long", id="name-too-long"),
        pytest.param(
            archive((entry("a"), b""), (entry("a/b"), b"")),
            "cannot be unpacked: .*[Nn]ot a directory|exists",
            id="in-file",
        ),
        pytest.param(archive((entry("a"), b"xyz"))[:700], "cannot be unpacked: unexpected end of data", id="cut-off"),
        pytest.param(entry("s", tarfile.GNUTYPE_SPARSE).tobuf() + bytes(1024), "neither file, directory", id="sparse"),
    ],
)
def test_an_archive_made_to_do_harm_is_refused_with_a_reason(tmp_path, data, words):
    with pytest.raises(TransferRefused, match=words):
        unpacked(tmp_path, data)
    assert os.listdir(tmp_path) == ["out"]


def test_an_archive_can_not_lead_out_by_links_that_it_brings_or_finds(tmp_path):
    out = tmp_path / "out"
    (out / "in").mkdir(parents=True)
    os.symlink(tmp_path, out / "found")
    for bad in (
        [entry("found/x")],
        [entry("found/x", tarfile.LNKTYPE, "in")],
        [entry("l", tarfile.SYMTYPE, "found/y")],
    ):
        with pytest.raises(TransferRefused, match="not safe"):
            unpacked(tmp_path, archive(*((one, b"") for one in bad)))
    chain = [entry("in/up", tarfile.SYMTYPE, ".."), entry("in/up/up", tarfile.SYMTYPE, "../.."), entry("up/x")]
    with pytest.raises(TransferRefused, match="not safe"):
        unpacked(tmp_path, archive(*((one, b"") for one in chain)))
    assert sorted(os.listdir(tmp_path)) == ["out"]


def test_a_link_is_not_given_another_place_by_another_name(tmp_path):
    """Relative to its new place it would lead elsewhere."""
    members = [
        entry("a/b", tarfile.DIRTYPE),
        entry("a/b/up", tarfile.SYMTYPE, "../.."),
        entry("up", tarfile.LNKTYPE, "a/b/up"),
    ]
    with pytest.raises(TransferRefused, match="not safe: 'up' is another name of a symbolic link"):
        unpacked(tmp_path, archive(*((one, b"") for one in members)))
    assert os.listdir(tmp_path / "out") == []
    unpacked(tmp_path, archive(*((one, b"") for one in members[:2])))
    with pytest.raises(TransferRefused, match="not safe: 'up' is another name of a symbolic link"):
        unpacked(tmp_path, archive((members[2], b"")))


def test_a_link_means_the_same_whatever_becomes_of_others(tmp_path):
    members = [
        entry("a/b", tarfile.DIRTYPE),
        entry("deep", tarfile.SYMTYPE, "a/b"),
        entry("l", tarfile.SYMTYPE, "deep/../x"),
    ]
    unpacked(tmp_path, archive(*((one, b"") for one in members)))
    assert os.readlink(tmp_path / "out/l") == "x"


def test_what_is_unpacked_has_no_special_rights_and_a_time_that_there_is(tmp_path):
    strange = entry("run", mode=0o6777)
    strange.mtime, strange.uid, strange.uname = 2**40, 1, "daemon"
    unpacked(tmp_path, archive((strange, b"")))
    found = (tmp_path / "out/run").stat()
    assert (found.st_mode & 0o7777, found.st_mtime, found.st_uid) == (0o755, 0, os.getuid())


def test_what_is_no_archive_is_refused(tmp_path):
    writer = DirectoryWriter(str(tmp_path / "out"), None, "gz", None)
    writer.write(b"rubbish")
    with pytest.raises(TransferRefused, match="cannot be unpacked"):
        writer.unpack()


def test_a_reader_gives_no_more_than_its_limit_at_once(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"x" * (MAX_READ + 10))
    reader = FileReader(path.open("rb"))
    assert [len(reader.remote_read(10**9)) for _ in range(3)] == [MAX_READ, 10, 0]
    reader.remote_close()
    assert reader.remote_read(5) == b""


def test_a_text_is_sent_as_utf8():
    assert StringFileReader("é").read(10) == "é".encode()
