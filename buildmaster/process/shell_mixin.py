"""The arguments of everything that runs a command line on a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import SUCCESS
from buildmaster.process.shell_command import RemoteShellCommand
from buildmaster.process.summary import command_words, shown_command, with_result


class ShellMixin:
    """Takes the arguments of a shell command in the constructor, and makes the command when the step runs.

    Call :meth:`setupShellMixin` in the constructor, before BuildStep's, and :meth:`makeRemoteShellCommand` in
    ``run()``.  Times are seconds; ``lazylogfiles`` makes the log of a log file only when it gets text.
    """

    command: Any = None
    env: Any = {}
    want_stdout: Any = True
    want_stderr: Any = True
    usePTY: Any = None
    logfiles: Any = {}
    lazylogfiles: Any = False
    timeout: Any = 1200
    maxTime: Any = None
    max_lines: Any = None
    sigtermTime: Any = None
    logEnviron: Any = True
    interruptSignal: Any = "KILL"
    decodeRC: Any = {0: SUCCESS}
    initialStdin: Any = None

    _shell_arguments: ClassVar[tuple[str, ...]] = (
        "command",
        "workdir",
        "env",
        "want_stdout",
        "want_stderr",
        "usePTY",
        "logfiles",
        "lazylogfiles",
        "timeout",
        "maxTime",
        "max_lines",
        "sigtermTime",
        "logEnviron",
        "interruptSignal",
        "decodeRC",
        "initialStdin",
    )
    renderables: Sequence[str] = list(_shell_arguments)

    def setupShellMixin(
        self, constructorArgs: Mapping[str, Any], prohibitArgs: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Take what belongs to the command out of the arguments; returns the others, for BuildStep's constructor.

        Those in ``prohibitArgs`` are refused.
        """
        rest = dict(constructorArgs)
        prohibited = set(prohibitArgs or ())
        for name in self._shell_arguments:
            if name in prohibited:
                if name in rest:
                    error(f"invalid {type(self).__name__} argument {name!r}: the step sets it itself")
                    del rest[name]
            elif name in rest and name != "workdir":
                setattr(self, name, rest.pop(name))
        for name in sorted(set(rest) - set(type(self).known_arguments())):  # type: ignore[attr-defined]
            error(f"invalid {type(self).__name__} argument {name!r}")
            del rest[name]
        return rest

    @deferred
    async def makeRemoteShellCommand(
        self,
        collectStdout: bool = False,
        collectStderr: bool = False,
        stdioLogName: str | None = "stdio",
        **overrides: Any,
    ) -> RemoteShellCommand:
        """The command, ready for ``runCommand``.

        ``overrides`` replace single arguments.  Output goes to the log ``stdioLogName``, which is made if there is
        none; None for no log.  The builder's environment lies below the command's own.
        """
        step: Any = self
        arguments = {name: overrides.pop(name, getattr(self, name)) for name in self._shell_arguments}
        if overrides:
            raise TypeError(f"makeRemoteShellCommand does not know {', '.join(sorted(overrides))}")
        if arguments["command"] is None:
            error(f"{type(self).__name__} has no command", always_raise=True)
        lazy = arguments.pop("lazylogfiles")
        logfiles = arguments["logfiles"] or {}
        arguments["env"] = await _environment(step.build, arguments["env"])
        command = RemoteShellCommand(
            collectStdout=collectStdout, collectStderr=collectStderr, stdioLogName=stdioLogName, **arguments
        )
        if stdioLogName is not None:
            stdio = step.step_logs.by_name.get(stdioLogName) or await maybe(step.addLog, stdioLogName)
            command.useLog(stdio, False, stdioLogName)
        for name in logfiles:
            if lazy:
                command.useLogDelayed(name, _add_log(step, name), True)
            else:
                command.useLog(await maybe(step.addLog, name), True, name)
        return command

    def getResultSummary(self) -> Any:
        """The command's first words, if the step has no words of its own."""
        step: Any = self
        words = command_words(shown_command(self)) if step.descriptionDone is None else None
        if words is None:
            return super().getResultSummary()
        return {"step": with_result(words, step.results, step.timed_out)}


def _add_log(step: Any, name: str) -> Callable[[Any], Any]:
    return lambda _: step.addLog(name)


async def _environment(build: Any, own: Mapping[str, Any] | None) -> dict[str, Any]:
    of_builder = getattr(build.config, "env", None)
    of_build = getattr(build, "workerEnvironment", None)
    env: dict[str, Any] = {}
    for part in (of_builder, of_build, own):
        if part:
            env.update(await as_deferred(build.render(part)))
    return env
