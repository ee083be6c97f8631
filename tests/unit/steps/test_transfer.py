"""Files to the master and back."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import FAILURE, SKIPPED, SUCCESS
from buildmaster.process.remotetransfer import ArchiveLimits
from buildmaster.properties import Interpolate, Property
from buildmaster.steps import transfer
from tests.support.one_step import run_steps


def tar_of(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def worker_with(files, received=None):
    """A worker with these files (content) and directories (dictionaries)."""

    async def script(command):
        args = command.args
        path = args.get("workersrc") or args.get("file")
        name = os.path.basename(path) if path else None
        if command.name == "stat":
            found = files.get(name)
            if found is not None:
                mode = stat.S_IFDIR if isinstance(found, dict) else stat.S_IFREG
                command.send(stat=(mode, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            command.rc(1 if found is None else 0)
        elif command.name == "glob":
            command.send(files=[f"build/{name}" for name in files])
            command.rc(0)
        elif command.name == "uploadFile":
            if name not in files:
                command.err(f"Cannot open file {name!r} for upload")
                command.rc(1)
                return
            await command.write(files[name])
            await command.call("remote_close")
            if args["keepstamp"]:
                await command.call("remote_utime", (1000, 2000))
            command.rc(0)
        elif command.name == "uploadDirectory":
            await command.write(tar_of(**files[name]))
            await command.call("remote_unpack")
            command.rc(0)
        elif command.name == "downloadFile":
            data = b""
            while piece := await command.read(args["blocksize"]):
                data += piece
            received[args["workerdest"]] = (data, args["mode"])
            command.rc(0)

    return script


def test_a_file_is_uploaded(tmp_path):
    step = transfer.FileUpload(
        workersrc="out/a.txt", masterdest=Interpolate("up/%(prop:x)s.txt"), mode=0o640, keepstamp=True, url="http://u"
    )
    done = run_steps(tmp_path, step, script=worker_with({"a.txt": b"text"}), properties={"x": "b"})
    path = tmp_path / "up/b.txt"
    assert (done.results, done.text, done.urls) == (SUCCESS, "uploading a.txt", [("b.txt", "http://u")])
    assert path.read_bytes() == b"text"
    assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o640, 2000)
    ((name, args),) = done.commands
    args.pop("writer")
    assert (name, args) == (
        "uploadFile",
        {"workersrc": "out/a.txt", "workdir": "build", "maxsize": None, "blocksize": 262144, "keepstamp": True},
    )


def test_a_file_that_is_missing_leaves_the_old_copy(tmp_path):
    (tmp_path / "copy").write_text("old")
    done = run_steps(tmp_path, transfer.FileUpload(workersrc="x", masterdest="copy"), script=worker_with({}))
    assert (done.results, (tmp_path / "copy").read_text()) == (FAILURE, "old")
    assert [name for name in os.listdir(tmp_path) if name.startswith(".transfer")] == []


def test_a_worker_that_sends_more_than_maxsize_is_refused(tmp_path):
    step = transfer.FileUpload(workersrc="x", masterdest="copy", maxsize=3)
    done = run_steps(tmp_path, step, script=worker_with({"x": b"12345"}))
    assert done.results == FAILURE
    assert "emore bytes than maxsize allows\n" in done.logs["stdio"]
    assert not (tmp_path / "copy").exists()


def test_a_lost_worker_leaves_nothing_behind(tmp_path):
    async def script(command):
        await command.write(b"half")
        await command.stall()

    step = transfer.FileUpload(workersrc="x", masterdest="copy")
    run_steps(tmp_path, step, script=script, meanwhile=lambda kit, worker: worker.drop())
    assert [name for name in os.listdir(tmp_path) if "copy" in name or name.startswith(".transfer")] == []


def test_a_directory_is_uploaded(tmp_path):
    step = transfer.DirectoryUpload(workersrc="docs", masterdest="site", url="http://u", urlText="Docs")
    done = run_steps(tmp_path, step, script=worker_with({"docs": {"a/b": b"1", "c": b"2"}}))
    assert (done.results, done.urls) == (SUCCESS, [("Docs", "http://u")])
    assert ((tmp_path / "site/a/b").read_text(), (tmp_path / "site/c").read_text()) == ("1", "2")


def test_a_directory_may_not_leave_its_place(tmp_path):
    step = transfer.DirectoryUpload(workersrc="docs", masterdest="site")
    done = run_steps(tmp_path, step, script=worker_with({"docs": {"../../evil": b"1"}}))
    assert done.results == FAILURE
    assert done.logs["stdio"].startswith("ethe archive names '../../evil', which is outside of its directory\n")
    assert os.listdir(tmp_path / "site") == []


def test_files_and_directories_are_uploaded_together(tmp_path):
    step = transfer.MultipleFileUpload(workersrcs=["a", "d"], masterdest="up", url="http://u")
    done = run_steps(tmp_path, step, script=worker_with({"a": b"1", "d": {"x": b"2"}}))
    assert (done.results, done.text, done.urls) == (SUCCESS, "uploading 2 files", [("up", "http://u")])
    assert ((tmp_path / "up/a").read_text(), (tmp_path / "up/d/x").read_text()) == ("1", "2")


def test_patterns_are_looked_up_on_the_worker(tmp_path):
    step = transfer.MultipleFileUpload(workersrcs="*", masterdest="up", glob=True)
    done = run_steps(tmp_path, step, script=worker_with({"b": b"1", "a": b"2"}))
    assert done.commands[0] == ("glob", {"path": "build/*", "logEnviron": False})
    assert sorted(os.listdir(tmp_path / "up")) == ["a", "b"]


def test_what_a_name_stands_for_is_asked_by_its_path_from_the_builders_directory(tmp_path):
    """Workers put the builder's directory, a workdir that they are given, and the path together."""
    step = transfer.MultipleFileUpload(workersrcs=["out/b"], masterdest="up")
    done = run_steps(tmp_path, step, script=worker_with({"b": b"1"}))
    assert done.commands[0] == ("stat", {"file": "build/out/b"})
    assert (tmp_path / "up" / "b").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["..", ".", "docs/..", "/etc/..", "", "a\0b"])
