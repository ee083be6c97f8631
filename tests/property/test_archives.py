"""Archives of any names and links, one after the other: nothing outside of their directory is touched or linked to."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildmaster.process.archives import ArchiveLimits, TransferRefused, unpack

KINDS = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "soft": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}

parts = st.sampled_from(["a", "b", "c", "a", "b", "c", "..", "."])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
entries = st.tuples(st.sampled_from(sorted(KINDS)), paths, paths)
archives = st.lists(st.lists(entries, max_size=6), min_size=1, max_size=3)


def archive(members: list[tuple[str, str, str]]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for kind, name, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = KINDS[kind], target if kind in ("soft", "hard") else ""
            info.size = 4 if kind == "file" else 0
            tar.addfile(info, io.BytesIO(b"evil") if kind == "file" else None)
    return data.getvalue()


DEEP_THEN_SHALLOW = [
    ("dir", "a/b/c", ""),
    ("soft", "b", "a/b/c"),
    ("soft", "c", "b/../../.."),
]


@settings(max_examples=120, deadline=None)
@given(archives)
@example([[*DEEP_THEN_SHALLOW, ("soft", "b", "a")]])
@example([DEEP_THEN_SHALLOW, [("soft", "b", ".")]])
@example([[("dir", "a/b", ""), ("soft", "a/b/c", "../.."), ("hard", "c", "a/b/c")]])
@example([[("dir", "a/b", ""), ("soft", "a/b/c", "../../nothing")], [("hard", "c", "a/b/c")]])
@example([[("soft", "a", "b/.."), ("dir", "b", ""), ("file", "a/c", "")]])
def test_nothing_leads_out_of_the_directory(contents: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(os.path.realpath(directory))
        out = top / "x/y/out"
        out.mkdir(parents=True)
        (top / "victim").write_text("unharmed")
        for members in contents:
            (top / "archive").write_bytes(archive(members))
            try:
                unpack(str(top / "archive"), None, str(out), ArchiveLimits())
            except TransferRefused:
                pass
        assert sorted(path.name for path in [*top.iterdir(), *(top / "x").iterdir(), *(top / "x/y").iterdir()]) == [
            "archive",
            "out",
            "victim",
            "x",
            "y",
        ]
        assert (top / "victim").read_text() == "unharmed"
        links = [path for path in out.rglob("*") if path.is_symlink()]
        assert [path for path in links if not Path(os.path.realpath(path)).is_relative_to(out)] == []
