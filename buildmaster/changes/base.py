"""The documented base classes of change sources.

A source brings changes in by ``self.master.data.updates.addChange(…)``.  In a cluster of masters each source is active
on one of them: what it does, it begins in ``activate`` and ends in ``deactivate``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IChangeSource
from buildmaster.base.sameness import same
from buildmaster.changes.polling import Poller
from buildmaster.service import ClusteredBuildbotService

log = Logger()


@implementer(IChangeSource)
class ChangeSource(ClusteredBuildbotService):
    """Brings changes in from somewhere; the base class of all sources."""

    def describe(self) -> str:
        """A line about this source, for people."""
        return f"{type(self).__name__} {self.name}"

    def _getServiceId(self) -> Any:
        return self.master.data.updates.findChangeSourceId(self.name)

    def _claimService(self) -> Any:
        return self.master.data.updates.trySetChangeSourceMaster(self.serviceid, self.master.masterid)

    def _unclaimService(self) -> Any:
        return self.master.data.updates.trySetChangeSourceMaster(self.serviceid, None)


class ReconfigurablePollingChangeSource(ChangeSource):
    """A source that asks for changes again and again.

    Subclasses override :meth:`poll`, and ``checkConfig`` and ``reconfigService`` for arguments of their own.
    ``pollInterval`` is in seconds (0: only when it is forced), ``pollAtLaunch`` asks at the start as well, and each
    poll comes later by a random time between ``pollRandomDelayMin`` and ``pollRandomDelayMax`` seconds.
    """

    pollInterval: float | None = None
    pollAtLaunch: bool | None = None
    pollRandomDelayMin: float | None = None
    pollRandomDelayMax: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "pollinterval" in kwargs:  # its name in releases before 4.0
            warnings.warn(
                f"{type(self).__name__}: pollinterval is called pollInterval", DeprecationWarning, stacklevel=3
            )
            kwargs.setdefault("pollInterval", kwargs.pop("pollinterval"))
        super().__init__(*args, **kwargs)
        self._poller: Poller | None = None

    def checkConfig(
        self,
        name: str | None = None,
        pollInterval: float = 60 * 10,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name=name, **kwargs)
        place = f"{type(self).__name__} {self.name if name is None else name!r}"
        for what, value in (
            ("pollInterval", pollInterval),
            ("pollRandomDelayMin", pollRandomDelayMin),
            ("pollRandomDelayMax", pollRandomDelayMax),
        ):
            if not isinstance(value, int | float) or isinstance(value, bool):
                error(f"{place}: {what} must be a number of seconds, not {value!r}")
                return
        if pollInterval < 0:
            error(f"{place}: pollInterval must be 0 or more seconds, not {pollInterval}")
        if not 0 <= pollRandomDelayMin <= pollRandomDelayMax:
            error(f"{place}: pollRandomDelayMin must be between 0 and pollRandomDelayMax")
        if pollRandomDelayMax and pollRandomDelayMax >= pollInterval:
            error(f"{place}: pollRandomDelayMax must be less than pollInterval")

    @deferred
    async def reconfigService(
        self,
        name: str | None = None,
        pollInterval: float = 60 * 10,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over; polling goes on at the new times."""
        before = self._times()
        self.pollInterval, self.pollAtLaunch = pollInterval, pollAtLaunch
        self.pollRandomDelayMin, self.pollRandomDelayMax = pollRandomDelayMin, pollRandomDelayMax
        await maybe(super().reconfigService, name=name, **kwargs)
        if self._poller is not None and before != self._times():
            await self._poller.stop()
            self._start_polling(now=False)

    def _times(self) -> tuple[Any, ...]:
        return self.pollInterval, self.pollRandomDelayMin, self.pollRandomDelayMax

    def poll(self) -> Any:
        """Look for changes and add them; may return a Deferred, which is cancelled when the source is stopped."""
        return defer.succeed(None)

    @property
    def doPoll(self) -> Poller:
        """Calling it polls now; the Deferred fires when that poll has ended."""
        if self._poller is None:
            self._poller = Poller(self.master.reactor, lambda: self.poll(), self._failed)
        return self._poller

    def force(self) -> defer.Deferred[None]:
        """Poll now."""
        return self.doPoll() if self.active else defer.succeed(None)

    def _start_polling(self, now: bool) -> None:
        self.doPoll.start(self.pollInterval or 0, now, self.pollRandomDelayMin or 0, self.pollRandomDelayMax or 0)

    def _failed(self, failure: Failure) -> None:
        log.failure(
            "{source}: the poll failed; it is tried again in {s:g} s",
            failure,
            source=self.describe(),
            s=self.pollInterval or 0,
        )

    def activate(self) -> Any:
        """Begin to poll."""
        self._start_polling(now=bool(self.pollAtLaunch))
        return defer.succeed(None)

    @deferred
    async def deactivate(self) -> None:
        """Poll no more; a poll that runs is cancelled and waited for."""
        if self._poller is not None:
            await self._poller.stop()


class PollingChangeSource(ReconfigurablePollingChangeSource):
    """The base class of pollers that are replaced, not reconfigured, when their arguments change.

    Subclasses have an ``__init__`` of their own that calls this one with the polling arguments.
    """

    compare_attrs: Sequence[str] = ("pollInterval", "pollAtLaunch", "pollRandomDelayMin", "pollRandomDelayMax")

    def __init__(
        self,
        name: str | None = None,
        pollInterval: float = 60 * 10,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name if name is not None else self.name or type(self).__name__,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
            **kwargs,
        )
        self.pollInterval, self.pollAtLaunch = pollInterval, pollAtLaunch
        self.pollRandomDelayMin, self.pollRandomDelayMax = pollRandomDelayMin, pollRandomDelayMax

    def canReconfigWithSibling(self, sibling: Any) -> bool:
        """Only if it says the same: else the sibling takes its place."""
        return super().canReconfigWithSibling(sibling) and same(self, sibling)

    @deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Nothing to do for an equal one."""
        if self is sibling:
            await as_deferred(super().reconfigServiceWithSibling(sibling))
