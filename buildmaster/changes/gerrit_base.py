"""From an event of Gerrit to a change: the base class of both sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.pullrequest import PullRequestMixin
from buildmaster.changes.base import ChangeSource
from buildmaster.changes.gerrit_events import author_of, branch_of, is_deleted, key_of, without_heads

log = Logger()


class GerritChangeSourceBase(ChangeSource, PullRequestMixin):
    """Makes changes of events.

    :param gitBaseURL: the address before the projects' names
    :param handled_events: the types of events that are changes
    :param debug: whether each event is logged
    :param get_files: whether Gerrit is asked for the files of each patch set

    A subclass with a method ``eventReceived_TYPE(properties, event)`` (``-`` in the type is ``_``) takes events of that
    type; any other that has a change and a patch set is taken by :meth:`addChangeFromEvent`.
    """

    compare_attrs: Sequence[str] = ("gerritserver", "gerritport")
    name: Any = None
    property_basename = "event"
    external_property_whitelist = ["*"]
    external_property_denylist = ["event.eventCreatedOn"]

    def checkConfig(
        self,
        gitBaseURL: str | None = None,
        handled_events: Sequence[str] = ("patchset-created", "ref-updated"),
        debug: bool = False,
        get_files: bool = False,
        name: str | None = None,
    ) -> None:
        if gitBaseURL is None:
            error("gitBaseURL must be specified")
        if isinstance(handled_events, str):
            error(f"{type(self).__name__}: handled_events must be a list, [{handled_events!r}]")
        super().checkConfig(name=name)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        gitBaseURL: str | None = None,
        handled_events: Sequence[str] = ("patchset-created", "ref-updated"),
        debug: bool = False,
        get_files: bool = False,
        name: str | None = None,
    ) -> None:
        await maybe(super().reconfigService, name=name)
        self.gitBaseURL = (gitBaseURL or "").rstrip("/")
        self.handled_events = list(handled_events)
        self.debug, self._get_files = debug, get_files

    # -- events --------------------------------------------------------------------------------------------------------

    async def take_event(self, event: dict[str, Any]) -> None:
        """One event; one that can't be read is told and does not stop the next.  Raises what the database does."""
        try:
            await maybe(self.eventReceived, event)
        except (KeyError, TypeError, ValueError, AttributeError):  # policy: skip this event
            log.failure("{source}: the event {event} could not be taken", source=self.describe(), event=event)

    def eventReceived(self, event: dict[str, Any]) -> Any:
        """Take an event; a Deferred."""
        if self.debug:
            log.info("{source}: {event}", source=self.describe(), event=event)
        if event["type"] not in self.handled_events:
            return defer.succeed(None)
        handler = getattr(self, "eventReceived_" + event["type"].replace("-", "_"), None)
        if handler is None and not ("change" in event and "patchSet" in event):
            log.warn("{source}: {type} is handled, but is of no patch set", source=self.describe(), type=event["type"])
            return defer.succeed(None)
        return (handler or self.addChangeFromEvent)(self.build_properties(event), event)

    def build_properties(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event as properties of its change."""
        properties = self.extractProperties(event)
        properties["event.source"] = type(self).__name__
        if event["type"] == "patchset-created" and "change" in event:
            properties["target_branch"] = without_heads(event["change"]["branch"])
        return properties

    def strip_refs_heads_from_branch(self, branch: str) -> str:
        """A branch without ``refs/heads/``."""
        return without_heads(branch)

    def get_branch_from_event(self, event: dict[str, Any]) -> str:
        """The ``branch`` of an event's change: the reference of a new patch set, else the branch that it is for."""
        return branch_of(event)

    @deferred
    async def addChangeFromEvent(self, properties: dict[str, Any], event: dict[str, Any]) -> None:
        """Add the change of an event that is of a patch set."""
        if "change" not in event or "patchSet" not in event:
            log.warn("{source}: {type} is of no patch set", source=self.describe(), type=event["type"])
            return
        change, patch_set = event["change"], event["patchSet"]
        files = ["unknown"]
        if self._get_files:
            files = await maybe(self.getFiles, change["number"], patch_set["number"])
        who = change.get("owner") or patch_set.get("uploader")
        await self.addChange(
            event,
            {
                "author": author_of(who),
                "project": change["project"],
                "repository": f"{self.gitBaseURL}/{change['project']}",
                "branch": self.get_branch_from_event(event),
                "revision": patch_set["revision"],
                "revlink": change.get("url") or "",
                "comments": change.get("subject") or "",
                "files": files,
                "category": event["type"],
                "properties": properties,
            },
        )

    def eventReceived_ref_updated(self, properties: dict[str, Any], event: dict[str, Any]) -> Any:
        """A branch or tag that moved; a Deferred."""
        update = event["refUpdate"]
        name = update["refName"]
        if name.startswith("refs/changes/") or is_deleted(update["newRev"]):
            return defer.succeed(None)  # reviews have events of their own
        project = update["project"]
        return self.addChange(
            event,
            {
                "author": author_of(event.get("submitter")),
                "project": project,
                "repository": f"{self.gitBaseURL}/{project}",
                "branch": without_heads(name),
                "revision": update["newRev"],
                "comments": "Gerrit: commit(s) pushed.",
                "files": ["unknown"],
                "category": event["type"],
                "properties": properties,
            },
        )

    @deferred
    async def addChange(self, event: dict[str, Any], change: dict[str, Any]) -> None:
        """Store an event's change, once, whoever else tells of the event."""
        when = event.get("eventCreatedOn")
        if when is not None:
            change = {"when_timestamp": when, **change}
        await self.master.data.updates.addChanges([change], idempotency_keys=[key_of(event)])

    def getFiles(self, change: Any, patchset: Any) -> Any:
        """The files of a patch set; a Deferred."""
        return defer.succeed(["unknown"])
