"""A worker's session with this master, as a machine: from its arrival to the end of its connection.

The moves stand in one table; what is done at each move is the worker's (:class:`SessionWork`).  Which of two workers of
one name may stay is decided before anybody arrives here (:mod:`.manager`).
"""

from __future__ import annotations

from typing import Any, Protocol

from automat import TypeMachineBuilder
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

log = Logger()


class SessionInputs(Protocol):
    """What can happen."""

    def arrive(self, conn: Any) -> None:
        """A worker has logged in and may stay."""

    def ready(self, conn: Any) -> None:
        """It knows its builders, we know what it is, and both are stored."""

    def fail(self, conn: Any, why: Failure) -> None:
        """That did not come to be."""

    def lose(self, conn: Any) -> None:
        """Its connection is lost."""

    def cleared(self, conn: Any) -> None:
        """What depended on the connection has been told."""


class SessionWork:
    """What a session does at its moves."""

    def begin(self, inputs: SessionInputs, conn: Any) -> None:
        """Ask the worker what it is and tell it its builders; then ``ready`` or ``fail``."""

    def announce(self, inputs: SessionInputs, conn: Any) -> None:
        """Give it to those who want to build."""

    def drop(self, inputs: SessionInputs, conn: Any, why: Failure) -> None:
        """End the connection; it will be lost."""

    def clear(self, inputs: SessionInputs, conn: Any) -> None:
        """Tell everything that depended on the connection; then ``cleared``."""

    def end(self, inputs: SessionInputs, conn: Any) -> None:
        """The next may come."""

    def ignore(self, inputs: SessionInputs, conn: Any, why: Failure | None = None) -> None:
        """It does not matter any more."""


ABSENT, ATTACHING, PRESENT, LEAVING = "absent", "attaching", "present", "leaving"

SESSION_MOVES = (
    # state, what happens, next state, what is done
    (ABSENT, "arrive", ATTACHING, "begin"),
    (ATTACHING, "ready", PRESENT, "announce"),
    (ATTACHING, "fail", ATTACHING, "drop"),
    (ATTACHING, "lose", LEAVING, "clear"),
    (PRESENT, "lose", LEAVING, "clear"),
    (LEAVING, "ready", LEAVING, "ignore"),
    (LEAVING, "fail", LEAVING, "ignore"),
    (LEAVING, "cleared", ABSENT, "end"),
)
"""Every move there is; anything else is a mistake of ours and raises."""


def _build() -> Any:
    builder = TypeMachineBuilder(SessionInputs, SessionWork)
    states = {name: builder.state(name) for name in (ABSENT, ATTACHING, PRESENT, LEAVING)}
    for state, event, target, action in SESSION_MOVES:
        transition = states[state].upon(getattr(SessionInputs, event)).to(states[target])
        transition(_action(action))
    return builder.build()


def _action(name: str) -> Any:
    def act(inputs: SessionInputs, work: SessionWork, *args: Any) -> None:
        getattr(work, name)(inputs, *args)

    return act


_Machine = _build()


class Session(SessionWork):
    """The session of one worker.

    ``attach(conn)``, ``attached(conn)`` and ``detach(conn)`` are coroutine functions of the worker.
    """

    def __init__(self, name: str, attach: Any, attached: Any, detach: Any) -> None:
        self.state = ABSENT
        self.conn: Any = None
        self._name = name
        self._attach, self._attached, self._detach = attach, attached, detach
        self._waiting: list[defer.Deferred[None]] = []
        self._machine = _Machine(self)

    def arrive(self, conn: Any) -> None:
        """Begin with this connection; only when :meth:`over` has fired."""
        self.conn = conn
        conn.notifyOnDisconnect(lambda: self._lost(conn))
        self._machine.arrive(conn)

    def _lost(self, conn: Any) -> defer.Deferred[None]:
        self._machine.lose(conn)
        return self.over()

    def over(self) -> defer.Deferred[None]:
        """Fires when no worker is here and the last one has been cleared away."""
        result: defer.Deferred[None] = defer.Deferred()
        if self.state == ABSENT:
            result.callback(None)
        else:
            self._waiting.append(result)
        return result

    # -- what is done at the moves ---------------------------------------------------------------------------------

    def begin(self, inputs: SessionInputs, conn: Any) -> None:
        self.state = ATTACHING

        def done(result: Any) -> None:
            if self.conn is not conn:
                return  # a session that is over
            if isinstance(result, Failure):
                inputs.fail(conn, result)
            else:
                inputs.ready(conn)

        defer.Deferred.fromCoroutine(self._attach(conn)).addBoth(done).addErrback(self._mistake)

    def announce(self, inputs: SessionInputs, conn: Any) -> None:
        self.state = PRESENT
        defer.Deferred.fromCoroutine(self._attached(conn)).addErrback(self._mistake)

    def drop(self, inputs: SessionInputs, conn: Any, why: Failure) -> None:
        log.error(
            "worker {name!r} could not be attached and is disconnected: {why}", name=self._name, why=_in_words(why)
        )
        conn.loseConnection()

    def clear(self, inputs: SessionInputs, conn: Any) -> None:
        self.state = LEAVING
        d = defer.Deferred.fromCoroutine(self._detach(conn))
        d.addErrback(self._mistake)
        d.addCallback(lambda _: inputs.cleared(conn))
        d.addErrback(self._mistake)

    def end(self, inputs: SessionInputs, conn: Any) -> None:
        self.state = ABSENT
        self.conn = None
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def ignore(self, inputs: SessionInputs, conn: Any, why: Failure | None = None) -> None:
        pass

    def _mistake(self, failure: Failure) -> None:
        log.failure("in the session of worker {name!r}", failure, name=self._name)


def _in_words(why: Failure) -> str:
    return why.getErrorMessage() or type(why.value).__name__
