"""Services of which, in a cluster of masters, only one is active at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.service.configured import BuildbotService

log = Logger()

SOON_SECONDS = 10.0
"""How soon a service that could not be activated again after a pause is offered."""

REQUIRED = ("_getServiceId", "_claimService", "_unclaimService")
"""What a subclass must define: how the database decides which instance is active."""


class ClusteredBuildbotService(BuildbotService):
    """A service that runs on every master that has it, and is active on one of them.

    Each instance offers itself when it starts and then every :attr:`POLL_INTERVAL_SEC`; the database decides.  The
    one that is taken is activated, and stays active until it is stopped.  Subclasses say what *active* means
    (:meth:`activate`, :meth:`deactivate`), and by which rows the database decides:

    ``_getServiceId()``
        the id by which all instances of the service in the cluster are known (:attr:`serviceid` from then on);
    ``_claimService()``
        try to get the service for this master: whether it has it now;
    ``_unclaimService()``
        give it back; called after :meth:`deactivate`.

    Each may return a Deferred.
    """

    compare_attrs: Sequence[str] = ("name",)
    POLL_INTERVAL_SEC = 5 * 60
    """Seconds between two offers of a service that is not active."""

    serviceid: int | None = None
    """The id that all instances of this service in the cluster share; known once it has started."""
    active = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        missing = [name for name in REQUIRED if not hasattr(self, name)]
        if missing:
            error(f"{type(self).__name__}: a clustered service must define {', '.join(missing)}")
        self._turn = defer.DeferredLock()
        self._soon: Any = None
        self._poll: LoopingCall | None = None

    def isActive(self) -> bool:
        """Whether this instance is the active one."""
        return self.active

    def activate(self) -> Any:
        """Become the active instance."""
        return defer.succeed(None)

    def deactivate(self) -> Any:
        """Stop being the active instance."""
        return defer.succeed(None)

    @deferred
    async def startService(self) -> None:
        """Start, and offer this instance for the first time."""
        await super().startService()
        self.serviceid = await self._ask("_getServiceId")
        self._poll = poll = LoopingCall(self._turn.run, self._offer)
        poll.clock = self.master.reactor
        await as_deferred(self._turn.run(self._offer))
        if self._poll is poll:  # else it was stopped meanwhile
            poll.start(self.POLL_INTERVAL_SEC, now=False)

    @deferred
    async def stopService(self) -> None:
        """Cease to be active, give the service back and stop."""
        poll, self._poll = self._poll, None
        if poll is not None and poll.running:
            poll.stop()
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        try:
            await as_deferred(self._turn.run(self._retire))
        finally:
            await super().stopService()

    async def _ask(self, name: str) -> Any:
        return await maybe(getattr(self, name))

    def _offer(self) -> defer.Deferred[None]:
        return as_deferred(self._take())

    def _retire(self) -> defer.Deferred[None]:
        return as_deferred(self._give_back_claim())

    async def resume(self) -> None:
        """Activate again after a pause; if that fails the service is given back, and offered again soon."""
        if not self.active:
            return
        if not await self._activated():
            self._soon = self.master.reactor.callLater(SOON_SECONDS, self._turn.run, self._offer)

    async def _take(self) -> None:
        """Claim the service unless it is ours, and activate it; what fails is tried again at the next offer."""
        if self.active or not self.running:
            return
        try:
            if not await self._ask("_claimService"):
                return
        except Exception:  # policy: retry at the next offer
            log.failure("service {name} could not be claimed; it is tried again", name=self.name)
            return
        self.active = True
        await self._activated()

    async def _activated(self) -> bool:
        try:
            await maybe(self.activate)
        except Exception:  # policy: given back at once, retry at the next offer
            log.failure("service {name} could not be activated; it is tried again", name=self.name)
            self.active = False
            await self._undo()
            await self._unclaim()
            return False
        return True

    async def _undo(self) -> None:
        """Have nothing left of an activation that failed half way, so that the next one begins afresh."""
        try:
            await maybe(self.deactivate)
        except Exception:  # policy: the next activation may fail by it, and is then tried again
            log.failure("service {name}, which could not be activated, could not be deactivated", name=self.name)

    async def _give_back_claim(self) -> None:
        if not self.active:
            return
        self.active = False
        try:
            await maybe(self.deactivate)
        finally:
            await self._unclaim()

    async def _unclaim(self) -> None:
        try:
            await self._ask("_unclaimService")
        except Exception:  # policy: the claim ends with this master's lease
            log.failure("service {name} could not be given back to the cluster", name=self.name)
