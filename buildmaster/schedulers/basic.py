"""Schedulers that build changes: of a single branch, or of any branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.filters import ChangeFilter, NotABranch
from buildmaster.db import changes as change_rows
from buildmaster.db import reasons
from buildmaster.db import schedulers as rows
from buildmaster.process.change import Change
from buildmaster.schedulers.absolute import AbsoluteSourceStampsMixin
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.decision import current_decision
from buildmaster.schedulers.stable import StableTimers, stored_name

log = Logger()

REASON = "The %(classname)s scheduler named '%(name)s' triggered this build"


class BaseBasicScheduler(ReconfigurableBaseScheduler):
    """What both schedulers of changes share.

    :param treeStableTimer: seconds for which there must have been no important change before a build is started;
        all changes since the last one are built together then.  None: each important change is built at once, alone
    :param builderNames: the builders
    :param fileIsImportant: a function of a change that says whether it is worth a build; may return a Deferred
    :param onlyImportant: whether unimportant changes are left out of the builds' lists of changes too
    :param change_filter: a :class:`~buildmaster.base.filters.ChangeFilter`: which changes are considered at all
    :param reason: of the builds; ``%(name)s`` and ``%(classname)s`` are filled in
    :param branch, branches, categories: older ways to say what ``change_filter`` says
    """

    compare_attrs: Sequence[str] = (
        "treeStableTimer",
        "change_filter",
        "fileIsImportant",
        "onlyImportant",
        "reason",
    )
    fileIsImportant: Any = None
    reason = ""
    treeStableTimer: float | None = None
    change_filter: ChangeFilter | None = None
    onlyImportant = False

    class NotSet:
        """Nobody gives this: arguments must be named."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        shouldntBeSet: Any = NotSet,
        treeStableTimer: float | None = None,
        builderNames: Any = None,
        branch: Any = NotABranch,
        branches: Any = NotABranch,
        fileIsImportant: Any = None,
        categories: Any = None,
        reason: str = REASON,
        change_filter: ChangeFilter | None = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        where = f"scheduler {self.name!r}"
        if shouldntBeSet is not self.NotSet:
            error(f"{where}: pass arguments to schedulers by name, as in SingleBranchScheduler(name=…, builderNames=…)")
        if builderNames is None:
            error(f"{where}: it needs builderNames=[…], the builders it schedules for")
            builderNames = []
        if fileIsImportant is not None and not callable(fileIsImportant):
            error(f"{where}: fileIsImportant must be a function of a change, not {fileIsImportant!r}")
        if treeStableTimer is not None and not isinstance(treeStableTimer, int | float):
            error(f"{where}: treeStableTimer must be a number of seconds or None, not {treeStableTimer!r}")
        if change_filter is not None and not isinstance(change_filter, ChangeFilter):
            error(f"{where}: change_filter must be a util.ChangeFilter, not {change_filter!r}")
        elif not self._filter_is_right(where, branch, branches, change_filter, categories):
            branch, change_filter = None, None
        else:
            self.change_filter = self.getChangeFilter(branch, branches, change_filter, categories)
        super().checkConfig(builderNames, **kwargs)
        self._take_basic(treeStableTimer, fileIsImportant, reason, onlyImportant)

    def _filter_is_right(self, where: str, branch: Any, branches: Any, change_filter: Any, categories: Any) -> bool:
        """Whether branch, branches, change_filter and categories go together; mistakes are reported."""
        try:
            self.getChangeFilter(branch, branches, change_filter, categories)
        except (RuntimeError, ValueError, TypeError) as wrong:
            error(f"{where}: {wrong}")
            return False
        return True

    def _take_basic(self, timer: float | None, fileIsImportant: Any, reason: str, onlyImportant: bool) -> None:
        self.treeStableTimer = timer
        if fileIsImportant is not None:
            self.fileIsImportant = fileIsImportant
        else:
            self.__dict__.pop("fileIsImportant", None)
        self.onlyImportant = bool(onlyImportant)
        self.reason = reason % {"name": self.name, "classname": type(self).__name__}

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        shouldntBeSet: Any = NotSet,
        treeStableTimer: float | None = None,
        builderNames: Any = None,
        branch: Any = NotABranch,
        branches: Any = NotABranch,
        fileIsImportant: Any = None,
        categories: Any = None,
        reason: str = REASON,
        change_filter: ChangeFilter | None = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self._take_basic(treeStableTimer, fileIsImportant, reason, onlyImportant)
        self.change_filter = self.getChangeFilter(branch, branches, change_filter, categories)

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: ChangeFilter | None, categories: Any
    ) -> ChangeFilter | None:
        """The filter that these arguments ask for; raises ValueError if they don't go together."""
        return ChangeFilter.fromSchedulerConstructorArgs(change_filter, branch, categories)

    # -- life ----------------------------------------------------------------------------------------------------------

    _timers: StableTimers | None = None

    @deferred
    async def activate(self) -> None:
        """Begin to read changes, and take the timers up where they stand."""
        await super().activate()
        await self.startConsumingChanges(
            fileIsImportant=self.fileIsImportant, change_filter=self.change_filter, onlyImportant=self.onlyImportant
        )
        assert self.serviceid is not None
        self._timers = StableTimers(self.master.reactor, self.master.db, self.serviceid, self._due)
        if self.enabled:
            await self.scanExistingClassifiedChanges()

    @deferred
    async def deactivate(self) -> None:
        """Stop reading changes; what was classified stays."""
        timers, self._timers = self._timers, None
        if timers is not None:
            await timers.stop()
        await super().deactivate()

    @deferred
    async def scanExistingClassifiedChanges(self) -> None:
        """Take up the timers that were running, those that have become due meanwhile included."""
        if self._timers is not None:
            await self._timers.load(self.treeStableTimer or 0.0)

    def enabled_changed(self) -> None:
        """Timers rest while the scheduler is off."""
        if self._timers is None:
            return
        done = self.scanExistingClassifiedChanges() if self.enabled else deferred(self._timers.stop)()
        done.addErrback(lambda f: log.failure("scheduler {name} could not follow its switch", f, name=self.name))

    # -- deciding ------------------------------------------------------------------------------------------------------

    @deferred
    async def gotChange(self, change: Change, important: bool) -> None:
        """Build an important change at once, or keep it until the tree has been stable."""
        decision = current_decision()
        if not self.treeStableTimer:
            if important:
                await self.submit_with_decision(await self.wish_for_changes([change], self.reason))
            elif decision is not None:
                decision.add(reasons.record, "change", change.number, f"scheduler:{self.name}", "unimportant", {})
            return
        timer = stored_name(self.getTimerNameForChange(change))
        deadline = self.master.db.now() + self.treeStableTimer if important else None
        args = (self.serviceid, change.number, timer, important, deadline)
        if decision is None:
            await self.master.db.write(rows.classify, *args)
            self._classified(timer, deadline)
        else:
            decision.add(rows.classify, *args, then=lambda _: self._classified(timer, deadline))

    def _classified(self, timer: str, deadline: float | None) -> None:
        if deadline is not None and self._timers is not None:
            self._timers.arm(timer, deadline)

    def getTimerNameForChange(self, change: Change) -> Any:
        """Which of the scheduler's timers a change restarts."""
        return ""

    def getChangeClassificationsForTimer(self, sched_id: int, timer_name: str) -> Any:
        """A Deferred of the changes that a timer waits for: change id → whether it is important."""
        return self.master.db.read(rows.classified, sched_id, timer_name)

    @deferred
    async def stableTimerFired(self, timer_name: str) -> None:
        """The tree has been stable: build all that was classified for this timer, once."""
        if self._timers is not None and timer_name in self._timers.deadlines:
            await self._due(timer_name, self._timers.deadlines[timer_name])

    async def _due(self, timer: str, deadline: float) -> None:
        timers = self._timers
        if timers is None or not self.enabled:
            return
        if self._changes is not None:
            await self._changes.caught_up()  # an important change that is still unread starts the timer anew
        if timers.deadlines.get(timer) != deadline or self._timers is not timers or not self.enabled:
            return
        kept: Mapping[int, bool] = await maybe(self.getChangeClassificationsForTimer, self.serviceid, timer)
        records = await self.master.db.read(change_rows.get_many, list(kept))
        new = None
        if records:
            changes = [Change.from_record(record) for record in records]
            new = await self._composer.compose(await self.wish_for_changes(changes, self.reason))
        await self.master.db.write(rows.fire, self.serviceid, timer, deadline, sorted(kept), new)
        timers.forget(timer, deadline)


