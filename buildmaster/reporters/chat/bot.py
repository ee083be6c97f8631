"""A bot: what it knows of builders and builds, how it puts that into words, and its channels and contacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from twisted.logger import Logger
from twisted.python.reflect import qual

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import SUCCESS, WARNINGS
from buildmaster.base.times import datetime2epoch, epoch2datetime, fuzzyInterval
from buildmaster.data.resultspec import Filter
from buildmaster.db import state
from buildmaster.mq.failing import TryLater
from buildmaster.process.urls import getURLForBuild
from buildmaster.reporters import utils
from buildmaster.reporters.chat.access import expand_authz
from buildmaster.reporters.chat.asking import UsageError
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.contact import Contact
from buildmaster.reporters.chat.events import DESCRIPTIONS, SEVERITY
from buildmaster.service import AsyncMultiService

log = Logger()

REVISION_LENGTH = 9
MOST_CONTACTS = 1000


class StatusBot(AsyncMultiService):
    """The base class of bots.

    :param authz: who may give which command, see :mod:`.access`
    :param tags: show only builders that have one of these tags
    :param notify_events: the events of which each channel is told at first
    :param useRevisions: whether builds are told of by the revisions that they include
    :param showBlameList: whether the authors are named when a build did not succeed

    Subclasses define :meth:`send_message`.
    """

    contactClass: Any = Contact
    channelClass: Any = Channel
    commandPrefix = ""
    commandSuffix: str | None = None

    offline_string = "offline"
    idle_string = "idle"
    running_string = "running:"
    results_descriptions: ClassVar[Mapping[int, str]] = DESCRIPTIONS
    results_severity: ClassVar[Sequence[int]] = SEVERITY

    def __init__(
        self,
        authz: Mapping[Any, Any] | None = None,
        tags: Sequence[str] | None = None,
        notify_events: Iterable[str] | None = None,
        useRevisions: bool = False,
        showBlameList: bool = False,
    ) -> None:
        super().__init__()
        self.tags = tags
        self.notify_events: set[str] = set(notify_events or ())
        self.useRevisions = useRevisions
        self.showBlameList = showBlameList
        self.authz = self.expand_authz(authz)
        self.contacts: dict[tuple[Any, Any], Any] = {}
        self.channels: dict[Any, Any] = {}
        self._objectid: int | None = None

    @staticmethod
    def expand_authz(authz: Mapping[Any, Any] | None) -> dict[str, Any]:
        """``authz`` with one upper-case command a key."""
        return expand_authz(authz)

    def isValidUser(self, user: Any) -> bool:
        """Whether the bot listens to this user at all."""
        return True

    def getContact(self, user: Any, channel: Any) -> Any:
        """The conversation with a user in a channel."""
        found = self.contacts.get((self.user_key(user), self.channel_key(channel)))
        if found is None:
            if len(self.contacts) >= MOST_CONTACTS:
                self.contacts.clear()  # they are made again when they speak
            found = self.contactClass(user=user, channel=self.getChannel(channel, self.isValidUser(user)))
            self.contacts[(self.user_key(user), self.channel_key(channel))] = found
        return found

    def getChannel(self, channel: Any, valid: bool = True) -> Any:
        """The channel of this name; one that is not ``valid`` is not kept."""
        found = self.channels.get(self.channel_key(channel))
        if found is None:
            found = self.channelClass(self, channel)
            if valid:
                self.channels[self.channel_key(channel)] = found
                found.setServiceParent(self)
        return found

    def user_key(self, user: Any) -> Any:
        """What tells a user from others."""
        return user

    def channel_key(self, channel: Any) -> Any:
        """What tells a channel from others."""
        return channel

    def send_message(self, chat: Any, message: str, **kwargs: Any) -> Any:
        """Say something in a channel."""
        raise TypeError(f"{type(self).__name__} must define send_message(chat, message)")

    def log(self, msg: str, source: Any = None) -> None:
        """Write a line to the master's log."""
        log.info("{bot}: {msg}", bot=type(self).__name__, msg=msg)

    def log_err(self, error: Any = None, why: str | None = None, source: Any = None) -> None:
        """Write an error to the master's log."""
        log.failure("{bot}: {why}", failure=error, bot=type(self).__name__, why=why or "an error")

    # -- what is kept --------------------------------------------------------------------------------------------------

    async def _object_id(self) -> int:
        if self._objectid is None:
            self._objectid = await self.master.db.write(state.object_id, self.state_name(), qual(type(self)))
        return self._objectid

    def state_name(self) -> str:
        """Under which name events and missing workers are kept."""
        return str(self.name)

    @deferred
    async def loadState(self) -> None:
        """Take up again which channel is told of which events, and which workers are missing."""
        kept = await self.master.db.read(state.get_all, await self._object_id())
        for channel, events in kept.get("notify_events", []):
            self.getChannel(channel).notify_events = set(events)
        for channel, workers in kept.get("missing_workers", []):
            self.getChannel(channel).missing_workers = set(workers)

    def saveNotifyEvents(self) -> Any:
        """Keep which channel is told of which events."""
        return self._save("notify_events", [(c.id, sorted(c.notify_events)) for c in self.channels.values()])

    def saveMissingWorkers(self) -> Any:
        """Keep which workers each channel knows to be missing."""
        return self._save("missing_workers", [(c.id, sorted(c.missing_workers)) for c in self.channels.values()])

    @deferred
    async def _save(self, name: str, value: Any) -> None:
        try:
            await self.master.db.write(state.put, await self._object_id(), name, value)
        except Exception:  # policy: skip, what holds now is in memory
            log.failure("{bot}: {name} could not be stored", bot=type(self).__name__, name=name)

    # -- what it knows -------------------------------------------------------------------------------------------------

    def builderMatchesAnyTag(self, builder_tags: Iterable[str]) -> bool:
        """Whether a builder with these tags is one of those that the bot shows."""
        return not self.tags or any(tag in self.tags for tag in builder_tags)

    @deferred
    async def getBuilder(self, buildername: str | None = None, builderid: int | None = None) -> Any:
        """A builder by name or id; raises :class:`.UsageError` for a name that there is not."""
        builder = await self.master.data.get(("builders", buildername if builderid is None else builderid))
        if builder is None and buildername is not None:
            raise UsageError(f"no such builder '{buildername}'")
        return builder

    @deferred
    async def getAllBuilders(self) -> list[Any]:
        """The builders that the bot shows."""
        builders = await self.master.data.get(("builders",), order=["name"])
        return [builder for builder in builders if self.builderMatchesAnyTag(builder["tags"])]

    @deferred
    async def getOnlineBuilders(self) -> list[int]:
        """The ids of builders for which a worker is connected."""
        workers = await self.master.data.get(("workers",))
        return sorted({on["builderid"] for w in workers if w["connected_to"] for on in w["configured_on"]})

    @deferred
    async def getRunningBuilds(self, builderid: int) -> Any:
        """The builds of a builder that run."""
        running = [Filter("complete", "eq", [False])]
        return await self.master.data.get(("builders", builderid, "builds"), filters=running, order=["number"])

    @deferred
    async def getLastCompletedBuild(self, builderid: int) -> Any:
        """The newest build of a builder that has finished; None if there is none."""
        complete = [Filter("complete", "eq", [True])]
        found = await self.master.data.get(
            ("builders", builderid, "builds"), filters=complete, order=["-number"], limit=1
        )
        return found[0] if found else None

    @deferred
    async def getCurrentBuildstep(self, build: Any) -> Any:
        """The steps of a build that run: a list of one, or none."""
        running = [Filter("complete", "eq", [False])]
        return await self.master.data.get(
            ("builds", build["buildid"], "steps"), filters=running, order=["number"], limit=1
        )

    @deferred
    async def getRevisionsForBuild(self, bdict: Any) -> list[str]:
        """The revisions of the changes that a build includes, shortened."""
        changes = await self.master.data.get(("builds", bdict["buildid"], "changes"))
        return sorted({str(change["revision"])[:REVISION_LENGTH] for change in changes if change["revision"]})

    # -- words ---------------------------------------------------------------------------------------------------------

    def builder_text(self, name: str) -> str:
        """How a name looks."""
        return f"`{name}`"

    def build_text(self, build: Any) -> str:
        """How a build is named, with a link."""
        return f"#{build['number']} ({self.build_url(build)})"

    def build_url(self, build: Any) -> str:
        """The address of a build's page."""
        return getURLForBuild(self.master, build["builderid"], build["number"])

    def time_text(self, moment: Any) -> str:
        """A point in time in words; it is a datetime, epoch seconds or None."""
        if isinstance(moment, int | float):
            moment = epoch2datetime(moment)
        return "an unknown day" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"

    def ago(self, moment: Any) -> str:
        """How long ago a datetime is."""
        return fuzzyInterval(max(0, int(self.master.reactor.seconds()) - (datetime2epoch(moment) or 0))) + " ago"

    def format_build_status(self, build: Any, short: bool = False) -> str:
        """The result of a build in words."""
        return self.results_descriptions.get(build["results"], "ended strangely")

    async def finished_text(self, builder: Any, build: Any, revisions: str = "") -> str:
        """What is said of a finished build."""
        name, status = self.builder_text(builder["name"]), self.format_build_status(build)
        said = f"Build {self.build_text(build)} of {name} {status}"
        if revisions:
            said = f"Build {self.build_text(build)} of {name} including revision(s) {revisions} {status}"
        if build["results"] in (SUCCESS, WARNINGS):
            return f"{said}."
        said += f": {build['state_string']}" if build["state_string"] else ""
        if self.showBlameList:
            blamed = await utils.getResponsibleUsersForBuild(self.master, build["buildid"])
            said += f"; those responsible: {', '.join(blamed)}" if blamed else ""
        return said

    @deferred
    async def getBuildStatus(self, which: str, short: bool = False) -> str:
        """What a builder does, and how its last build went."""
        builder = await self.getBuilder(buildername=which)
        name = self.builder_text(which)
        running = await self.getRunningBuilds(builder["builderid"])
        if running:
            return f"{name}: {self.running_string} {'; '.join([await self._running_text(b) for b in running])}"
        online = builder["builderid"] in await self.getOnlineBuilders()
        said = f"{name}: {self.idle_string if online else self.offline_string}"
        last = await self.getLastCompletedBuild(builder["builderid"])
        if last is None:
            return said
        return f"{said}, last build {self.ago(last['complete_at'])}: {self.format_build_status(last, short=short)}"

    async def _running_text(self, build: Any) -> str:
        steps = await self.getCurrentBuildstep(build)
        doing = steps[0]["state_string"] if steps else "no current step"
        return f"build {self.build_text(build)} ({doing})"

    # -- what is told --------------------------------------------------------------------------------------------------

    async def tell(self, key: Sequence[str], body: Any) -> None:
        """Tell all channels of an event of a build or worker."""
        told = {
            ("builds", "new"): "buildStarted",
            ("builds", "finished"): "buildFinished",
            ("workers", "missing"): "workerMissing",
            ("workers", "connected"): "workerConnected",
        }[(key[0], key[-1])]
        for channel in list(self.channels.values()):
            try:
                await maybe(getattr(channel, told), body)
            except TryLater:
                raise  # the receiver is away: all channels are told later, which is once more for some
            except Exception:  # policy: skip this channel, the others are told
                log.failure("{bot}: {channel} could not be told", bot=type(self).__name__, channel=channel.name)
