"""A command line, or an argument list, run on a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.process.command import RemoteCommand


class RemoteShellCommand(RemoteCommand):
    """A command line, or an argument list, run by the worker's ``shell`` command.

    Times are seconds: ``timeout`` without output, ``maxTime`` in all, ``sigtermTime`` between SIGTERM and SIGKILL;
    ``max_lines`` of output.  Lists and tuples inside ``command``, as renderables make them, are taken apart; an item
    may be ``("obfuscated", real, shown)``.
    """

    def __init__(
        self,
        workdir: str | None,
        command: Any,
        env: Mapping[str, Any] | None = None,
        want_stdout: Any = 1,
        want_stderr: Any = 1,
        timeout: float | None = 20 * 60,
        maxTime: float | None = None,
        max_lines: int | None = None,
        sigtermTime: float | None = None,
        logfiles: Mapping[str, Any] | None = None,
        usePTY: Any = None,
        logEnviron: bool = True,
        collectStdout: bool = False,
        collectStderr: bool = False,
        interruptSignal: str | None = None,
        initialStdin: Any = None,
        decodeRC: Mapping[int | None, int] | None = None,
        stdioLogName: str | None = "stdio",
    ) -> None:
        self.command = arguments_of(command)
        args = {
            "workdir": workdir,
            "command": self.command,
            "env": dict(env) if env is not None else None,
            "want_stdout": want_stdout,
            "want_stderr": want_stderr,
            "logfiles": dict(logfiles or {}),
            "timeout": timeout,
            "maxTime": maxTime,
            "max_lines": max_lines,
            "sigtermTime": sigtermTime,
            "usePTY": usePTY,
            "logEnviron": logEnviron,
            "initial_stdin": initialStdin,
        }
        if interruptSignal is not None:
            args["interruptSignal"] = interruptSignal
        super().__init__(
            "shell",
            args,
            collectStdout=collectStdout,
            collectStderr=collectStderr,
            decodeRC=decodeRC,
            stdioLogName=stdioLogName,
        )

    @property
    def fake_command(self) -> Any:
        """The command as it may be shown."""
        return [_shown(word) for word in self.command] if isinstance(self.command, list) else self.command

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fake_command!r}>"

    async def _start(self, conn: Any) -> None:
        if self.args["usePTY"] is None:
            older = getattr(self.step, "workerVersionIsOlderThan", None)
            self.args["usePTY"] = "slave-config" if older is not None and older("shell", "3.0") else False
        await super()._start(conn)


def arguments_of(command: Any) -> Any:
    """A command line as it is, and arguments as one list: the items of lists and tuples inside stand in their place."""
    if not isinstance(command, (list, tuple)):
        return command
    arguments: list[Any] = []
    for word in command:
        if isinstance(word, (list, tuple)) and not _is_obfuscated(word):
            arguments.extend(arguments_of(word))
        else:
            arguments.append(word)
    return arguments


def _is_obfuscated(word: Any) -> bool:
    return isinstance(word, tuple) and len(word) == 3 and word[0] == "obfuscated"


def _shown(word: Any) -> Any:
    return word[2] if _is_obfuscated(word) else word
