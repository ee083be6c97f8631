"""What a test of a step expects to be run, and what comes of it.

One class for each command of a worker; a method more and each returns the same object, so that they can be chained::

    ExpectShell(workdir="wkdir", command=["make"]).stdout("compiling\\n").exit(0)

Documented as part of ``buildbot.test.steps``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from buildmaster.base.aio import maybe


class Expect:
    """A command ``remote_command`` with just these arguments; ``interrupted``: the step has to interrupt it.

    A missing argument and None are the same.
    """

    defaults: Mapping[str, Any] = {"logEnviron": True}
    """What an argument means that is missing or None."""

    def __init__(self, remote_command: str, args: Mapping[str, Any], interrupted: bool = False) -> None:
        self.remote_command = remote_command
        self.args = dict(args)
        self.interrupted = interrupted
        self.behaviors: list[tuple[Any, ...]] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.remote_command!r}, {given(self.args)!r})"

    def _then(self, *behavior: Any) -> Self:
        self.behaviors.append(behavior)
        return self

    def behavior(self, callable: Callable[[Any], Any]) -> Self:
        """Then ``callable(command)`` is called with the RemoteCommand; it may return a Deferred or a coroutine."""
        return self._then("callable", callable)

    def error(self, error: BaseException) -> Self:
        """Then the command fails with this exception."""
        return self._then("err", error)

    def log(self, name: str, **streams: str) -> Self:
        """Then its log file ``name`` grows by the text given as ``stdout``."""
        return self._then("log", name, streams)

    def update(self, name: str, value: Any) -> Self:
        """Then it sends one update."""
        return self._then("update", name, value)

    def stdout(self, output: str | bytes) -> Self:
        """Then it writes to stdout."""
        return self._then("update", "stdout", output)

    def stderr(self, output: str | bytes) -> Self:
        """Then it writes to stderr."""
        return self._then("update", "stderr", output)

    def exit(self, code: int) -> Self:
        """Then it ends with this exit code."""
        return self._then("rc", code)

    def break_connection(self) -> Self:
        """Then the connection to the worker is lost."""
        return self._then("disconnect")

    async def runBehaviors(self, command: Any) -> None:
        """Do all that was said; ``command`` is a :class:`~buildmaster.testing.worker.Command`."""
        for name, *args in self.behaviors:
            await maybe(self.runBehavior, name, args, command)

    def runBehavior(self, behavior: str, args: Any, command: Any) -> Any:
        """Do one thing.  Subclasses override it for kinds of behaviour of their own."""
        return getattr(self, f"_do_{behavior}")(command, *args)

    def _do_callable(self, command: Any, function: Callable[[Any], Any]) -> Any:
        return maybe(function, command.remote)

    def _do_err(self, command: Any, error: BaseException) -> None:
        raise error

    def _do_rc(self, command: Any, code: int) -> None:
        command.rc(code)

    def _do_update(self, command: Any, name: str, value: Any) -> None:
        command.send(**{name: value})

    def _do_log(self, command: Any, name: str, streams: Mapping[str, str]) -> None:
        for text in streams.values():
            command.log(name, text)

    def _do_disconnect(self, command: Any) -> None:
        command.drop()


def given(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not None."""
    return {name: value for name, value in args.items() if value is not None}


class ExpectRemoteRef:
    """Equal to any object of a class: stands for a writer or reader among a command's arguments."""

    def __init__(self, rrclass: type) -> None:
        self.rrclass = rrclass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.rrclass)

    def __hash__(self) -> int:
        return hash(self.rrclass)

    def __repr__(self) -> str:
        return f"<any {self.rrclass.__name__}>"


class ExpectMasterShell:
    """A process that a step starts on the master, with this list of arguments."""

    def __init__(self, command: Any) -> None:
        self.command = command
        self.expected_workdir: Any = None
        self.expected_env: Mapping[str, str] | None = None
        self.output: list[tuple[int, bytes]] = []
        self.code = 0

    def __repr__(self) -> str:
        return f"ExpectMasterShell({self.command!r})"

    def workdir(self, workdir: Any) -> Self:
        """It is run in this directory; one that is not absolute is seen from the master's."""
        self.expected_workdir = workdir
        return self

    def env(self, env: Mapping[str, str]) -> Self:
        """Its environment has these variables, beside others."""
        self.expected_env = dict(env)
        return self

    def stdout(self, stdout: bytes | str) -> Self:
        """Then it writes to stdout."""
        self.output.append((1, stdout.encode() if isinstance(stdout, str) else stdout))
        return self

    def stderr(self, stderr: bytes | str) -> Self:
        """Then it writes to stderr."""
        self.output.append((2, stderr.encode() if isinstance(stderr, str) else stderr))
        return self

    def exit(self, exit: int) -> Self:
        """Then it ends with this exit code."""
        self.code = exit
        return self
