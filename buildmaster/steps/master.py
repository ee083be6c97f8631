"""Steps that work on the master: a command, properties, an assertion, a log."""

from __future__ import annotations

import os
import pprint
import re
from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.net.childprocess import ChildProcess
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.shell_command import arguments_of


class MasterShellCommand(BuildStep):
    """Runs a command on the master; exit code 0 is success.

    ``command`` is a list of arguments, or a text for the shell; lists in the list are taken apart.  ``env`` adds to
    the master's environment: ``${NAME}`` in a value stands for a variable of the master, a list is joined by the path
    separator, None removes the variable.  ``workdir`` is the directory to run in, seen from the master's own,
    ``usePTY`` gives it a terminal.
    When the step is stopped, the command gets ``interruptSignal``.
    """

    name = "MasterShellCommand"
    description = "Running"
    descriptionDone: Any = "Ran"
    descriptionSuffix = None
    renderables = ["command", "env"]
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, command: Any, **kwargs: Any) -> None:
        self.env = kwargs.pop("env", None)
        self.usePTY = kwargs.pop("usePTY", 0)
        self.interruptSignal = kwargs.pop("interruptSignal", "KILL")
        self.logEnviron = kwargs.pop("logEnviron", True)
        if isinstance(self.env, Mapping):
            _check_env(self.env)
        self._has_workdir = kwargs.get("workdir") is not None
        super().__init__(**kwargs)
        self.command = command
        self._child: ChildProcess | None = None
        self._interrupted = False

    @deferred
    async def run(self) -> int:
        self.stdio_log = await self.addLog("stdio")
        workdir = self.master.basedir
        if self._has_workdir:
            workdir = os.path.join(workdir, os.path.expanduser(self.workdir))
        env = self._environment()
        await self._write_header(workdir, env)
        argv = (
            _shell(self.command)
            if isinstance(self.command, str)
            else [str(part) for part in arguments_of(self.command)]
        )
        self._child = ChildProcess(self.master.reactor, self.stdio_log.addStdout, self.stdio_log.addStderr)
        self.stdio_log.hold_back(self._child)
        try:
            ended = await self._child.start(argv, env, workdir, use_pty=bool(self.usePTY))
        except OSError as e:
            await self.stdio_log.addStderr(f"cannot run {argv[0]!r} in {workdir!r}: {e.strerror}\n")
            return FAILURE
        finally:
            self._child = None
        if self._interrupted:
            await self.stdio_log.addHeader("command was interrupted\n")
            return CANCELLED
        if ended.signal is not None:
            await self.stdio_log.addHeader(f"program finished with signal {ended.signal}\n")
            self.descriptionDone = [f"killed ({ended.signal})"]
            return FAILURE
        await self.stdio_log.addHeader(f"program finished with exit code {ended.rc}\n")
        if ended.rc != 0:
            self.descriptionDone = [f"failed ({ended.rc})"]
            return FAILURE
        return SUCCESS

    @deferred
    async def interrupt(self, reason: Any) -> None:
        """End the command; it gets KILL if it does not heed the configured signal."""
        await maybe(super().interrupt, reason)
        self._interrupted = True
        if self._child is not None:
            self._child.end(self.interruptSignal)

    async def _write_header(self, workdir: str, env: Mapping[str, str]) -> None:
        shown = self.command if isinstance(self.command, str) else " ".join(map(str, self.command))
        lines = [shown, f"in dir {workdir} (on the master)", f"argv: {self.command!r}"]
        if self.logEnviron:
            lines += ["environment:", *(f"  {name}={env[name]}" for name in sorted(env))]
        await self.stdio_log.addHeader("\n".join(lines) + "\n")

    def _environment(self) -> dict[str, str]:
        merged: dict[str, str] = dict(os.environ)
        for name, value in (self.env or {}).items():
            if isinstance(value, list | tuple):
                value = os.pathsep.join(value)
            if value is None:
                merged.pop(name, None)
                continue
            if not isinstance(value, str):
                raise RuntimeError(
                    f"'env' values must be strings or lists; key '{name}' is incorrect; use Interpolate for numbers"
                )
            merged[name] = re.sub(r"\$\{([0-9a-zA-Z_]*)\}", lambda match: os.environ.get(match.group(1), ""), value)
        return merged


def _check_env(env: Mapping[Any, Any]) -> None:
    for name, value in env.items():
        if isinstance(value, int | float | bool):
            error(f"MasterShellCommand: 'env' values must be strings or lists; key '{name}' is incorrect")


def _shell(command: str) -> list[str]:
    if os.name == "nt":
        return [os.environ.get("COMSPEC", "cmd.exe"), "/c", command]
    return ["/bin/sh", "-c", command]


class SetProperty(BuildStep):
    """Sets one build property."""

    name = "SetProperty"
    description = ["Setting"]
    descriptionDone = ["Set"]
    renderables = ["property", "value"]

    def __init__(self, property: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.property = property
        self.value = value

    @deferred
    async def run(self) -> int:
        self.setProperty(self.property, self.value, self.name)
        return SUCCESS


class SetProperties(BuildStep):
    """Sets build properties from a dictionary, or a renderable of one."""

    name = "SetProperties"
    description = ["Setting Properties.."]
    descriptionDone = ["Properties Set"]
    renderables = ["properties"]

    def __init__(self, properties: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.properties = properties

    @deferred
    async def run(self) -> int:
        for name, value in (self.properties or {}).items():
            self.setProperty(name, value, self.name)
        return SUCCESS


class Assert(BuildStep):
    """Succeeds if ``check``, rendered, is true."""

    name = "Assert"
    description = ["Checking.."]
    descriptionDone = ["checked"]
    renderables = ["check"]

    def __init__(self, check: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.descriptionDone = [f"checked {self.check!r}"]

    @deferred
    async def run(self) -> int:
        return SUCCESS if self.check else FAILURE


class LogRenderable(BuildStep):
    """Writes ``content``, rendered, to a log, as Python shows it."""

    name = "LogRenderable"
    description = ["Logging"]
    descriptionDone = ["Logged"]
    renderables = ["content"]

    def __init__(self, content: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.content = content

    @deferred
    async def run(self) -> int:
        await self.addCompleteLog("Output", pprint.pformat(self.content))
        return SUCCESS
