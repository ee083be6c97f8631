"""Machines that run only while they are needed.

The first latent worker that is to build starts its machine; when no worker of it builds any more it is stopped, after a
while.  One thing is done to a machine at a time: whoever wants it while it stops waits, and starts it again.
"""

from __future__ import annotations

import enum
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import ILatentMachine
from buildmaster.machine.base import Machine

log = Logger()


class States(enum.Enum):
    """What a machine does."""

    STOPPED = 0
    STARTING = 1
    STARTED = 2
    STOPPING = 3


@implementer(ILatentMachine)
class AbstractLatentMachine(Machine):
    """A machine that is started and stopped by the methods of a subclass.

    ``build_wait_timeout`` is how many seconds after the last build it is stopped (0: at once; negative: never);
    ``missing_timeout`` is how many seconds its workers may take to begin a build after it was started: then it is
    stopped.
    """

    DEFAULT_MISSING_TIMEOUT = 20 * 60

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state = States.STOPPED
        self._changing: list[defer.Deferred[None]] = []  # those who wait until it is started or stopped
        self._wait_timer: Any = None
        self._missing_timer: Any = None

    def checkConfig(
        self, name: str, build_wait_timeout: float = 0, missing_timeout: float = DEFAULT_MISSING_TIMEOUT, **kwargs: Any
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, **kwargs)
        for what, value in (("build_wait_timeout", build_wait_timeout), ("missing_timeout", missing_timeout)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                error(f"machine {name!r}: {what} must be a number of seconds, not {value!r}")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self, name: str, build_wait_timeout: float = 0, missing_timeout: float = DEFAULT_MISSING_TIMEOUT, **kwargs: Any
    ) -> None:
        """Take these arguments over; timers that run keep their time."""
        await as_deferred(super().reconfigService(name, **kwargs))
        self.build_wait_timeout = build_wait_timeout
        self.missing_timeout = missing_timeout

    def start_machine(self) -> Any:
        """Start the machine: for subclasses.  A Deferred of whether it was started."""
        raise NotImplementedError(f"{type(self).__name__} does not define start_machine()")

    def stop_machine(self) -> Any:
        """Stop the machine: for subclasses.  A Deferred that fires when it has stopped."""
        raise NotImplementedError(f"{type(self).__name__} does not define stop_machine()")

    # -- starting ----------------------------------------------------------------------------------------------------

    @deferred
    async def substantiate(self, starting_worker: Any) -> bool:
        """See that the machine runs, for a worker that is to build; returns whether it does."""
        while self.state is States.STOPPING:
            await self._change_is_over()
        if self.state is States.STOPPED:
            await self._start()
        elif self.state is States.STARTING:
            await self._change_is_over()
        return self.state is States.STARTED

    async def _start(self) -> None:
        log.info("machine {name} is started", name=self.name)
        self.state = States.STARTING
        started = False
        try:
            started = await maybe(self.start_machine)
        except Exception:  # policy: it is not started; the build looks for another worker, or tries again
            log.failure("machine {name} could not be started", name=self.name)
        if started:
            self._missing_timer = self.master.reactor.callLater(self.missing_timeout, self._missing)
        else:
            log.warn("machine {name} did not start", name=self.name)
        self._become(States.STARTED if started else States.STOPPED)

    def _missing(self) -> None:
        self._missing_timer = None
        log.warn(
            "machine {name} is stopped: no worker of it began a build within {n:g} s",
            name=self.name,
            n=self.missing_timeout,
        )
        self._begin_stopping()

    # -- builds ------------------------------------------------------------------------------------------------------

    def notifyBuildStarted(self) -> None:
        """A worker of this machine begins a build."""
        self._cancel_timers()

    def notifyBuildFinished(self) -> None:
        """A worker of this machine has ended a build."""
        if self.state is not States.STARTED or any(worker.building for worker in self.workers):
            return
        self._cancel_timers()
        if self.build_wait_timeout == 0:
            self._begin_stopping()
        elif self.build_wait_timeout > 0:
            self._wait_timer = self.master.reactor.callLater(self.build_wait_timeout, self._waited)

    def _waited(self) -> None:
        self._wait_timer = None
        self._begin_stopping()

    def _cancel_timers(self) -> None:
        for name in ("_wait_timer", "_missing_timer"):
            timer = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)

    # -- stopping ----------------------------------------------------------------------------------------------------

    def _begin_stopping(self) -> None:
        stopping = defer.ensureDeferred(self._stop())
        stopping.addErrback(lambda f: log.failure("machine {name} was not stopped as it should", f, name=self.name))

    async def _stop(self) -> None:
        if self.state is not States.STARTED:
            return
        log.info("machine {name} is stopped", name=self.name)
        self._cancel_timers()
        self.state = States.STOPPING
        try:
            for worker in list(self.workers):
                if hasattr(worker, "insubstantiate"):
                    await maybe(worker.insubstantiate)
            await maybe(self.stop_machine)
        except Exception:  # policy: taken for stopped; the next build starts it again
            log.failure("machine {name} could not be stopped", name=self.name)
        self._become(States.STOPPED)

    @deferred
    async def stopService(self) -> None:
        """Stop the machine if it runs, or when it has started."""
        while self.state in (States.STARTING, States.STOPPING):
            await self._change_is_over()
        await self._stop()
        await as_deferred(super().stopService())

    def _become(self, state: States) -> None:
        self.state = state
        waiting, self._changing = self._changing, []
        for one in waiting:
            one.callback(None)

    def _change_is_over(self) -> defer.Deferred[None]:
        one: defer.Deferred[None] = defer.Deferred()
        self._changing.append(one)
        return one