def test_no_name_that_a_worker_answers_leads_anywhere_else(tmp_path, name):
    """A worker that lies about what its directory holds, and sends an archive for whatever it said."""

    async def script(command):
        if command.name == "glob":
            command.send(files=[f"build/{name}"])
        elif command.name == "stat":
            command.send(stat=(stat.S_IFDIR, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        elif command.name == "uploadDirectory":
            await command.write(tar_of(evil=b"1"))
            await command.call("remote_unpack")
        command.rc(0)

    step = transfer.MultipleFileUpload(workersrcs="*", masterdest="deep/up", glob=True)
    done = run_steps(tmp_path, step, script=script)
    assert (done.results, [p.name for p in tmp_path.rglob("evil*")]) == (FAILURE, [])
    assert "does not end with the name of a file that the master can use" in done.logs["stdio"]


class SmallUpload(transfer.DirectoryUpload):
    """No more than two files."""

    archive_limits = ArchiveLimits(entries=2)


def test_the_limits_of_an_archive_are_the_steps(tmp_path):
    script = worker_with({"docs": {"a": b"1", "b": b"2", "c": b"3"}})
    done = run_steps(tmp_path, SmallUpload(workersrc="docs", masterdest="site"), script=script)
    assert done.results == FAILURE
    assert "the archive is too large: it has more than 2 entries" in done.logs["stdio"]


def test_no_file_is_no_failure(tmp_path):
    step = transfer.MultipleFileUpload(workersrcs=["*.x"], masterdest="up", glob=True)
    assert run_steps(tmp_path, step, script=worker_with({})).results == SKIPPED


def test_a_missing_one_of_several_is_a_failure(tmp_path):
    step = transfer.MultipleFileUpload(workersrcs=["a", "x"], masterdest="up")
    done = run_steps(tmp_path, step, script=worker_with({"a": b"1"}))
    assert done.results == FAILURE
    assert "File build/x not available at worker" in done.logs["stdio"]


def test_subclasses_add_links_of_their_own(tmp_path):
    class Linked(transfer.MultipleFileUpload):
        def uploadDone(self, result, source, masterdest):
            return self.addURL(source, f"{self.url}/{os.path.basename(masterdest)}")

        def allUploadsDone(self, result, sources, masterdest):
            return self.addURL("all", f"{len(sources)} {result}")

    step = Linked(workersrcs=["a", "b"], masterdest="up", url="http://u")
    done = run_steps(tmp_path, step, script=worker_with({"a": b"", "b": b""}))
    assert done.urls == [("a", "http://u/a"), ("b", "http://u/b"), ("all", "2 0")]


def test_a_file_is_downloaded_in_blocks(tmp_path):
    (tmp_path / "config.txt").write_bytes(b"0123456789")
    received = {}
    step = transfer.FileDownload(mastersrc="config.txt", workerdest="conf/c.txt", blocksize=4, mode=0o755)
    done = run_steps(tmp_path, step, script=worker_with({}, received))
    assert (done.results, done.text) == (SUCCESS, "downloading to c.txt")
    assert received == {"conf/c.txt": (b"0123456789", 0o755)}


def test_a_file_that_the_master_lacks_is_a_failure(tmp_path):
    done = run_steps(tmp_path, transfer.FileDownload(mastersrc="nothing", workerdest="x"))
    assert (done.results, done.commands) == (FAILURE, [])
    assert "not available at master: No such file or directory" in done.logs["stderr"]


def test_texts_are_downloaded(tmp_path):
    received = {}
    steps = (
        transfer.StringDownload(Interpolate("é %(prop:x)s"), workerdest="s"),
        transfer.JSONStringDownload({"k": Property("x"), "l": [1]}, workerdest="o"),
        transfer.JSONPropertiesDownload(workerdest="p"),
    )
    run_steps(tmp_path, *steps, script=worker_with({}, received), properties={"x": "v"})
    assert received["s"] == ("é v".encode(), None)
    assert json.loads(received["o"][0]) == {"k": "v", "l": [1]}
    told = json.loads(received["p"][0])
    assert (told["properties"]["x"], told["sourcestamps"][0]["revision"]) == ("v", "r1")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: transfer.FileUpload(workersrc="a"), "FileUpload: masterdest is required"),
        (lambda: transfer.FileUpload("a", "b", mode="755"), "FileUpload: mode must be an integer or None, not '755'"),
        (
            lambda: transfer.DirectoryUpload("a", "b", compress="zip"),
            "DirectoryUpload: compress must be one of None, 'gz' and 'bz2', not 'zip'",
        ),
        (lambda: transfer.FileDownload("a"), "FileDownload: workerdest is required"),
        (
            lambda: transfer.JSONStringDownload({}, "w", s="x"),
            "JSONStringDownload: must not be given s; give the object as o",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert caught.value.errors == [message]
