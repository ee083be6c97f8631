"""Steps and helpers that work on the worker's file system."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.process import remotecommand, remotetransfer
from buildmaster.process.buildstep import BuildStep, BuildStepFailed


class WorkerBuildStep(BuildStep):
    """A step that needs a worker."""


class SetPropertiesFromEnv(WorkerBuildStep):
    """Set build properties from environment variables of the worker, as it told them when it connected.

    ``variables`` is a name or a list of names; ``source`` is the properties' source.  On Windows names are looked up
    without regard to case; the property has the name as given here.  Variables that are not set are passed over.
    """

    name = "SetPropertiesFromEnv"
    description = ["Setting"]
    descriptionDone = ["Set"]

    def __init__(self, variables: str | Sequence[str], source: str = "WorkerEnvironment", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.variables = variables
        self.source = source

    @deferred
    async def run(self) -> int:
        assert self.worker is not None
        environ = self.worker.worker_environ or {}
        ignore_case = self.worker.worker_system == "win32"
        if ignore_case:
            environ = {name.upper(): value for name, value in environ.items()}
        variables = [self.variables] if isinstance(self.variables, str) else self.variables
        lines = []
        for variable in variables:
            value = environ.get(variable.upper() if ignore_case else variable)
            if value is None:
                continue
            self.setProperty(variable, value, self.source)
            lines.append(f"{variable} = {value!r}")
        await self.addCompleteLog("properties", "\n".join(lines))
        return SUCCESS


class FileExists(WorkerBuildStep):
    """Succeeds if ``file`` is a regular file on the worker.

    The path is relative to the builder's directory on the worker.
    """

    name = "FileExists"
    renderables = ["file"]
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, file: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = file

    @deferred
    async def run(self) -> int:
        self.checkWorkerHasCommand("stat")
        command = remotecommand.RemoteCommand("stat", {"file": self.file})
        await self.runCommand(command)
        if command.didFail():
            self.descriptionDone = ["File not found."]
            return FAILURE
        if stat.S_ISREG(command.updates["stat"][-1][stat.ST_MODE]):
            self.descriptionDone = ["File found."]
            return SUCCESS
        self.descriptionDone = ["Not a file."]
        return FAILURE


class _OneCommandStep(WorkerBuildStep):
    """Runs one of the worker's own commands and succeeds if that does."""

    haltOnFailure = True
    flunkOnFailure = True
    command_name = ""
    failed_text = ""

    async def run_one(self, args: dict[str, Any]) -> int:
        """Run the command; FAILURE has a description of its own."""
        self.checkWorkerHasCommand(self.command_name)
        command = remotecommand.RemoteCommand(self.command_name, args)
        command.useLog(await self.addLog("stdio"))
        await self.runCommand(command)
        if command.didFail():
            self.descriptionDone = [self.failed_text]
            return FAILURE
        return SUCCESS