class SingleBranchScheduler(AbsoluteSourceStampsMixin, BaseBasicScheduler):
    """Builds the changes of one branch, all of them together after its tree-stable timer.

    :param createAbsoluteSourceStamps: in a codebase without a change, build the revision of its newest change that
        this scheduler has seen, instead of what is newest when the build runs
    """

    compare_attrs: Sequence[str] = ("createAbsoluteSourceStamps",)

    def checkConfig(self, createAbsoluteSourceStamps: bool = False, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments and report mistakes."""
        super().checkConfig(**kwargs)
        self.createAbsoluteSourceStamps = bool(createAbsoluteSourceStamps)

    @deferred
    async def reconfigService(self, createAbsoluteSourceStamps: bool = False, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over these arguments."""
        await maybe(super().reconfigService, **kwargs)
        self.createAbsoluteSourceStamps = bool(createAbsoluteSourceStamps)

    @deferred
    async def gotChange(self, change: Change, important: bool) -> None:
        """Remember the change's revision, then decide on it."""
        await self.recordChange(change)
        await maybe(super().gotChange, change, important)

    @deferred
    async def activate(self) -> None:
        """Begin to read changes, knowing what the newest of each codebase was."""
        await self.loadCodebases()
        await maybe(super().activate)

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: ChangeFilter | None, categories: Any
    ) -> ChangeFilter | None:
        """The filter that these arguments ask for; raises ValueError if they don't go together."""
        if branch is NotABranch and not change_filter:
            raise ValueError("it needs branch='…' or change_filter=util.ChangeFilter(branch='…')")
        if branches is not NotABranch:
            raise ValueError("branches= is for AnyBranchScheduler; give branch= or change_filter=")
        return ChangeFilter.fromSchedulerConstructorArgs(change_filter, branch, categories)

    def getTimerNameForChange(self, change: Change) -> Any:
        """All changes share one timer."""
        return "only"


class Scheduler(SingleBranchScheduler):
    """The old name of :class:`SingleBranchScheduler`."""


class AnyBranchScheduler(BaseBasicScheduler):
    """Builds the changes of every branch, each branch (of each repository) on its own, with its own timer.

    :param branches: an older way to say which branches; None or empty: all
    """

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: ChangeFilter | None, categories: Any
    ) -> ChangeFilter | None:
        """The filter that these arguments ask for; raises ValueError if they don't go together."""
        if branch is not NotABranch:
            raise ValueError("branch= is for SingleBranchScheduler; give change_filter=util.ChangeFilter(branch=[…])")
        wanted = branches if branches is not NotABranch and branches else NotABranch
        return ChangeFilter.fromSchedulerConstructorArgs(change_filter, wanted, categories)

    def getTimerNameForChange(self, change: Change) -> Any:
        """Each branch of each repository has a timer of its own."""
        return repr((change.codebase, change.project, change.repository, change.branch))
