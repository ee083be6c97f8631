"""Short cuts to the commands that every worker knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.process.command import RemoteCommand
from buildmaster.process.step_errors import BuildStepFailed


class CommandMixin:
    """For steps that work with files of the worker.

    Paths are relative to the builder's directory there.  ``log`` is the log for the command's messages, by default
    ``stdio``, which is made if there is none; with ``abandonOnFailure`` a failure raises BuildStepFailed.
    """

    @deferred
    async def runRemoteCommand(
        self,
        cmd: str,
        args: dict[str, Any],
        log: Any = None,
        abandonOnFailure: bool = False,
        evaluateCommand: Callable[[Any], Any] = lambda cmd: not cmd.didFail(),
    ) -> Any:
        """Run a worker command; gives what ``evaluateCommand(command)`` says, by default whether it went well."""
        command = RemoteCommand(cmd, args)
        step: Any = self
        if log is None:
            log = step.step_logs.by_name.get("stdio") or await maybe(step.addLog, "stdio")
        command.useLog(log, False, "stdio")
        await step.runCommand(command)
        if abandonOnFailure and command.didFail():
            raise BuildStepFailed()
        return evaluateCommand(command)

    def runRmdir(self, dir: str, log: Any = None, abandonOnFailure: bool = True, **kwargs: Any) -> Any:
        """Remove a directory; a Deferred of whether it went well."""
        return self.runRemoteCommand("rmdir", {"dir": dir, "logEnviron": False, **kwargs}, log, abandonOnFailure)

    def runMkdir(self, dir: str, log: Any = None, abandonOnFailure: bool = True, **kwargs: Any) -> Any:
        """Make a directory, with those above it; a Deferred of whether it went well."""
        return self.runRemoteCommand("mkdir", {"dir": dir, "logEnviron": False, **kwargs}, log, abandonOnFailure)

    def pathExists(self, path: str) -> Any:
        """A Deferred of whether there is a file or directory of this name."""
        return self.runRemoteCommand("stat", {"file": path, "logEnviron": False})

    def runGlob(self, path: str) -> Any:
        """A Deferred of the list of paths that match a pattern."""
        return self.runRemoteCommand(
            "glob", {"path": path, "logEnviron": False}, evaluateCommand=lambda command: command.updates["files"][-1]
        )
