"""Whatever a worker calls things: nothing on the master is read or written by a name of its choice."""

from __future__ import annotations

import io
import math
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.steps.shell import ShellCommand
from buildmaster.steps.transfer import DirectoryUpload, FileDownload, FileUpload, MultipleFileUpload
from buildmaster.steps.worker import SetPropertiesFromEnv
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker, succeed
from buildmaster.worker.base import Worker
from tests.support.http import Client

NASTY = [
    "../../evil",
    "/etc/evil",
    "..",
    ".",
    "a/../../evil",
    "evil\0.txt",
    "C:\\evil",
    "..\\evil",
    'evil\n"; x',
    "~/evil",
    "",
]
GOES_ON: dict[str, Any] = {"haltOnFailure": False, "flunkOnFailure": False, "alwaysRun": True}


class Place:
    """A master in ``directory/deep/master``, with a file that is nobody's business above it."""

    def __init__(self, directory: Path, steps: Sequence[Any], script: Any, info: dict[str, Any] | None = None) -> None:
        self.directory = directory
        (directory / "private").write_text("nobody's business")
        (directory / "deep/master").mkdir(parents=True)
        self.kit = MemoryMaster(directory / "deep/master", lambda: self.config(steps)).start()
        before = self.tree()
        worker = ScriptedWorker(self.kit.master, "w", script, info)
        self.kit.wait_for(worker.connect())
        builderid = self.kit.get("builders", "b")["builderid"]
        add = self.kit.master.data.updates.addBuildset
        self.kit.call(add, waited_for=False, builderids=[builderid], sourcestamps=[{"codebase": ""}], reason="test")
        self.kit.advance(60)
        self.steps = [step for step in self.kit.get("builds", 1, "steps") if step["name"] != "worker_preparation"]
        self.results = [step["results"] for step in self.steps]
        self.new = sorted(self.tree() - before)

    def config(self, steps: Sequence[Any]) -> dict[str, Any]:
        return {
            "buildbotURL": "http://ci.example:8010/",
            "workers": [Worker("w", "pw")],
            "protocols": {"pb": {"port": 9989}},
            "www": {"port": 8010},
            "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory(list(steps)))],
            "schedulers": [Triggerable(name="t", builderNames=["b"])],
        }

    def tree(self) -> set[str]:
        files = {str(path.relative_to(self.directory)) for path in self.directory.rglob("*")}
        return {name for name in files if "state.sqlite" not in name and "buildmaster.lock" not in name}

    def outside(self, allowed: str) -> list[str]:
        """What is new and does not lie there."""
        return [path for path in self.new if path != allowed and not path.startswith(f"{allowed}/")]


def test_log_files_that_were_not_asked_for_are_dropped(tmp_path: Path):
    async def script(command: Command) -> None:
        for name in NASTY:
            command.log(name, "evil\n")
        command.log("trace", "good\n")
        command.rc(0)

    place = Place(tmp_path, [ShellCommand(command="x", logfiles={"trace": "t"})], script)
    assert (place.results, place.new) == ([SUCCESS], [])
    logs = place.kit.get("steps", place.steps[0]["stepid"], "logs")
    assert [log["name"] for log in logs] == ["stdio", "trace"]
    place.kit.stop()


class NamedByTheWorker(ShellCommand):
    """Calls its logs as the worker says."""

    async def run(self) -> int:
        for name in NASTY:
            await self.addCompleteLog(name or "log", "text\n")
            await self.addHTMLLog(f"{name} html", "<b>text</b>\n")
        return SUCCESS


