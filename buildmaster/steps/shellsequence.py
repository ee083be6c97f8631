"""A step that runs several commands on the worker, one after the other, each with a log and a judgement of its own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from twisted.python import log
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.results import (
    CANCELLED,
    EXCEPTION,
    SKIPPED,
    SUCCESS,
    ResultComputingConfigMixin,
    computeResultAndTermination,
)
from buildmaster.process.buildstep import BuildStep, ShellMixin


@implementer(IRenderable)
class ShellArg(ResultComputingConfigMixin):
    """One command of a :class:`ShellSequence`.

    ``command`` is a text or a list; ``logname`` names its log (default: the sequence's ``stdio``).  ``haltOnFailure``,
    ``flunkOnFailure``, ``flunkOnWarnings``, ``warnOnFailure`` and ``warnOnWarnings`` say what its result means for the
    sequence, as those of a step do for the build.  All may be renderables.
    """

    publicAttributes = [*ResultComputingConfigMixin.resultConfig, "command", "logname"]

    def __init__(self, command: Any = None, logname: Any = None, **kwargs: Any) -> None:
        if not _is_command(command):
            error(f"{command!r} is an invalid command, it must be a string or a list")
        if "logfile" in kwargs:  # its name in releases before 3.0
            warnings.warn("ShellArg: logfile is called logname", DeprecationWarning, stacklevel=2)
            logname = kwargs.pop("logfile")
        self.command = command
        self.logname = logname
        for name, value in kwargs.items():
            if name not in self.resultConfig:
                error(f"ShellArg has no argument {name!r}; besides command and logname: {', '.join(self.resultConfig)}")
            else:
                setattr(self, name, value)

    def validateAttributes(self) -> None:
        """Report what is wrong with the command, rendered or not."""
        if not _is_command(self.command):
            error(f"{self.command!r} is an invalid command, it must be a string or a list")

    @deferred
    async def getRenderingFor(self, build: Any) -> ShellArg:
        """A copy with everything rendered."""
        values = {name: await maybe(build.render, getattr(self, name)) for name in self.publicAttributes}
        rendered = ShellArg(values.pop("command"), values.pop("logname"))
        for name, value in values.items():
            setattr(rendered, name, value)
        return rendered


def _is_command(command: Any) -> bool:
    return isinstance(command, str | list | tuple) or IRenderable.providedBy(command)


class ShellSequence(ShellMixin, BuildStep):
    """Runs ``commands``, a list of :class:`ShellArg` or a renderable of one.

    They share workdir, environment and the other parameters of a ShellCommand.  The result is made of theirs by their
    flags; one that halts keeps those after it from running.
    """

    last_command: Any = None
    renderables = ["commands"]

    def __init__(self, commands: Any = None, **kwargs: Any) -> None:
        self.commands = commands
        kwargs = self.setupShellMixin(kwargs, prohibitArgs=["command"])
        super().__init__(**kwargs)

    def shouldRunTheCommand(self, oneCmd: Any) -> bool:
        """Whether a rendered command is to be run; empty ones are not."""
        return bool(oneCmd)

    def getFinalState(self) -> Any:
        """The text that describes the step at its end; None for the usual one, of the last command."""
        return self.descriptionDone

    @deferred
    async def runShellSequence(self, commands: Sequence[ShellArg] | None) -> int:
        """Run these commands; a Deferred of the sequence's result."""
        if commands is None:
            log.msg("ShellSequence: commands is None, it must be a list of ShellArg")
            return EXCEPTION
        overall, terminate = SUCCESS, False
        for argument in commands:
            if not isinstance(argument, ShellArg):
                log.msg(f"ShellSequence: {argument!r} is not a ShellArg")
                return EXCEPTION
            try:
                argument.validateAttributes()
            except Exception as e:  # policy: stop; the command cannot be run
                log.msg(f"ShellSequence: {e}")
                return EXCEPTION
            self.command = argument.command
            if not await maybe(self.shouldRunTheCommand, argument.command):
                result = SKIPPED
            else:
                result = await self._run_one(argument)
            overall, terminate = computeResultAndTermination(argument, result, overall)
            if self.stopped:
                return CANCELLED
            if terminate:
                break
        return overall

    async def _run_one(self, argument: ShellArg) -> int:
        self.last_command = argument.command
        command = await self.makeRemoteShellCommand(command=argument.command, stdioLogName=_log_name(argument.logname))
        self.updateSummary()
        await self.runCommand(command)
        return command.results()

    @deferred
    async def run(self) -> int:
        return await self.runShellSequence(self.commands)

    def getResultSummary(self) -> dict[str, str]:
        """The usual summary, of the last command that ran; or what :meth:`getFinalState` says."""
        final = self.getFinalState()
        if final is not None:
            self.descriptionDone = final
        if self.last_command is not None:
            self.command = self.last_command
        return super().getResultSummary()


def _log_name(name: str | None) -> str:
    """Names that do not start with ``stdio`` get it as a prefix, so that all are told apart from other logs."""
    if name is None:
        return "stdio"
    return name if name.startswith("stdio") else f"stdio {name}"
