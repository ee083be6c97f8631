"""What the base classes of all schedulers share.

A scheduler decides which builds are wanted.  What it decides is stored at once, buildset, requests and reason
together; it keeps nothing in memory that a restart could lose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.filters import ChangeFilter
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.records import Fact, SourceStamp
from buildmaster.base.strings import bytes2unicode
from buildmaster.db import buildsets
from buildmaster.db import changes as change_rows
from buildmaster.db import schedulers as rows
from buildmaster.mq.decision import next_idempotency_key
from buildmaster.process.change import Change
from buildmaster.properties import Properties
from buildmaster.schedulers.composing import (
    Composer,
    Wish,
    newest_by_codebase,
    properties_of,
    stamp_from_dict,
    stamp_of,
)
from buildmaster.schedulers.consuming import ChangeConsumer
from buildmaster.schedulers.decision import Decision, current_decision
from buildmaster.service import ClusteredBuildbotService, StateMixin

log = Logger()

Added = tuple[int, dict[int, int]]
"""(buildset id, request id by builder id)"""


class SchedulerMachinery(ClusteredBuildbotService, StateMixin):
    """What both documented base classes share."""

    DEFAULT_CODEBASES: Mapping[str, Any] = {"": {}}
    compare_attrs: Sequence[str] = ("name", "builderNames", "properties", "codebases")

    builderNames: Any = ()
    properties: Properties
    codebases: Mapping[str, Any]
    priority: Any = None
    enabled = True
    """Whether it acts on anything; changes that come while it is off are passed over."""

    @property
    def schedulerid(self) -> int | None:
        """The id under which all masters know this scheduler."""
        return self.serviceid

    # -- configuration -------------------------------------------------------------------------------------------------

    def _check_arguments(self, builderNames: Any, properties: Any, codebases: Any, priority: Any) -> None:
        if not isinstance(builderNames, list | tuple) and not IRenderable.providedBy(builderNames):
            error(
                f"scheduler {self.name!r}: builderNames must be a list of builder names, or a renderable that becomes "
                f"one, not {builderNames!r}"
            )
        elif isinstance(builderNames, list | tuple):
            for name in builderNames:
                if not isinstance(name, str) and not IRenderable.providedBy(name):
                    error(f"scheduler {self.name!r}: {name!r} in builderNames is not the name of a builder")
        if properties is not None and not isinstance(properties, Mapping):
            error(f"scheduler {self.name!r}: properties must be a dictionary, not {properties!r}")
        self._check_codebases(codebases)
        if priority is not None and not isinstance(priority, int) and not callable(priority):
            error(f"scheduler {self.name!r}: priority must be a number or a function, not {priority!r}")

    def _check_codebases(self, codebases: Any) -> None:
        if codebases is None:
            return
        if not isinstance(codebases, Mapping | list | tuple):
            error(f"scheduler {self.name!r}: codebases must be a dictionary or a list of names, not {codebases!r}")
        elif isinstance(codebases, Mapping):
            for name, attributes in codebases.items():
                if not isinstance(attributes, Mapping):
                    error(f"scheduler {self.name!r}: codebase {name!r} must be a dictionary of its attributes")

    def _take_arguments(self, builderNames: Any, properties: Any, codebases: Any, priority: Any) -> None:
        self.builderNames = builderNames
        self.properties = Properties()
        if isinstance(properties, Mapping):
            given = {bytes2unicode(name): (value, "Scheduler") for name, value in properties.items()}
            self.properties.properties.update(given)
        self.properties.setProperty("scheduler", self.name, "Scheduler")
        if not isinstance(codebases, Mapping | list | tuple):
            codebases = self.DEFAULT_CODEBASES
        self.codebases = dict(codebases) if isinstance(codebases, Mapping) else {name: {} for name in codebases}
        self.priority = priority
        self._composer = Composer(self)

    # -- life ----------------------------------------------------------------------------------------------------------

    _changes: ChangeConsumer | None = None
    _enable_listener: Any = None

    def _getServiceId(self) -> Any:
        return self.master.db.write(rows.find_id, self.name)

    def _claimService(self) -> Any:
        return self.master.db.write(rows.set_master, self.serviceid, self.master.masterid)

    def _unclaimService(self) -> Any:
        return self.master.db.write(rows.set_master, self.serviceid, None)

    @deferred
    async def activate(self) -> None:
        """Begin to act; subclasses that override this call it first, and act only if :attr:`enabled`."""
        found = await self.master.db.read(rows.get, self.serviceid)
        self.enabled = True if found is None else found.enabled
        self.startConsumingEnableEvents()

    @deferred
    async def deactivate(self) -> None:
        """Cease to act; subclasses that override this call it last."""
        if self._enable_listener is not None:
            self._enable_listener.stop()
            self._enable_listener = None
        if self._changes is not None:
            changes, self._changes = self._changes, None
            await changes.stop()

    def startConsumingEnableEvents(self) -> None:
        """Follow the switching on and off of this scheduler."""
        if self._enable_listener is None:
            self._enable_listener = self.master.mq.journal.listen([("scheduler", "updated")], self._heard)

    def _heard(self, fact: Fact) -> None:
        if fact.fields.get("schedulerid") == self.serviceid and fact.fields["enabled"] != self.enabled:
            self.enabled = fact.fields["enabled"]
            self.enabled_changed()

    def enabled_changed(self) -> None:
        """The scheduler was switched on or off; what keeps timers follows."""

    def listBuilderNames(self) -> Any:
        """The builders for which this scheduler may add requests, as configured."""
        return self.builderNames

    # -- changes -------------------------------------------------------------------------------------------------------

    @deferred
    async def startConsumingChanges(
        self,
        fileIsImportant: Callable[[Change], Any] | None = None,
        change_filter: ChangeFilter | None = None,
        onlyImportant: bool = False,
    ) -> None:
        """From now on have :meth:`gotChange` called for each change, until this instance is deactivated.

        :param fileIsImportant: a function of a change that says whether it is important; it may return a Deferred
        :param change_filter: which changes are wanted at all
        :param onlyImportant: whether unimportant changes are passed over
        """
        assert self._changes is None, "startConsumingChanges may be called once"
        if fileIsImportant is not None and not callable(fileIsImportant):
            raise TypeError(f"fileIsImportant must be a function, not {fileIsImportant!r}")
        declared = None if change_filter is None else change_filter.to_json()
        await self.master.db.write(rows.set_filter, self.serviceid, declared)
        self._changes = ChangeConsumer(self, fileIsImportant, change_filter, onlyImportant)
        await self._changes.start()

    async def consider(self, change: Change, important: bool, decision: Decision) -> None:
        """Decide on a change that is wanted; what user code adds meanwhile is stored once, however often it runs."""
        await maybe(self.gotChange, change, important)

    def gotChange(self, change: Change, important: bool) -> Any:
        """A change that is wanted has come; subclasses that consume changes override this.

        May return a Deferred.  It may be called again for the same change after a crash; buildsets that it added are
        not added again then.
        """
        raise TypeError(f"{type(self).__name__} consumes changes but does not define gotChange(change, important)")

    # -- adding buildsets ----------------------------------------------------------------------------------------------

    def getCodebaseDict(self, codebase: str) -> Any:
        """What the configuration says of a codebase (``repository``, ``branch``, ``revision`` …); a Deferred of it."""
        return _answer(self.codebases[codebase])

    @deferred
    async def addBuildsetForSourceStampsWithDefaults(
        self,
        reason: str,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        waited_for: bool = False,
        properties: Properties | None = None,
        builderNames: Sequence[str] | None = None,
        priority: Any = None,
        **kw: Any,
    ) -> Added:
        """Add a buildset for these source stamps, completed by what the configuration says of each codebase.

        A Deferred of (buildset id, request id by builder id).
        """
        stamps = await self.stamps_with_defaults(sourcestamps or ())
        wish = Wish(stamps, reason, waited_for, properties, builderNames, priority=priority, **_checked(kw))
        return await self.submit(wish)

    @deferred
    async def addBuildsetForSourceStamps(
        self,
        waited_for: bool = False,
        sourcestamps: Sequence[Mapping[str, Any] | int] | None = None,
        reason: str = "",
        external_idstring: str | None = None,
        properties: Properties | None = None,
        builderNames: Sequence[str] | None = None,
        priority: Any = None,
        **kw: Any,
    ) -> Added:
        """Add a buildset for exactly these source stamps, each a dictionary or the id of a stored one.

        A Deferred of (buildset id, request id by builder id).
        """
        stamps = [stamp if isinstance(stamp, int) else stamp_from_dict(stamp) for stamp in sourcestamps or ()]
        wish = Wish(
            stamps,
            reason,
            waited_for,
            properties,
            builderNames,
            external_idstring=external_idstring,
            priority=priority,
            **_checked(kw),
        )
        return await self.submit(wish)

    @deferred
    async def addBuildsetForChanges(
        self,
        waited_for: bool = False,
        reason: str = "",
        external_idstring: str | None = None,
        changeids: Sequence[int] | None = None,
        builderNames: Sequence[str] | None = None,
        properties: Properties | None = None,
        priority: Any = None,
        **kw: Any,
    ) -> Added:
        """Add a buildset for these changes: the newest of each codebase says what to build.

        A codebase without a change is built as the configuration says.  The properties of the changes are those of
        the buildset too.  A Deferred of (buildset id, request id by builder id).
        """
        records = await self.master.db.read(change_rows.get_many, list(changeids or ()))
        changes = [Change.from_record(record) for record in records]
        wish = await self.wish_for_changes(changes, reason, waited_for, properties, builderNames, priority)
        wish.external_idstring = external_idstring
        for name, value in _checked(kw).items():
            setattr(wish, name, value)
        return await self.submit(wish)

    async def wish_for_changes(
        self,
        changes: Sequence[Change],
        reason: str,
        waited_for: bool = False,
        properties: Properties | None = None,
        builder_names: Sequence[str] | None = None,
        priority: Any = None,
    ) -> Wish:
        """What is to be built for these changes."""
        newest = newest_by_codebase(changes)
        stamps = [
            stamp_of(newest[codebase]) if codebase in newest else await self._default_stamp(codebase)
            for codebase in sorted(self.codebases)
        ]
        return Wish(
            stamps,
            reason,
            waited_for,
            properties_of(changes, properties),
            builder_names,
            priority=priority,
            changes=sorted(changes, key=lambda change: change.number or 0),
        )

    async def stamps_with_defaults(self, given: Sequence[Mapping[str, Any]]) -> list[SourceStamp]:
        """These source stamps completed by the configuration, one for each of its codebases at least."""
        by_codebase = {stamp.get("codebase") or "": dict(stamp) for stamp in given}
        stamps = []
        for codebase in sorted(set(self.codebases) | set(by_codebase)):
            attributes: dict[str, Any] = {}
            if codebase in self.codebases:
                attributes = dict(await maybe(self.getCodebaseDict, codebase))
            attributes.update(by_codebase.get(codebase, {}))
            stamps.append(stamp_from_dict({**attributes, "codebase": codebase}))
        return stamps

    async def _default_stamp(self, codebase: str) -> SourceStamp:
        return stamp_from_dict({**await maybe(self.getCodebaseDict, codebase), "codebase": codebase})

    async def submit(self, wish: Wish) -> Added:
        """Store a buildset now.

        While a change is being decided on, it is stored under a key of the decision, so that deciding again after a
        crash finds the same buildset instead of adding a second one.
        """
        if wish.idempotency_key is None:
            wish.idempotency_key = next_idempotency_key()
        new = await self._composer.compose(wish)
        return await self.master.db.write(buildsets.add, new)

    async def submit_with_decision(self, wish: Wish) -> None:
        """Store a buildset together with the decision that is being made, or now if there is none."""
        decision = current_decision()
        new = await self._composer.compose(wish)
        if decision is None:
            await self.master.db.write(buildsets.add, new)
        else:
            decision.add(buildsets.add, new)


_MORE = ("parent_buildid", "parent_relationship", "rebuilt_buildid", "idempotency_key", "changeids")


def _checked(kw: Mapping[str, Any]) -> dict[str, Any]:
    """The further arguments of a buildset; raises TypeError for one that there is not."""
    unknown = sorted(set(kw) - set(_MORE))
    if unknown:
        raise TypeError(f"a buildset has no {unknown[0]!r}; there are {', '.join(_MORE)}")
    return dict(kw)


@deferred
async def _answer(value: Any) -> Any:
    return value
