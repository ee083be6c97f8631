"""One command that runs on a worker, seen from the connection: what comes is checked, then handed to its owner.

A worker that lies ends the command with a failure that says how; what it sends afterwards is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.worker.protocols.updates import WorkerMisbehaved, problem_with, text_keys

log = Logger()


class RunningCommand:
    """Between one wire reference and one ``RemoteCommand`` of the master."""

    def __init__(self, connection: Any, owner: Any, builder_name: str, command_id: str) -> None:
        """``owner`` has ``remote_update(updates)`` and ``remote_complete(failure)``."""
        self.on_end: Callable[[], Any] = lambda: None
        self.proxies: list[Any] = []
        self._connection = connection
        self._owner: Any = owner
        self._builder_name = builder_name
        self._command_id = command_id

    def update(self, updates: Any) -> None:
        """The worker reports output or results."""
        self._connection.heard()
        if self._owner is None:
            return
        problem = problem_with(updates)
        if problem is not None:
            self._lied(problem)
            return
        self._tell(self._owner.remote_update, text_keys(updates))

    def uses_file(self) -> None:
        """The worker reads or writes one of the command's files."""
        self._connection.heard()
        heard = getattr(self._owner, "heard", None)
        if heard is not None:
            heard()

    def serve(self, method: Callable[..., Any], *args: Any) -> Any:
        """The worker uses one of the command's files: the method's answer, or a Deferred of it.

        What the method raises ends the command; a worker that is told of an error may never complete it.
        """
        self.uses_file()
        try:
            answer = method(*args)
        except Exception:
            self._file_failed(Failure())
            raise
        if isinstance(answer, defer.Deferred) or hasattr(answer, "cr_frame"):
            return as_deferred(answer).addErrback(self._file_failed)
        return answer

    def _file_failed(self, failure: Failure) -> Failure:
        if self._owner is not None:
            self._interrupt(f"the master could not go on with its file: {failure.getErrorMessage()}")
            self._finish(failure)
        return failure

    def complete(self, failure: Any = None) -> None:
        """The worker says that the command has ended."""
        self._connection.heard()
        if self._owner is None:
            return
        if isinstance(failure, str | bytes):
            failure = Failure(RuntimeError(failure if isinstance(failure, str) else failure.decode("utf-8", "replace")))
        if failure is not None and not isinstance(failure, Failure):
            failure = Failure(WorkerMisbehaved(self._place(f"complete() came with a {type(failure).__name__}")))
        self._finish(failure)

    def revoke(self) -> None:
        """The connection is lost: nothing more comes.  The owner hears of it from the connection."""
        self.over()

    def over(self) -> None:
        """Drop what still comes, for the command itself and for its files."""
        self._owner = None
        self.on_end()
        for proxy in self.proxies:
            proxy.revoke()

    def _finish(self, failure: Failure | None) -> None:
        owner = self._owner
        self.over()
        self._tell(owner.remote_complete, failure)

    def _tell(self, method: Callable[..., Any], *args: Any) -> None:
        """Call the owner; what it raises ends the command: output that could not be taken must not look complete."""
        try:
            answer = method(*args)
        except Exception:
            self._owner_failed(Failure())
            return
        if isinstance(answer, defer.Deferred) or hasattr(answer, "cr_frame"):
            as_deferred(answer).addErrback(self._owner_failed)

    def _owner_failed(self, failure: Failure) -> None:
        log.failure("the output of a command on worker {name!r} was not taken", failure, name=self._connection.name)
        if self._owner is not None:
            self._interrupt("its output could not be taken")
            self._finish(failure)

    def _lied(self, problem: str) -> None:
        why = self._place(problem)
        log.error("{why}; the command is ended", why=why)
        self._interrupt("the worker does not follow the protocol")
        self._finish(Failure(WorkerMisbehaved(why)))

    def _interrupt(self, why: str) -> None:
        d = self._connection.remoteInterruptCommand(self._builder_name, self._command_id, why)
        d.addErrback(lambda _: None)  # it is over for us, whatever the worker does with it

    def _place(self, problem: str) -> str:
        name = self._connection.name
        return f"worker {name} broke the protocol in command {self._command_id} of {self._builder_name}: {problem}"