def test_logs_may_have_any_name_and_can_be_loaded_down(tmp_path: Path):
    place = Place(tmp_path, [NamedByTheWorker(command="x")], succeed)
    assert (place.results, place.new) == ([SUCCESS], [])
    logs = place.kit.get("steps", place.steps[0]["stepid"], "logs")
    answers = [Client(place.kit).get(f"/api/v2/logs/{log['logid']}/raw") for log in logs]
    assert [answer.text for answer in answers] == ["text\n", "<b>text</b>\n"] * len(NASTY)
    names = {str(answer.header("content-disposition")).partition("filename=")[2].strip('"') for answer in answers}
    assert len(answers) == 2 * len(NASTY)
    assert [name for name in names if not name or set(name) & set('/\\":;\n\0')] == []
    place.kit.stop()


def test_an_archive_is_unpacked_nowhere_but_in_its_directory(tmp_path: Path):
    async def script(command: Command) -> None:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(tarfile.TarInfo(command.args["workersrc"]))
        await command.write(data.getvalue())
        await command.call("remote_unpack")
        command.rc(0)

    steps = [DirectoryUpload(workersrc=name or "/", masterdest="up", **GOES_ON) for name in NASTY]
    place = Place(tmp_path, steps, script)
    assert set(place.results) == {SUCCESS, FAILURE} and len(place.results) == len(NASTY)
    assert place.outside("deep/master/up") == []
    place.kit.stop()


def test_files_that_a_pattern_finds_stay_below_their_directory(tmp_path: Path):
    left = list(NASTY)

    async def script(command: Command) -> None:
        if command.name == "glob":
            command.send(files=[f"build/{left.pop()}"])
        elif command.name == "stat":
            command.send(stat=(0o100644, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        elif command.name == "uploadFile":
            await command.write(b"evil")
            await command.call("remote_close")
        command.rc(0)

    place = Place(tmp_path, [MultipleFileUpload(["*"], "up", glob=True, **GOES_ON) for _ in NASTY], script)
    assert set(place.results) == {SUCCESS, FAILURE} and left == []
    assert place.outside("deep/master/up") == []
    place.kit.stop()


CALLS = [
    ("remote_unpack", ()),
    ("remote_utime", ((math.nan, 0.0),)),
    ("remote_utime", ((1e300, 1e300),)),
    ("remote_read", (10,)),
    ("__init__", ("/etc/evil", None, None)),
    ("destfile", ()),
]


def test_a_file_is_where_the_configuration_says_whatever_is_called(tmp_path: Path):
    left = list(CALLS)

    async def script(command: Command) -> None:
        method, args = left.pop()
        await command.write(b"data")
        try:
            await command.call(method, *args)
        except Exception as refused:
            command.err(f"{refused}\n")
        await command.call("remote_close")
        command.rc(0)

    place = Place(tmp_path, [FileUpload("../../private", "up/copy", **GOES_ON) for _ in CALLS], script)
    assert set(place.results) <= {SUCCESS, FAILURE, EXCEPTION} and left == []
    assert set(place.new) <= {"deep/master/up", "deep/master/up/copy"}
    assert not os.path.exists("/etc/evil")
    place.kit.stop()


def test_a_download_reads_the_file_of_the_configuration_only(tmp_path: Path):
    got: list[bytes] = []

    async def script(command: Command) -> None:
        command.args["workerdest"] = "/etc/passwd"
        got.extend([await command.read(10**9), await command.read(10**9)])
        command.rc(0)

    (tmp_path / "good").write_text("good")
    place = Place(tmp_path, [FileDownload(mastersrc="../../good", workerdest="x")], script)
    assert (place.results, place.new, got) == ([SUCCESS], [], [b"good", b""])
    place.kit.stop()


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_what_a_worker_tells_of_itself_names_nothing(tmp_path: Path, system: str):
    info = {
        "basedir": "../../evil",
        "admin": "/etc/evil",
        "host": "~/evil",
        "system": system,
        "version": "4.3.0",
        "environ": {"HOME": "/etc/evil", "../../evil": "x"},
        "worker_commands": {"shell": "3.3"},
    }
    place = Place(tmp_path, [SetPropertiesFromEnv(variables=["HOME"])], succeed, info)
    assert (place.results, place.new) == ([SUCCESS], [])
    place.kit.stop()
