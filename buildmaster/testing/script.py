"""The list of commands that a test expects, and the scripted worker and processes that play it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildmaster.base.aio import maybe
from buildmaster.testing.differences import command_differences, shown
from buildmaster.testing.expect import Expect, ExpectMasterShell
from buildmaster.testing.processes import MemoryProcess
from buildmaster.testing.worker import Command, ScriptedConnection, ScriptedWorker


class Unexpected(AssertionError):
    """Something was run that the test did not expect."""


class Played:
    """A command that runs: what :class:`~buildmaster.testing.worker.Command` offers, ``remote`` and :meth:`drop`."""

    def __init__(self, command: Command, remote: Any, drop: Callable[[], None]) -> None:
        self._command = command
        self.remote = remote
        """The step's RemoteCommand."""
        self.drop = drop
        """Loses the worker's connection."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._command, name)


class Script:
    """What is expected, in its order; ``problems`` are what came otherwise, in words.

    ``interrupt`` is called to interrupt the running step.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self.expected: list[Expect | ExpectMasterShell] = []
        self.run: list[str] = []
        """What was run, in words."""
        self.problems: list[list[str]] = []
        self.interrupts: set[int] = set()
        """Numbers of the remote commands, from 0, at which the step is interrupted."""
        self.process_env: dict[str, str] = {}
        """Variables that every process on the master has to have."""
        self._interrupt = interrupt
        self._remote = 0

    def _next(self, what: str) -> Expect | ExpectMasterShell:
        number = len(self.run)
        self.run.append(what)
        if number < len(self.expected):
            return self.expected[number]
        raise self._unexpected([f"expected: no more than {number} commands", f"run:      {what}"])

    def _unexpected(self, lines: Sequence[str]) -> Unexpected:
        problem = [f"command {len(self.run)} is not as expected:", *(f"    {line}" for line in lines)]
        self.problems.append(problem)
        return Unexpected("\n".join(problem))

    def left(self) -> list[str]:
        """What was expected and not run."""
        return [repr(each) for each in self.expected[len(self.run) :]]

    # -- on the worker -----------------------------------------------------------------------------------------------

    async def play(self, command: Command, remote: Any, drop: Callable[[], None]) -> None:
        """A command has come to the worker."""
        number, self._remote = self._remote, self._remote + 1
        what = f"{remote.remote_command} {shown(remote.args)}"
        expected = self._next(what)
        if not isinstance(expected, Expect):
            raise self._unexpected([f"expected: {expected!r}", f"run:      {what}"])
        lines = command_differences(expected, remote.remote_command, remote.args)
        if lines:
            raise self._unexpected(lines)
        if number in self.interrupts:
            self._interrupt()
        await expected.runBehaviors(Played(command, remote, drop))
        if expected.interrupted and not remote.interrupted:
            raise self._unexpected(["expected: the step interrupts it", f"run:      {what}, to its end"])

    # -- on the master -------------------------------------------------------------------------------------------------

    def process_answer(self, basedir: str) -> Callable[..., Callable[[MemoryProcess], Any]]:
        """What answers processes of a master in this directory, for ``TestReactor.answer_processes``."""

        def answer(args: Sequence[Any], env: Mapping[Any, Any] | None, path: Any) -> Callable[[MemoryProcess], Any]:
            what = f"on the master: {list(args)!r}"
            expected = self._next(what)
            if not isinstance(expected, ExpectMasterShell):
                raise self._unexpected([f"expected: {expected!r}", f"run:      {what}"])
            lines = self._process_differences(expected, args, env or {}, path, basedir)
            if lines:
                raise self._unexpected(lines)
            return lambda process: _end(process, expected)

        return answer

    def _process_differences(
        self, expected: ExpectMasterShell, args: Sequence[Any], env: Mapping[Any, Any], path: Any, basedir: str
    ) -> list[str]:
        wanted = expected.command if isinstance(expected.command, list | tuple) else [expected.command]
        pairs: list[tuple[str, Any, Any]] = [("command", list(wanted), list(args))]
        if expected.expected_workdir is not None:
            pairs.append(("workdir", os.path.join(basedir, expected.expected_workdir), path))
        for name, value in {**self.process_env, **(expected.expected_env or {})}.items():
            pairs.append((f"env.{name}", value, env.get(name)))
        return [
            line
            for name, want, got in pairs
            if want != got
            for line in (name, f"  expected: {want!r}", f"  run:      {got!r}")
        ]


def _end(process: MemoryProcess, expected: ExpectMasterShell) -> None:
    for descriptor, data in expected.output:
        process.protocol.childDataReceived(descriptor, data)
    process.end(expected.code)


class _Connection(ScriptedConnection):
    """Remembers the RemoteCommand of each command, and knows every command that a step may invent."""

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self.remotes: dict[str, Any] = {}

    def remoteStartCommand(
        self, remoteCommand: Any, builderName: str, commandId: str, commandName: str, args: dict[str, Any]
    ) -> Any:
        self.remotes[commandId] = remoteCommand
        self.scripted.info["worker_commands"].setdefault(commandName, "0")
        return super().remoteStartCommand(remoteCommand, builderName, commandId, commandName, args)


class PlayingWorker(ScriptedWorker):
    """A scripted worker that plays a :class:`Script`."""

    connection_class = _Connection

    def __init__(self, master: Any, name: str, script: Script, info: dict[str, Any]) -> None:
        super().__init__(master, name, self._play, info)
        self._expected = script

    async def _play(self, command: Command) -> None:
        conn: Any = self.conn
        await maybe(self._expected.play, command, conn.remotes[command.id], self.drop)
