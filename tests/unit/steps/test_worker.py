"""Steps that work on the worker's files."""

from __future__ import annotations

import stat

import pytest

from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS
from buildmaster.process.buildstep import BuildStep
from buildmaster.steps import worker
from tests.support.one_step import run_steps


def stat_of(mode):
    async def script(command):
        if mode is None:
            command.rc(2)
        else:
            command.send(stat=(mode, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            command.rc(0)

    return script


@pytest.mark.parametrize(
    ("mode", "results", "text"),
    [
        (stat.S_IFREG, SUCCESS, "File found."),
        (stat.S_IFDIR, FAILURE, "Not a file. (failure)"),
        (None, FAILURE, "File not found. (failure)"),
    ],
)
def test_a_file_is_there_or_not(tmp_path, mode, results, text):
    done = run_steps(tmp_path, worker.FileExists(file="build/x"), script=stat_of(mode))
    assert (done.results, done.text, done.commands) == (results, text, [("stat", {"file": "build/x"})])


def failing(rc):
    async def script(command):
        command.rc(rc)

    return script


@pytest.mark.parametrize(
    ("step", "command", "args", "words", "failed"),
    [
        (worker.MakeDirectory(dir="d"), "mkdir", {"dir": "d"}, "Created", "Create failed. (failure)"),
        (worker.RemoveDirectory(dir="d"), "rmdir", {"dir": "d"}, "Deleted", "Delete failed. (failure)"),
        (
            worker.CopyDirectory(src="s", dest="d", maxTime=9),
            "cpdir",
            {"fromdir": "s", "todir": "d", "timeout": 120, "maxTime": 9},
            "Copied",
            "Copy failed. (failure)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BuildStep) else "",
)
def test_directories_are_made_removed_and_copied(tmp_path, step, command, args, words, failed):
    done = run_steps(tmp_path / "a", step, script=failing(0))
    assert (done.results, done.text, done.commands) == (SUCCESS, words, [(command, args)])
    done = run_steps(tmp_path / "b", step, script=failing(1))
    assert (done.results, done.text) == (FAILURE, failed)


def test_variables_of_the_worker_become_properties(tmp_path):
    step = worker.SetPropertiesFromEnv(variables=["PATH", "missing"])
    done = run_steps(tmp_path, step, info={"environ": {"PATH": "/bin", "other": "x"}})
    assert done.properties["PATH"] == ("/bin", "WorkerEnvironment")
    assert "missing" not in done.properties
    assert done.logs["properties"] == "PATH = '/bin'\n"


def test_on_windows_the_case_of_names_does_not_matter(tmp_path):
    step = worker.SetPropertiesFromEnv(variables="Tmp")
    done = run_steps(tmp_path, step, info={"environ": {"TMP": "c:"}, "system": "win32"})
    assert done.property("Tmp") == "c:"


def test_a_worker_that_lacks_the_command_is_too_old(tmp_path):
    done = run_steps(tmp_path, worker.FileExists(file="x"), info={"worker_commands": {"shell": "3.3"}})
    assert done.results == EXCEPTION
    assert "does not know the command 'stat'" in done.logs["err.text"]


class Composite(BuildStep, worker.CompositeStepMixin):
    """Runs a function of the step."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    async def run(self):
        await self.addLogForRemoteCommands("stdio")
        self.setProperty("answer", await self.function(self), "test")
        return SUCCESS


async def answers(command):
    kind = command.name
    if kind == "glob":
        command.send(files=["a", "b"])
    elif kind == "uploadFile":
        await command.write("é".encode())
        await command.call("remote_close")
    elif kind == "downloadFile":
        command.out((await command.read(100)).decode())
    command.rc(1 if command.args.get("file") == "missing" else 0)


@pytest.mark.parametrize(
    ("call", "answer", "command"),
    [
        (lambda s: s.pathExists("x"), True, "stat"),
        (lambda s: s.pathExists("missing"), False, "stat"),
        (lambda s: s.runGlob("*"), ["a", "b"], "glob"),
        (lambda s: s.runMkdir("d"), False, "mkdir"),
        (lambda s: s.runRmdir("d"), False, "rmdir"),
        (lambda s: s.runRmFile("f"), False, "rmfile"),
        (lambda s: s.getFileContentFromWorker("f"), "é", "uploadFile"),
        (lambda s: s.downloadFileContentToWorker("f", "text"), False, "downloadFile"),
    ],
)
def test_helpers_for_steps_that_run_several_commands(tmp_path, call, answer, command):
    done = run_steps(tmp_path, Composite(call), script=answers)
    assert (done.property("answer"), done.results, [name for name, _ in done.commands]) == (answer, SUCCESS, [command])


def test_a_failed_command_can_abandon_the_step(tmp_path):
    done = run_steps(tmp_path, Composite(lambda s: s.runMkdir("d")), script=failing(1))
    assert (done.results, "answer" in done.properties) == (FAILURE, False)