class CopyDirectory(_OneCommandStep):
    """Copy the directory ``src`` to ``dest``, both on the worker and relative to the builder's directory.

    It is killed after ``timeout`` seconds without output (None: never) and after ``maxTime`` seconds in all.
    """

    name = "CopyDirectory"
    description = ["Copying"]
    descriptionDone = ["Copied"]
    renderables = ["src", "dest"]
    command_name, failed_text = "cpdir", "Copy failed."

    def __init__(
        self, src: Any, dest: Any, timeout: float | None = 120, maxTime: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.src = src
        self.dest = dest
        self.timeout = timeout
        self.maxTime = maxTime

    @deferred
    async def run(self) -> int:
        args: dict[str, Any] = {"fromdir": self.src, "todir": self.dest, "timeout": self.timeout}
        if self.maxTime:
            args["maxTime"] = self.maxTime
        return await self.run_one(args)


class RemoveDirectory(_OneCommandStep):
    """Remove ``dir``, with all that is in it; relative to the builder's directory on the worker."""

    name = "RemoveDirectory"
    description = ["Deleting"]
    descriptionDone = ["Deleted"]
    renderables = ["dir"]
    command_name, failed_text = "rmdir", "Delete failed."

    def __init__(self, dir: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dir = dir

    @deferred
    async def run(self) -> int:
        return await self.run_one({"dir": self.dir})


class MakeDirectory(_OneCommandStep):
    """Make ``dir``, and the directories it lies in; relative to the builder's directory on the worker."""

    name = "MakeDirectory"
    description = ["Creating"]
    descriptionDone = ["Created"]
    renderables = ["dir"]
    command_name, failed_text = "mkdir", "Create failed."

    def __init__(self, dir: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dir = dir

    @deferred
    async def run(self) -> int:
        return await self.run_one({"dir": self.dir})


class CompositeStepMixin:
    """For steps that run several of the worker's commands in turn.

    Call :meth:`addLogForRemoteCommands` first.  Paths are relative to the builder's directory on the worker.  With
    ``abandonOnFailure`` a command that fails raises BuildStepFailed, which ends the step as FAILURE.
    """

    rc_log: Any = None
    env: Any = {}
    logEnviron: Any = True

    @deferred
    async def addLogForRemoteCommands(self, logname: str) -> Any:
        """Add the log for all commands to come; a Deferred of it."""
        self.rc_log = await maybe(self.addLog, logname)  # type: ignore[attr-defined]
        return self.rc_log

    @deferred
    async def runRemoteCommand(
        self,
        cmd: str,
        args: dict[str, Any],
        abandonOnFailure: bool = True,
        evaluateCommand: Callable[[Any], Any] = lambda cmd: cmd.didFail(),
    ) -> Any:
        """Run one command; a Deferred of what ``evaluateCommand`` says of it: by default, whether it failed."""
        command = remotecommand.RemoteCommand(cmd, args)
        if self.rc_log is not None:
            command.useLog(self.rc_log, False)
        await self.runCommand(command)  # type: ignore[attr-defined]
        if command.didFail() and abandonOnFailure:
            raise BuildStepFailed()
        return evaluateCommand(command)

    def runRmdir(self, dir: str | list[str], timeout: float | None = None, **kwargs: Any) -> Any:
        """Remove a directory with all that is in it."""
        args: dict[str, Any] = {"dir": dir, "logEnviron": self.logEnviron}
        if timeout:
            args["timeout"] = timeout
        return self.runRemoteCommand("rmdir", args, **kwargs)

    def runRmFile(self, path: str, timeout: float | None = None, **kwargs: Any) -> Any:
        """Remove a file."""
        args: dict[str, Any] = {"path": path, "logEnviron": self.logEnviron}
        if timeout:
            args["timeout"] = timeout
        return self.runRemoteCommand("rmfile", args, **kwargs)

    @deferred
    async def pathExists(self, path: str) -> bool:
        """Whether there is anything of this path."""
        failed = await self.runRemoteCommand("stat", {"file": path, "logEnviron": self.logEnviron}, False)
        return not failed

    def runMkdir(self, _dir: str, **kwargs: Any) -> Any:
        """Make a directory, and those it lies in."""
        return self.runRemoteCommand("mkdir", {"dir": _dir, "logEnviron": self.logEnviron}, **kwargs)

    def runGlob(self, path: str, **kwargs: Any) -> Any:
        """The paths that match a pattern with wildcards; a Deferred of a list."""

        def matches(command: Any) -> list[str]:
            return command.updates["files"][-1] if not command.didFail() else []

        return self.runRemoteCommand(
            "glob", {"path": path, "logEnviron": self.logEnviron}, evaluateCommand=matches, **kwargs
        )

    @deferred
    async def getFileContentFromWorker(self, filename: str, abandonOnFailure: bool = False) -> str | None:
        """The text of a file in the step's workdir; None if it cannot be read."""
        self.checkWorkerHasCommand("uploadFile")  # type: ignore[attr-defined]
        writer = remotetransfer.StringFileWriter()
        args = {
            _source_key(self, "uploadFile"): filename,
            "workdir": self.workdir,  # type: ignore[attr-defined]
            "writer": writer,
            "maxsize": None,
            "blocksize": 32 * 1024,
        }

        def content(command: Any) -> str | None:
            return None if command.didFail() else writer.buffer

        return await self.runRemoteCommand("uploadFile", args, abandonOnFailure, content)

    @deferred
    async def downloadFileContentToWorker(
        self,
        workerdest: str,
        strfile: str | bytes,
        abandonOnFailure: bool = False,
        mode: int | None = None,
        workdir: str | None = None,
    ) -> Any:
        """Write a text to a file on the worker, in ``workdir`` or the step's; whether that failed."""
        self.checkWorkerHasCommand("downloadFile")  # type: ignore[attr-defined]
        args = {
            "workdir": self.workdir if workdir is None else workdir,  # type: ignore[attr-defined]
            "reader": remotetransfer.StringFileReader(strfile),
            "maxsize": None,
            "blocksize": 32 * 1024,
            "mode": mode,
            _destination_key(self): workerdest,
        }
        return await self.runRemoteCommand("downloadFile", args, abandonOnFailure)

    def workerPathToMasterPath(self, path: str) -> str:
        """A relative path of the worker's file system in the master's way of writing.

        Raises ValueError for a path that leads out of the directory in which it begins.
        """
        parts = re.split(r"[\\/]", path) if self.worker.path_module.sep == "\\" else path.split("/")  # type: ignore[attr-defined]
        joined = os.path.join(*parts)
        if os.pardir in parts or os.path.isabs(joined) or os.path.splitdrive(joined)[0]:
            raise ValueError(f"the worker's path {path!r} is not a path below a directory of the master")
        return joined


def _source_key(step: Any, command: str) -> str:
    """Workers before 2.0 (command version below 3.0) call the source of an upload ``slavesrc``."""
    return "slavesrc" if step.workerVersionIsOlderThan(command, "3.0") else "workersrc"


def _destination_key(step: Any) -> str:
    """Workers before 2.0 call the destination of a download ``slavedest``."""
    return "slavedest" if step.workerVersionIsOlderThan("downloadFile", "3.0") else "workerdest"
