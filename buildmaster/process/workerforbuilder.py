"""A builder's end of a worker: whether it is here, whether it builds, and how it is made ready for a build.

One object for each pair of builder and worker; knows the worker only through its documented methods.
"""

from __future__ import annotations

import enum
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.deadlines import DEFAULTS, deadlines_of

log = Logger()

RECENT = 10.0
"""Seconds since a worker was last heard during which it need not be asked whether it lives."""

IN_QUARANTINE = "in quarantine"
"""What a worker answers to ``why_not()`` if nothing but a quarantine keeps builds away."""


class States(enum.Enum):
    """What a worker does for a builder."""

    DETACHED = 0  # not connected
    AVAILABLE = 1  # connected, idle as far as this builder is concerned
    BUILDING = 2  # builds for this builder


MOVES = {
    States.DETACHED: frozenset({States.AVAILABLE, States.BUILDING}),  # a latent worker builds before it is attached
    States.AVAILABLE: frozenset({States.BUILDING, States.DETACHED}),
    States.BUILDING: frozenset({States.AVAILABLE, States.DETACHED}),
}
"""Every change of state there is."""


class PingException(Exception):
    """A ping could not be answered."""


class Ping:
    """Asks a worker for a sign of life; while one is under way others wait for the same answer."""

    running = False

    def __init__(self) -> None:
        self._waiting: list[defer.Deferred[bool]] = []

    def ping(self, conn: Any, seconds: float = DEFAULTS.ping) -> defer.Deferred[bool]:
        """Whether the worker answers within so many seconds; one that does not is disconnected."""
        answer: defer.Deferred[bool] = defer.Deferred()
        self._waiting.append(answer)
        if not self.running:
            self.running = True
            asked = conn.is_alive(seconds) if hasattr(conn, "is_alive") else conn.remotePrint("ping")
            as_deferred(asked).addCallbacks(
                lambda alive: self._tell(conn, alive is not False), lambda why: self._tell(conn, False)
            )
        return answer

    def abort(self) -> None:
        """Those who wait get False."""
        self._answer(False)

    def _tell(self, conn: Any, alive: bool) -> None:
        self.running = False
        if not alive:
            conn.loseConnection()
        self._answer(alive)

    def _answer(self, alive: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(alive)


class AbstractWorkerForBuilder:
    """What all kinds of workers have in common here.

    ``builder`` has the attributes ``name`` and ``botmaster``; :attr:`worker` is None while none is attached.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.builder_name: str = builder.name
        self.state = States.DETACHED
        self.worker: Any = None
        self.ping_watchers: list[defer.Deferred[bool]] = []
        self.remoteCommands: dict[str, str] = {}
        self._ping: Ping | None = None
        self._has_locks = False  # those of the worker, for the build that runs

    def __repr__(self) -> str:
        worker = self.worker.workername if self.worker is not None else None
        return f"<{type(self).__name__} builder={self.builder_name!r} worker={worker!r} {self.state.name}>"

    def _become(self, state: States) -> None:
        assert state is self.state or state in MOVES[self.state], f"{self!r} may not become {state.name}"
        self.state = state

    # -- commands ----------------------------------------------------------------------------------------------------

    def getWorkerCommandVersion(self, command: str, oldversion: str | None = None) -> str | None:
        """The version of a command that the worker has; None if it has none of this name.

        ``oldversion`` is the answer for workers that do not tell their commands at all.
        """
        if not self.remoteCommands:
            return oldversion
        return self.remoteCommands.get(command)

    # -- whether it may build ----------------------------------------------------------------------------------------

    def isBusy(self) -> bool:
        """Whether it builds for this builder."""
        return self.state is States.BUILDING

    def isAvailable(self) -> bool:
        """Whether a build of this builder may be started on it now."""
        return self.worker is not None and self.state is States.AVAILABLE and self.worker.canStartBuild()

    def why_not_available(self) -> str | None:
        """Why no build may be started on it now, in words; None if one may."""
        if self.worker is None or self.state is States.DETACHED:
            return "not connected"
        if self.isBusy():
            return "building for this builder"
        if hasattr(self.worker, "why_not"):
            return self.worker.why_not()
        return None if self.worker.canStartBuild() else "takes no builds now"

    def may_be_taken(self) -> bool:
        """Whether a build that was agreed on may begin: a quarantine keeps others away, not this one."""
        return self.isAvailable() or self.why_not_available() == IN_QUARANTINE

    def buildStarted(self) -> bool:
        """A build takes it, and the worker's locks; False, changing nothing, if it is not free any more."""
        if not self.may_be_taken():
            return False
        if not self.worker.acquireLocks():
            return False
        self._has_locks = True
        self._become(States.BUILDING)
        self.worker.buildStarted(self)
        return True

    @deferred
    async def buildFinished(self) -> None:
        """The build has ended: it is free again, unless it was lost meanwhile."""
        if self.state is States.BUILDING:
            self._become(States.AVAILABLE)
        self._release_locks()
        if self.worker is not None:
            await maybe(self.worker.buildFinished, self)

    # -- making it ready ---------------------------------------------------------------------------------------------

    @deferred
    async def attached(self, worker: Any, commands: dict[str, str]) -> AbstractWorkerForBuilder:
        """A worker is connected and knows this builder; ``commands`` maps its commands to their versions."""
        self.remoteCommands = commands
        if self.worker is None:
            self.worker = worker
            worker.addWorkerForBuilder(self)
        else:
            assert self.worker is worker
        return self

    @deferred
    async def detached(self) -> None:
        """The worker is lost."""
        self.abortPingIfAny()
        self._release_locks()
        worker, self.worker = self.worker, None
        self._become(States.DETACHED)
        self.remoteCommands = {}
        if worker is not None:
            worker.removeWorkerForBuilder(self)

    @deferred
    async def prepare(self, build: Any) -> bool:
        """Make it ready for a build: started if it is latent, alive for certain.

        False if it can't be used; the build then has to look for another one.
        """
        if not await as_deferred(self.substantiate_if_needed(build)):
            return False
        return self._heard_recently() or await as_deferred(self.ping())

    def _release_locks(self) -> None:
        if self._has_locks:
            self._has_locks = False
            self.worker.releaseLocks()

    def _heard_recently(self) -> bool:
        conn = getattr(self.worker, "conn", None)
        if conn is None or not getattr(conn, "connected", False) or not hasattr(conn, "last_heard"):
            return False
        return self.worker.master.reactor.seconds() - conn.last_heard < RECENT

    def substantiate_if_needed(self, build: Any) -> Any:
        """Start a worker that is only started when it is needed; fires with whether it is there."""
        return defer.succeed(True)

    def insubstantiate_if_needed(self) -> Any:
        """Let a worker go that was started for a build that did not come to be."""
        return None

    @deferred
    async def ping(self) -> bool:
        """Whether the worker answers; one that does not is disconnected."""
        conn = getattr(self.worker, "conn", None)
        if conn is None:
            return False
        if self._ping is None:
            self._ping = Ping()
        return await self._ping.ping(conn, deadlines_of(getattr(self.worker, "master", None)).ping)

    def abortPingIfAny(self) -> None:
        """Those who wait for a ping's answer get False."""
        ping, self._ping = self._ping, None
        if ping is not None:
            ping.abort()


class WorkerForBuilder(AbstractWorkerForBuilder):
    """The builder's end of a worker that connects by itself."""

    @deferred
    async def attached(self, worker: Any, commands: dict[str, str]) -> AbstractWorkerForBuilder:
        """A worker is connected and knows this builder: it may build from now on."""
        await super().attached(worker, commands)
        if self.state is States.DETACHED:
            self._become(States.AVAILABLE)
        return self


class LatentWorkerForBuilder(AbstractWorkerForBuilder):
    """The builder's end of a worker that is started when it is needed: always here, connected or not."""

    def __init__(self, worker: Any, builder: Any) -> None:
        super().__init__(builder)
        self.worker = worker
        self._given_up = False
        self._become(States.AVAILABLE)
        worker.addWorkerForBuilder(self)
        log.debug("latent worker {worker!r} is builder {name!r}'s", worker=worker.workername, name=self.builder_name)

    def substantiate(self, build: Any) -> Any:
        """Have the worker's instance started; a Deferred that fires with True when it is ready."""
        return self.worker.substantiate(self, build)

    def substantiate_if_needed(self, build: Any) -> Any:
        """The same; an instance that runs is ready at once."""
        return self.substantiate(build)

    def insubstantiate_if_needed(self) -> Any:
        """Let the instance go if nothing else is built on it."""
        if [wfb for wfb in self.worker.building if wfb is not self]:
            return defer.succeed(None)
        return self.worker.insubstantiate()

    def ping(self) -> Any:
        """Whether the worker answers; fails with PingException while its instance does not run."""
        if not self.worker.substantiated:
            return defer.fail(PingException(f"latent worker {self.worker.workername!r} is not substantiated"))
        return super().ping()

    @deferred
    async def detached(self) -> None:
        """The builder has no use for the worker any more; a build that runs ends first."""
        if self.isBusy():
            self._given_up = True
        else:
            await super().detached()

    @deferred
    async def buildFinished(self) -> None:
        """The build has ended."""
        await super().buildFinished()
        if self._given_up and not self.isBusy():
            await super().detached()
