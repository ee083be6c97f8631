"""A step that has other builders build, by way of Triggerable schedulers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet import error as net_error
from twisted.python import log
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable, ITriggerableScheduler
from buildmaster.base.results import ALL_RESULTS, CANCELLED, EXCEPTION, SUCCESS, statusToString, worst_status
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.triggering import call_scheduler, cancel_requests, key_for
from buildmaster.process.urls import getURLForBuild, getURLForBuildrequest
from buildmaster.properties import Properties, Property, is_plain

RcList = Sequence[tuple[bool, Any]]
"""What became of each call: (True, (results, request ids by builder id)) or (False, Failure)."""


@attrs.frozen
class _Call:
    """One scheduler that was called."""

    scheduler: str
    unimportant: bool
    request_ids: Mapping[int, int]  # by builder id
    finished: defer.Deferred[Any]


class Trigger(BuildStep):
    """Calls the Triggerable schedulers ``schedulerNames``.

    With ``waitForFinish`` the step ends when all triggered builds have, and its result is the worst of theirs, those of
    ``unimportantSchedulerNames`` aside; otherwise it succeeds at once.

    The source to build is that of this build: with ``updateSourceStamp`` (the default) at the revisions that its
    source steps fetched; with ``alwaysUseLatest`` the newest; or that of ``sourceStamps``, a list of dictionaries
    with the keys ``codebase``, ``branch``, ``revision``, ``repository``, ``project`` and ``patch_level``,
    ``patch_body``, ``patch_subdir``, ``patch_author``, ``patch_comment`` (``sourceStamp``: a single one).

    ``set_properties`` is a dictionary of properties for the triggered builds, ``copy_properties`` a list of names of
    properties to hand on.  ``parent_relationship`` is shown with the children.

    A build that is started again after its worker was lost finds the builds that it triggered before.
    """

    name = "trigger"
    flunkOnFailure = True
    renderables = [
        "alwaysUseLatest",
        "parent_relationship",
        "schedulerNames",
        "set_properties",
        "sourceStamps",
        "updateSourceStamp",
        "waitForFinish",
    ]

    def __init__(
        self,
        schedulerNames: Any = None,
        sourceStamp: Any = None,
        sourceStamps: Any = None,
        updateSourceStamp: Any = None,
        alwaysUseLatest: Any = False,
        waitForFinish: Any = False,
        set_properties: Any = None,
        copy_properties: Sequence[str] | None = None,
        parent_relationship: Any = "Triggered from",
        unimportantSchedulerNames: Any = None,
        **kwargs: Any,
    ) -> None:
        self.schedulerNames = schedulerNames or []
        self.unimportantSchedulerNames = unimportantSchedulerNames or []
        self.sourceStamps = [sourceStamp] if sourceStamp else sourceStamps or []
        self.alwaysUseLatest = alwaysUseLatest
        self.waitForFinish = waitForFinish
        self.parent_relationship = parent_relationship
        self._check_arguments(sourceStamp, sourceStamps, updateSourceStamp)
        if updateSourceStamp is not None:
            self.updateSourceStamp = updateSourceStamp
        else:
            self.updateSourceStamp = not (alwaysUseLatest or self.sourceStamps)
        properties = dict(set_properties or {}) if not IRenderable.providedBy(set_properties) else set_properties
        if copy_properties:
            properties = {**{name: Property(name) for name in copy_properties}, **properties}
        self.set_properties = properties
        literal = properties if isinstance(properties, dict) else {}
        self._literal = {name: value for name, value in literal.items() if is_plain(value)}  # they hold no secrets
        self._stamps_are_literal = is_plain(self.sourceStamps)
        self.running = False
        self.ended = False
        self.brids: list[int] = []
        self.triggeredNames: list[str] | None = None
        self._statuses: Counter[int] = Counter()
        self._waiting: defer.Deferred[Any] | None = None
        super().__init__(**kwargs)

    def _check_arguments(self, sourceStamp: Any, sourceStamps: Any, updateSourceStamp: Any) -> None:
        if not self.schedulerNames:
            error("You must specify a scheduler to trigger")
        if (sourceStamp or sourceStamps) and updateSourceStamp is not None:
            error("You can't specify both sourceStamps and updateSourceStamp")
        if (sourceStamp or sourceStamps) and self.alwaysUseLatest:
            error("You can't specify both sourceStamps and alwaysUseLatest")
        if self.alwaysUseLatest and updateSourceStamp is not None:
            error("You can't specify both alwaysUseLatest and updateSourceStamp")
        if sourceStamp and sourceStamps:
            error("You can't specify both sourceStamp and sourceStamps")
        names, unimportant = self.schedulerNames, self.unimportantSchedulerNames
        if isinstance(names, list | tuple) and isinstance(unimportant, list | tuple):
            strangers = {name for name in unimportant if isinstance(name, str)} - {
                name for name in names if isinstance(name, str)
            }
            if strangers and all(isinstance(name, str) for name in names):
                error("unimportantSchedulerNames must be a subset of schedulerNames")

    # -- for subclasses

    def createTriggerProperties(self, properties: Mapping[str, Any]) -> Properties:
        """The properties of a triggered build, of rendered values."""
        made = Properties()
        for name, value in properties.items():
            made.setProperty(name, value, "Trigger")
        return made

    def getSchedulerByName(self, name: str) -> Any:
        """The scheduler of this name; raises ValueError if there is none that can be triggered."""
        scheduler = self.master.scheduler_manager.namedServices.get(name)
        if scheduler is None:
            raise ValueError(f"unknown triggered scheduler: {name!r}")
        if not ITriggerableScheduler.providedBy(scheduler):
            raise ValueError(f"triggered scheduler is not ITriggerableScheduler: {name!r}")
        return scheduler

    def getSchedulersAndProperties(self) -> Any:
        """What to trigger: dictionaries with ``sched_name``, ``props_to_set`` and ``unimportant``, or a Deferred of
        them.
        """
        return [
            {
                "sched_name": name,
                "props_to_set": self.set_properties,
                "unimportant": name in self.unimportantSchedulerNames,
            }
            for name in self.schedulerNames
        ]

    def getAllGotRevisions(self) -> dict[str, str]:
        """The revisions that this build's source steps fetched, by codebase."""
        got = self.getProperty("got_revision", {})
        if not isinstance(got, dict):
            got = {"": got}
        return {codebase: revision for codebase, revision in got.items() if revision is not None}

    def prepareSourcestampListForTrigger(self) -> list[dict[str, Any]]:
        """The source stamps to be built, one dictionary for each codebase."""
        if self.sourceStamps:
            stamps: dict[str, dict[str, Any]] = {}
            for stamp in self.sourceStamps:
                codebase = stamp.get("codebase", "")
                if codebase in stamps:
                    raise ValueError(f"Trigger: codebase {codebase!r} specified more than once in sourceStamps")
                stamps[codebase] = dict(stamp)
            return list(stamps.values())
        if self.alwaysUseLatest:
            return []
        own = [stamp.asDict() for stamp in self.build.getAllSourceStamps()]
        if self.updateSourceStamp:
            got = self.getAllGotRevisions()
            for stamp in own:
                if stamp["codebase"] in got:
                    stamp["revision"] = got[stamp["codebase"]]
        return own

    def worstStatus(self, overall_results: int, rclist: RcList, unimportant_brids: Iterable[int]) -> int:
        """The result of the step, of what became of the calls; counts the results for the summary."""
        unimportant = set(unimportant_brids)
        for ok, answer in rclist:
            if not ok:
                log.err(answer, "while waiting for triggered builds")
                result, request_ids = EXCEPTION, {}
            else:
                result, request_ids = answer
            self._statuses[result] += 1
            if not (request_ids and set(request_ids.values()) <= unimportant):
                overall_results = worst_status(overall_results, result)
        return overall_results

    @deferred
    async def addBuildUrls(self, rclist: RcList) -> None:
        """Add a link for each build that was triggered."""
        for ok, answer in rclist:
            if not ok:
                continue
            for request_id in answer[1].values():
                for build in await self.master.data.get(("buildrequests", request_id, "builds")):
                    builder = await self.master.data.get(("builders", build["builderid"]))
                    name = builder["name"] if builder else f"builder {build['builderid']}"
                    link = f"{statusToString(build['results'])}: {name} #{build['number']}"
                    await self.addURL(link, getURLForBuild(self.master, build["builderid"], build["number"]))

    # -- the run

    @deferred
    async def run(self) -> int:
        wanted = [_as_dict(entry) for entry in await maybe(self.getSchedulersAndProperties)]
        schedulers = [self.getSchedulerByName(entry["sched_name"]) for entry in wanted]
        self.running = True
        self.triggeredNames = [entry["sched_name"] for entry in wanted]
        stamps = self.prepareSourcestampListForTrigger()
        calls: list[_Call] = []
        count: Counter[str] = Counter()
        for entry, scheduler in zip(wanted, schedulers, strict=True):
            if self.ended:
                break
            calls.append(await self._call(entry, scheduler, stamps, count[entry["sched_name"]]))
            count[entry["sched_name"]] += 1
        self.updateSummary()
        if not self.waitForFinish:
            for call in calls:
                call.finished.addErrback(log.err, f"while triggering {call.scheduler}")
            return CANCELLED if self.ended else SUCCESS
        return await self._wait(calls)

    async def _call(
        self, entry: Mapping[str, Any], scheduler: Any, stamps: list[dict[str, Any]], ordinal: int
    ) -> _Call:
        name = entry["sched_name"]
        properties = self.createTriggerProperties(entry["props_to_set"])
        self._refuse_secrets(properties, stamps)
        stored, finished = call_scheduler(
            scheduler,
            key_for(self.build, self.name, name, ordinal),
            waited_for=bool(self.waitForFinish),
            sourcestamps=[dict(stamp) for stamp in stamps],
            set_props=properties,
            parent_buildid=self.build.buildid,
            parent_relationship=self.parent_relationship,
        )
        _, request_ids = await stored
        self.brids.extend(request_ids.values())
        for request_id in request_ids.values():
            await self.addURL(f"{name} #{request_id}", getURLForBuildrequest(self.master, request_id))
        return _Call(name, bool(entry["unimportant"]), request_ids, finished)

    def _refuse_secrets(self, properties: Properties, stamps: Sequence[Mapping[str, Any]]) -> None:
        """What is stored with a request is shown to everybody."""
        given = {
            f"property {name!r}": value
            for name, (value, _) in properties.asDict().items()
            if name not in self._literal or self._literal[name] != value
        }
        if not self._stamps_are_literal:
            given.update({f"source stamp of codebase {stamp.get('codebase', '')!r}": dict(stamp) for stamp in stamps})
        for what, value in given.items():
            for secret in self.getProperties().names_of_secrets_in(value):
                raise ValueError(
                    f"{what} for the triggered builds would hold the secret {secret!r}, where everybody can read it; "
                    f"let their steps render util.Secret({secret!r}) instead"
                )

    async def _wait(self, calls: Sequence[_Call]) -> int:
        self._waiting = defer.DeferredList([call.finished for call in calls], consumeErrors=True)
        if self.ended:
            self._waiting.cancel()
        rclist = await self._waiting
        self._waiting = None
        await self.addBuildUrls(rclist)
        unimportant = {request_id for call in calls if call.unimportant for request_id in call.request_ids.values()}
        overall = self.worstStatus(SUCCESS, rclist if not self.ended else [], unimportant)
        self.updateSummary()
        return worst_status(overall, CANCELLED) if self.ended else overall

    @deferred
    async def interrupt(self, reason: Any) -> None:
        """Stop waiting.  Triggered builds that were waited for are cancelled too, unless the worker was lost: the build
        will then be started again and look for them."""
        # We cannot interrupt what is not running, and do it only once.
        if not self.running or self.ended:
            await maybe(super().interrupt, reason)
            return
        self.ended = True
        await maybe(super().interrupt, reason)
        lost = isinstance(reason, Failure) and reason.check(net_error.ConnectionLost, net_error.ConnectionDone)
        if self.waitForFinish and not lost:
            await cancel_requests(self.master, self.brids, f"parent build was interrupted: {_text(reason)}")
        if self._waiting is not None:
            self._waiting.cancel()

    # -- what is shown

    def getCurrentSummary(self) -> dict[str, str]:
        if not self.triggeredNames:
            return {"step": "running"}
        return {"step": f"triggered {', '.join(self.triggeredNames)}"}

    def getResultSummary(self) -> dict[str, str]:
        if self.ended:
            return {"step": "interrupted"}
        words = [f"triggered {', '.join(self.triggeredNames)}"] if self.triggeredNames else ["nothing to trigger"]
        counts = [(self._statuses[result], result) for result in ALL_RESULTS if self._statuses[result]]
        words += [f"{count} {statusToString(result, count)}" for count, result in counts]
        return {"step": ", ".join(words)}


def _as_dict(entry: Any) -> dict[str, Any]:
    """What a subclass's getSchedulersAndProperties names; pairs (name, properties) are the older form."""
    if isinstance(entry, Mapping):
        return {"unimportant": False, "props_to_set": {}, **entry}
    name, properties, *rest = entry
    return {"sched_name": name, "props_to_set": properties, "unimportant": bool(rest and rest[0])}


def _text(reason: Any) -> str:
    return reason.getErrorMessage() if isinstance(reason, Failure) else str(reason)
