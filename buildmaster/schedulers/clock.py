"""Schedulers that build by the clock.

A firing is a row, unique by (scheduler, time), stored together with its buildset: no time is fired twice, whatever
crashes and however many masters there are.  Times that passed while no master ran are made up for by one firing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.filters import ChangeFilter
from buildmaster.db import changes as change_rows
from buildmaster.db import schedulers as rows
from buildmaster.process.change import Change
from buildmaster.schedulers.absolute import AbsoluteSourceStampsMixin
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.composing import Wish
from buildmaster.schedulers.decision import current_decision

log = Logger()

RETRY_SECONDS = 60.0
MOST_MISSED = 1000
"""How many missed times are gone through to find the last one; beyond that the present time is taken."""
TIMER = "timed"


class Timed(AbsoluteSourceStampsMixin, ReconfigurableBaseScheduler):
    """What all schedulers that build by the clock share.

    :param builderNames: the builders
    :param reason: of the builds
    :param createAbsoluteSourceStamps: name the revision of the newest change in each codebase
    :param onlyIfChanged: build only if there was an important change since the last time
    :param branch: the branch to build, and the one that changes must be on if there is no ``change_filter``
    :param change_filter, fileIsImportant, onlyImportant: which changes count, as for schedulers of changes
    """

    class NoBranch:
        """No branch is said."""

    compare_attrs: Sequence[str] = (
        "reason",
        "createAbsoluteSourceStamps",
        "onlyIfChanged",
        "branch",
        "fileIsImportant",
        "change_filter",
        "onlyImportant",
    )
    reason = ""
    onlyIfChanged = False
    branch: Any = NoBranch
    change_filter: ChangeFilter | None = None
    fileIsImportant: Any = None
    onlyImportant = False

    def __init__(self, name: str, builderNames: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, builderNames=[] if builderNames is None else builderNames, **kwargs)
        self._call: Any = None
        self._firing: defer.Deferred[None] | None = None
        self._since: float | None = None  # times before this are not made up for

    def checkConfig(  # type: ignore[override]
        self,
        builderNames: Any,
        reason: str = "",
        createAbsoluteSourceStamps: bool = False,
        onlyIfChanged: bool = False,
        branch: Any = NoBranch,
        change_filter: ChangeFilter | None = None,
        fileIsImportant: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        where = f"scheduler {self.name!r}"
        if fileIsImportant is not None and not callable(fileIsImportant):
            error(f"{where}: fileIsImportant must be a function of a change, not {fileIsImportant!r}")
        if change_filter is not None and not isinstance(change_filter, ChangeFilter):
            error(f"{where}: change_filter must be a util.ChangeFilter, not {change_filter!r}")
            change_filter = None
        super().checkConfig(builderNames, **kwargs)
        self._take_timed(
            reason, createAbsoluteSourceStamps, onlyIfChanged, branch, change_filter, fileIsImportant, onlyImportant
        )

    def _take_timed(
        self,
        reason: str,
        absolute: bool,
        only_if_changed: bool,
        branch: Any,
        change_filter: ChangeFilter | None,
        file_is_important: Any,
        only_important: bool,
    ) -> None:
        self.reason = reason % {"name": self.name, "classname": type(self).__name__}
        self.createAbsoluteSourceStamps = bool(absolute)
        self.onlyIfChanged = bool(only_if_changed)
        self.branch = branch
        self.fileIsImportant = file_is_important
        self.onlyImportant = bool(only_important)
        if change_filter is None and branch is not Timed.NoBranch:
            change_filter = ChangeFilter(branch=branch)
        self.change_filter = change_filter

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        builderNames: Any,
        reason: str = "",
        createAbsoluteSourceStamps: bool = False,
        onlyIfChanged: bool = False,
        branch: Any = NoBranch,
        change_filter: ChangeFilter | None = None,
        fileIsImportant: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self._take_timed(
            reason, createAbsoluteSourceStamps, onlyIfChanged, branch, change_filter, fileIsImportant, onlyImportant
        )

    # -- life ----------------------------------------------------------------------------------------------------------

    @deferred
    async def activate(self) -> None:
        """Begin: read changes if they count, and wait for the next time."""
        await self.loadCodebases()
        await super().activate()
        if self.onlyIfChanged or self.createAbsoluteSourceStamps:
            await self.startConsumingChanges(
                fileIsImportant=self.fileIsImportant,
                change_filter=self.change_filter,
                onlyImportant=self.onlyImportant,
            )
        await self.scheduleNextBuild()

    @deferred
    async def deactivate(self) -> None:
        """Wait no more."""
        self._cancel()
        if self._firing is not None:
            await self._firing
        await super().deactivate()

    def enabled_changed(self) -> None:
        """What would have been built while the scheduler was off is not made up for."""
        self._since = self.now()
        done = self.scheduleNextBuild()
        done.addErrback(lambda f: log.failure("scheduler {name} could not follow its switch", f, name=self.name))

    def _cancel(self) -> None:
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def now(self) -> float:
        """Epoch seconds on the master's clock."""
        return self.master.reactor.seconds()

    def current_utc_offset(self, tm: float) -> int:
        """How many seconds local time is ahead of UTC at this moment."""
        return time.localtime(tm).tm_gmtoff

    # -- times ---------------------------------------------------------------------------------------------------------

    def getNextBuildTime(self, lastActuation: float | None) -> Any:
        """The time (epoch seconds) after ``lastActuation`` at which to build; may return a Deferred, or None for never.

        ``lastActuation`` is None if it has never built.
        """
        raise TypeError(f"{type(self).__name__} does not define getNextBuildTime(lastActuation)")

    @deferred
    async def scheduleNextBuild(self) -> None:
        """Wait for the next time, counted from the last firing that is stored."""
        self._cancel()
        if not self.active or not self.enabled:
            return
        last = await self.master.db.read(rows.last_firing, self.serviceid)
        if self._since is not None and (last is None or last < self._since):
            last = int(self._since)
        due = await maybe(self.getNextBuildTime, last)
        if due is None or not self.active or not self.enabled:
            return
        self._cancel()
        delay = max(0.0, due - self.now())
        self._call = self.master.reactor.callLater(delay, self._due, due)

    def _due(self, due: float) -> None:
        self._call = None
        self._firing = defer.Deferred.fromCoroutine(self._fire(due))
        self._firing.addErrback(self._failed)
        self._firing.addCallback(lambda _: setattr(self, "_firing", None))

    def _failed(self, failure: Any) -> None:
        log.failure("scheduler {name} could not build; it tries again", failure, name=self.name)
        if self.active and self.enabled:
            self._call = self.master.reactor.callLater(RETRY_SECONDS, self._due, self.now())

    async def _fire(self, due: float) -> None:
        await self._build_at(await self._latest(due))
        await self.scheduleNextBuild()

    async def _latest(self, due: float) -> int:
        """The last of the times that have come, so that those missed before it are not built each."""
        now = self.now()
        for _ in range(MOST_MISSED):
            following = await maybe(self.getNextBuildTime, due)
            if following is None or following > now or following <= due:
                return int(due)
            due = following
        return int(now)

    # -- building ------------------------------------------------------------------------------------------------------

    @deferred
    async def gotChange(self, change: Change, important: bool) -> None:
        """Keep a change until the next time."""
        await self.recordChange(change)
        if not self.onlyIfChanged:
            return
        decision = current_decision()
        args = (self.serviceid, change.number, TIMER, important)
        if decision is None:
            await self.master.db.write(rows.classify, *args)
        else:
            decision.add(rows.classify, *args)

    @deferred
    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What the configuration says of a codebase, the branch included."""
        found = await maybe(super().getCodebaseDict, codebase)
        if self.branch is not Timed.NoBranch:
            found.setdefault("branch", self.branch)
        return found

    def maybe_force_build_on_unimportant_changes(self, current_actuation_time: float) -> bool:
        """Whether to build at this time though no important change has come."""
        return False

    @deferred
    async def startBuild(self) -> None:
        """Build now."""
        await self._build_at(int(self.now()))

    async def _build_at(self, fire_time: int) -> None:
        if self._changes is not None:
            await self._changes.caught_up()
        kept = await self.master.db.read(rows.classified, self.serviceid) if self.onlyIfChanged else {}
        wanted = not self.onlyIfChanged or any(kept.values())
        if not wanted and not (kept and self.maybe_force_build_on_unimportant_changes(fire_time)):
            await self.master.db.write(rows.fire_at, self.serviceid, fire_time, None)
            return
        records = await self.master.db.read(change_rows.get_many, list(kept)) if kept else []
        if records:
            wish = await self.wish_for_changes([Change.from_record(record) for record in records], self.reason)
        else:
            wish = Wish(await self.stamps_with_defaults(()), self.reason)
        new = await self._composer.compose(wish)
        await self.master.db.write(rows.fire_at, self.serviceid, fire_time, new, sorted(kept))


class Periodic(Timed):
    """Builds every so often, first when the master is started for the first time.

    :param periodicBuildTimer: seconds between two builds
    """

    compare_attrs: Sequence[str] = ("periodicBuildTimer",)
    periodicBuildTimer: float = 0

    def checkConfig(  # type: ignore[override]
        self,
        builderNames: Any,
        periodicBuildTimer: float,
        reason: str = "The Periodic scheduler named '%(name)s' triggered this build",
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, reason=reason, **kwargs)
        if not isinstance(periodicBuildTimer, int | float) or periodicBuildTimer <= 0:
            error(f"scheduler {self.name!r}: periodicBuildTimer must be positive, not {periodicBuildTimer!r}")
        self.periodicBuildTimer = periodicBuildTimer

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        builderNames: Any,
        periodicBuildTimer: float,
        reason: str = "The Periodic scheduler named '%(name)s' triggered this build",
        **kwargs: Any,
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, reason=reason, **kwargs)
        self.periodicBuildTimer = periodicBuildTimer

    def getNextBuildTime(self, lastActuated: float | None) -> Any:
        """So many seconds after the last build; at once if there was none."""
        return self.now() if lastActuated is None else lastActuated + self.periodicBuildTimer
