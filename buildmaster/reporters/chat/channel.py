"""A place in which a bot talks: a channel of IRC, a chat of Telegram, a conversation with one person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.reporters import utils
from buildmaster.reporters.chat import events as known
from buildmaster.reporters.chat.asking import UsageError
from buildmaster.service import AsyncService


class Channel(AsyncService):
    """Remembers of which events the place is told, which builds are watched, and whether the bot is to be quiet."""

    def __init__(self, bot: Any, channel: Any) -> None:
        self.name = f"Channel({channel})"
        self.id = channel
        self.bot = bot
        self.notify_events: set[str] = set()
        self.watched: set[int] = set()
        self.missing_workers: set[int] = set()
        self.muted = False

    def send(self, message: str, **kwargs: Any) -> Any:
        """Say something, unless the bot is to be quiet."""
        if not self.muted:
            return self.bot.send_message(self.id, message, **kwargs)
        return None

    def stopService(self) -> Any:
        """The bot leaves."""
        return super().stopService()

    # -- events --------------------------------------------------------------------------------------------------------

    def validate_notification_event(self, event: str) -> None:
        """Raises :class:`.UsageError` for an event that there is not."""
        if not known.is_event(event):
            names = ", ".join(f"'{name}'" for name in known.NAMES)
            raise UsageError(f"There is no event '{event}'; there are {names}, and 'failureToSuccess' and the like.")

    def list_notified_events(self) -> Any:
        """Say of which events this place is told."""
        if not self.notify_events:
            return self.send("No events are being notified.")
        return self.send(f"The following events are being notified: {', '.join(sorted(self.notify_events))}.")

    def notify_for(self, *events: str) -> bool:
        """Whether this place is told of any of these events."""
        return any(event in self.notify_events for event in events)

    @deferred
    async def notify_for_finished(self, build: Any) -> bool:
        """Whether this place is told of a finished build."""
        before = None
        if known.needs_previous(self.notify_events):
            previous = await utils.getPreviousBuild(self.master, build)
            before = None if previous is None else previous["results"]
        return known.wanted(self.notify_events, build["results"], before)

    def add_notification_events(self, events: Iterable[str]) -> None:
        """Tell this place of these events too."""
        events = list(events)
        for event in events:
            self.validate_notification_event(event)
        self.notify_events.update(events)
        self.bot.saveNotifyEvents()

    def remove_notification_events(self, events: Iterable[str]) -> None:
        """Do not tell this place of these events any more."""
        events = list(events)
        for event in events:
            self.validate_notification_event(event)
        self.notify_events.difference_update(events)
        self.bot.saveNotifyEvents()

    def remove_all_notification_events(self) -> None:
        """Tell this place of nothing."""
        self.notify_events = set()
        self.bot.saveNotifyEvents()

    def subscribe_to_build_events(self) -> None:
        """Tell this place of builds that start and finish."""
        self.add_notification_events(known.USUAL)

    def unsubscribe_from_build_events(self) -> None:
        """Do not tell this place of builds that start and finish."""
        self.remove_notification_events(known.USUAL)

    @deferred
    async def shouldReportBuild(self, builder: Any, buildnum: int) -> bool:
        """Whether a build of this builder (its name or id) is one of those that the bot shows."""
        kind = {"builderid": builder} if isinstance(builder, int) else {"buildername": builder}
        found = await self.bot.getBuilder(**kind)
        return found is not None and self.bot.builderMatchesAnyTag(found.get("tags", []))

    # -- what happens --------------------------------------------------------------------------------------------------

    @deferred
    async def buildStarted(self, build: Any) -> None:
        """A build has started."""
        if not self.notify_for("started"):
            return
        builder = await self.bot.getBuilder(builderid=build["builderid"])
        if not self.bot.builderMatchesAnyTag(builder["tags"]):
            return
        name = self.bot.builder_text(builder["name"])
        revisions = await self._revisions(build)
        if revisions:
            await maybe(self.send, f"Build of {name} including revision(s) {revisions} started.")
        else:
            await maybe(self.send, f"Build {self.bot.build_text(build)} of {name} started.")

    @deferred
    async def buildFinished(self, build: Any, watched: bool = False) -> None:
        """A build has finished; a ``watched`` one is told of in any case."""
        watched = watched or build["buildid"] in self.watched
        self.watched.discard(build["buildid"])
        if not watched and not self.notify_events:
            return
        builder = await self.bot.getBuilder(builderid=build["builderid"])
        if not self.bot.builderMatchesAnyTag(builder["tags"]):
            return
        if not watched and not await self.notify_for_finished(build):
            return
        await maybe(self.send, await self.bot.finished_text(builder, build, await self._revisions(build)))

    async def _revisions(self, build: Any) -> str:
        if not self.bot.useRevisions:
            return ""
        return " ".join(await maybe(self.bot.getRevisionsForBuild, build))

    @deferred
    async def workerMissing(self, worker: Any) -> None:
        """A worker has been away too long."""
        self.missing_workers.add(worker["workerid"])
        self.bot.saveMissingWorkers()
        if self.notify_for("worker"):
            last = self.bot.time_text(worker.get("last_connection"))
            await maybe(
                self.send, f"Worker {self.bot.builder_text(worker['name'])} is missing. It was seen last on {last}."
            )

    @deferred
    async def workerConnected(self, worker: Any) -> None:
        """A worker has connected; if it was missing, that is told."""
        if worker["workerid"] not in self.missing_workers:
            return
        self.missing_workers.discard(worker["workerid"])
        self.bot.saveMissingWorkers()
        if self.notify_for("worker"):
            await maybe(self.send, f"Worker {self.bot.builder_text(worker['name'])} is back online.")
